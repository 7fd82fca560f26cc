"""By which interface packets leave this machine: its IPv4 routing table."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

ROUTES = Path("/proc/net/route")


@dataclass(frozen=True)
class Route:
    """A line of the machine's IPv4 routing table; the interface is `*` for a refusing route."""

    interface: str
    destination: IPv4Network


def read() -> tuple[Route, ...]:
    """The routes that this machine has now."""
    return parse(ROUTES.read_text())


def parse(table: str) -> tuple[Route, ...]:
    """The routes in /proc/net/route, whose addresses are hexadecimal in the CPU's byte order.

    Source: proc(5); net/ipv4/fib_trie.c, fib_route_seq_show. Connected networks are in it too.
    """
    found = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        address, mask = (_ip_bytes(fields[i]) for i in (1, 7))
        found.append(Route(fields[0], IPv4Network((address, mask.bit_count()))))
    return tuple(found)


def interface_to(address: IPv4Address, routes: Sequence[Route]) -> str | None:
    """The interface by which packets for an address leave; None where they cannot."""
    fitting = [route for route in routes if address in route.destination]
    return (
        max(fitting, key=lambda route: route.destination.prefixlen).interface if fitting else None
    )


def _ip_bytes(hexadecimal: str) -> int:
    return int.from_bytes(bytes.fromhex(hexadecimal), "little")
