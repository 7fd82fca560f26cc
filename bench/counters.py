"""Bytes between two nodes, as the packet filter of the target counts them.

A rule without a target only counts. IP packets between the two nodes are counted, both ways and
whatever they carry: etcd's own talk and TCP's and IP's headers are in it, Ethernet's are not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from acceptance.nodes.node import Node

MARK = "flocker-bench"
DIRECTIONS = {"INPUT": "--source", "OUTPUT": "--destination"}


class NoCounter(Exception):
    """The packet filter's listing has no rule of ours for that peer."""


@dataclass(frozen=True)
class Wire:
    """Counts what goes between `node` and one peer."""

    node: Node
    peer: Node

    def install(self) -> None:
        """Start to count."""
        for chain, side in DIRECTIONS.items():
            self.node.run(f"sudo iptables --insert {chain} {self._rule(side)}")

    def remove(self) -> None:
        """Take the rules away."""
        for chain, side in DIRECTIONS.items():
            self.node.run(f"sudo iptables --delete {chain} {self._rule(side)}")

    def bytes(self) -> int:
        """The bytes so far, both ways."""
        listing = self.node.run("sudo iptables --list --numeric --verbose --exact")
        return read_bytes(listing, self.peer.name)

    def _rule(self, side: str) -> str:
        return f"{side} {self.peer.address} --match comment --comment {MARK}:{self.peer.name}"


def read_bytes(listing: str, peer: str) -> int:
    """The sum of our rules for a peer in what `iptables --list --verbose --exact` printed.

    Raises:
        NoCounter: there is no such rule.
    """
    rule = re.compile(rf"^\s*\d+\s+(\d+)\s.*/\* {re.escape(f'{MARK}:{peer}')} \*/", re.MULTILINE)
    counts = [int(count) for count in rule.findall(listing)]
    if not counts:
        raise NoCounter(f"nothing counts what goes to and from {peer}")
    return sum(counts)
