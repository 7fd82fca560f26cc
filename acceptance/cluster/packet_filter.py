"""Has a node's packet filter drop packets. Nobody is told, so calls hang."""

from __future__ import annotations

from collections.abc import Iterable

from acceptance.nodes.node import Node

CHAIN = "cut-off"  # for what comes to the node and what it sends; empty while nothing is dropped


def drop(node: Node, rules: Iterable[str]) -> None:
    """Drop the packets to and from a node that match any of the rules, as iptables reads them."""
    node.run(
        f"if sudo iptables -w -N {CHAIN} 2>/dev/null; then"
        f" sudo iptables -w -I INPUT -j {CHAIN} && sudo iptables -w -I OUTPUT -j {CHAIN}; fi; "
        + " && ".join(f"sudo iptables -w -A {CHAIN} {rule} -j DROP" for rule in rules)
    )


def drop_nothing(node: Node) -> None:
    """Let all packets pass; also if none were dropped."""
    is_there = f"sudo iptables -w -S {CHAIN} >/dev/null 2>/dev/null"
    node.run(f"! {is_there} || sudo iptables -w -F {CHAIN}")
