"""Faults that one command on a node begins and another one ends; random runs cause them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from acceptance.cluster import packet_filter
from acceptance.cluster.faults import Faults
from acceptance.cluster.pool_check import POOL
from acceptance.nodes.node import Node

BALLAST = f"{POOL}/ballast"
RATE = "4mbit"  # of a slow link: a tenth of what a small server has


@dataclass(frozen=True)
class Fault:
    """A fault of one node; `begin` and `end` get the node and the addresses of the others.

    `end` also succeeds if `begin` failed half-way.
    """

    name: str
    begin: Callable[[Node, Sequence[str]], object]
    end: Callable[[Node, Sequence[str]], object]


def frozen(unit: str) -> Fault:
    """The processes of a unit stand still."""

    def signal(name: str) -> Callable[[Node, Sequence[str]], object]:
        return lambda node, _: node.run(f"sudo systemctl kill --signal={name} {unit}")

    return Fault(f"{unit} frozen", signal("STOP"), signal("CONT"))


def dropping(name: str, rules: Callable[[str], Sequence[str]]) -> Fault:
    """The packet filter drops something; `rules` are those for one other node's address."""

    def begin(node: Node, others: Sequence[str]) -> None:
        packet_filter.drop(node, [rule for other in others for rule in rules(other)])

    return Fault(name, begin, lambda node, _: packet_filter.drop_nothing(node))


def closed(port: int) -> Fault:
    """One port cannot be reached, in both directions; everything else can."""
    return dropping(
        f"port {port} closed",
        lambda other: (
            f"-s {other} -p tcp --dport {port}",
            f"-d {other} -p tcp --dport {port}",
        ),
    )


def _link(others: Sequence[str]) -> str:
    """The network device to the other nodes, for a shell to find out."""
    return f"$(ip -o route get {others[0]} | sed 's/.* dev \\([^ ]*\\) .*/\\1/')"


def _slow(node: Node, others: Sequence[str]) -> None:
    link = _link(others)
    node.run(f"sudo tc qdisc replace dev {link} root tbf rate {RATE} burst 64kb latency 500ms")


def _quick(node: Node, others: Sequence[str]) -> None:
    link = _link(others)
    node.run(f"! tc qdisc show dev {link} | grep -q tbf || sudo tc qdisc del dev {link} root")


def _fill(node: Node, _: Sequence[str]) -> None:
    """Take most of the room that is left, again and again."""
    room = f"$(( $(df --output=avail -B1 {POOL} | tail -n 1) * 9 / 10 ))"
    node.run(
        f"for each in 1 2 3 4 5 6 7 8; do sudo fallocate -l {room} {BALLAST}-$each || break; done"
        " 2>/dev/null"
    )


def _empty(node: Node, _: Sequence[str]) -> None:
    # A shell of root's: nobody else sees the files that it looks for.
    node.run(f"sudo sh -c 'rm -f {BALLAST}-* && ! ls {BALLAST}-* 2>/dev/null'")


class LastingFaults(Faults):
    """Faults of one cluster, those of this module among them."""

    def cause(self, fault: Fault, node: Node) -> None:
        """Have a fault that lasts until it is mended."""
        others = [other.address for other in self._cluster.nodes if other is not node]
        self._begin(fault.name, node, partial(fault.end, node, others))
        node.is_well = False
        fault.begin(node, others)

    def mend(self) -> None:
        """End every fault that is left, without a wait for the nodes to work together."""
        self._healing.end_all()


DEAF = dropping("deaf", lambda other: (f"-s {other}",))
"""A cut in one direction: the node is heard, and hears nobody."""
SLOW = Fault("slow link", _slow, _quick)
FULL = Fault("pool full", _fill, _empty)
