"""The snapshots that people keep come here after a takeover, from each source beside the others."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

from acceptance.base.waiting import eventually
from flocker.base.errors import TransferFailed
from flocker.base.records import ClusterState, Copy, NamedSnapshot, Node, Snapshot, Volume
from flocker.moving.kept_snapshots import KeptSnapshots
from flocker.moving.transfer import Transfers
from flocker.node.context import NodeContext

AT = "2026-01-01T00:00:00.000+00:00"
KEPT, BASE = Snapshot(1, "kept", 1), Snapshot(2, "base", 1)


def taken_over(name: str) -> Volume:
    return Volume(name, name, "node1", 2, AT, base=BASE)


def agreed(copies: dict[str, list[str]]) -> ClusterState:
    """The state that the nodes agree about, given the nodes that hold each volume."""
    nodes = ("node1", "node2", "node3")
    return ClusterState(
        nodes={node: Node(node, "127.0.0.1", "0", 0, 1) for node in nodes},
        copies={
            id_: {node: Copy(id_, node, BASE, AT) for node in of} for id_, of in copies.items()
        },
        snapshots={id_: {(1, 1): NamedSnapshot(id_, KEPT, AT, "kept")} for id_ in copies},
    )


class Sources:
    """Nodes that send what is asked for, unless they hang or fail; and what came so far."""

    def __init__(self) -> None:
        self.hanging: set[str] = set()
        self.failing: set[str] = set()
        self.go_on = threading.Event()
        self.fetched: list[tuple[str, str]] = []

    def fetch(self, volume_id: str, node: str, wanted: Sequence[Snapshot]) -> int:
        assert set(wanted) == {KEPT, BASE}
        if node in self.hanging:
            assert self.go_on.wait(30)
        if node in self.failing:
            raise TransferFailed("it broke off")
        self.fetched.append((volume_id, node))
        return 0

    def snapshots(self, volume_id: str) -> list[Snapshot]:
        return [KEPT, BASE] if volume_id in dict(self.fetched) else [BASE]

    def kept(self) -> KeptSnapshots:
        context = SimpleNamespace(node="node1", pool=self)
        return KeptSnapshots(cast(NodeContext, context), cast(Transfers, self))


def test_a_source_that_hangs_delays_no_volume_that_another_one_has() -> None:
    sources, state = Sources(), agreed({"a": ["node2"], "b": ["node2"], "c": ["node3"]})
    sources.hanging = {"node2"}
    kept = sources.kept()
    for name in ("a", "b", "c"):
        kept.begin(taken_over(name), state)
    try:
        eventually(lambda: sources.fetched, is_=[("c", "node3")], within=10)
    finally:
        sources.go_on.set()
    everything = [("c", "node3"), ("a", "node2"), ("b", "node2")]
    eventually(lambda: sources.fetched, is_=everything, within=10)


def test_what_one_source_cannot_send_comes_from_the_next() -> None:
    sources, state = Sources(), agreed({"a": ["node2", "node3"]})
    sources.failing = {"node3"}
    sources.kept().begin(taken_over("a"), state)
    eventually(lambda: sources.fetched, is_=[("a", "node2")], within=10)


def test_what_is_here_is_not_fetched_again() -> None:
    sources, state = Sources(), agreed({"a": ["node1", "node2", "node3"]})
    sources.kept().fetch(taken_over("a"), state)
    assert sources.fetched == [("a", "node3")]
