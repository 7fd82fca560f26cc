"""The kernel's routing table, and the interface that it gives an address."""

from ipaddress import IPv4Address, IPv4Network

import pytest

from host import routes
from host.routes import Route

ROUTES = (
    Route("eth0", IPv4Network("0.0.0.0/0")),
    Route("tun0", IPv4Network("10.0.0.0/8")),
    Route("br0", IPv4Network("10.0.7.0/24")),
)


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


@pytest.mark.parametrize(
    ("address", "interface"), [("10.0.7.1", "br0"), ("10.9.9.9", "tun0"), ("192.0.2.1", "eth0")]
)
def test_packets_leave_by_the_narrowest_route(address: str, interface: str) -> None:
    assert routes.interface_to(IPv4Address(address), ROUTES) == interface


def test_without_a_route_packets_do_not_leave() -> None:
    assert routes.interface_to(IPv4Address("192.0.2.1"), ROUTES[1:]) is None
