"""The kernel's routing table is understood."""

from ipaddress import IPv4Network

from host import routes
from host.routes import Route


def test_routes_are_read_from_the_kernels_table() -> None:
    table = (
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "br-1\t004E10AC\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "*\t004E10AC\t00000000\t0201\t0\t0\t0\t80FFFFFF\t0\t0\t0\n"
    )
    assert routes.parse(table) == (
        Route("eth0", IPv4Network("0.0.0.0/0")),
        Route("br-1", IPv4Network("172.16.78.0/24")),
        Route("*", IPv4Network("172.16.78.0/25")),
    )
