"""Everything on every node is found, and only the named things are removed."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from acceptance.cluster import cleaning
from acceptance.nodes.access import NodeAway
from acceptance.nodes.engine import LOCAL, EngineSilent, Thing

WRITER = Thing("container", "writer", "c0ffee")
MINE = Thing("container", "mine", "f00")
NETWORK = Thing("network", "app_default", "4e7")
SCRATCH = Thing("volume", "scratch", LOCAL)
LEDGER = Thing("volume", "ledger", "2026-11-27T10:00:00Z")
SHOP = Thing("volume", "shop", "2026-11-27T09:00:00Z")


class Engine:
    """Has things of its own, and volumes that all engines have."""

    def __init__(self, shared: set[Thing], *own: Thing) -> None:
        self.own = set(own)
        self._shared = shared
        self.is_silent = False

    def things(self) -> frozenset[Thing]:
        if self.is_silent:
            raise EngineSilent("no answer")
        return frozenset(self.own | self._shared)

    def remove_containers(self, ids: Iterable[str]) -> None:
        self._remove("container", ids)

    def remove_networks(self, ids: Iterable[str]) -> None:
        self._remove("network", ids)

    def remove_volumes(self, names: Iterable[str]) -> None:
        gone = set(names)
        for there in (self.own, self._shared):
            there -= {each for each in there if each.kind == "volume" and each.name in gone}

    def volume_owners(self, names: Iterable[str]) -> dict[str, str]:
        return dict.fromkeys(names, "node1")

    def _remove(self, kind: str, ids: Iterable[str]) -> None:
        gone = set(ids)
        self.own -= {each for each in self.own if each.kind == kind and each.identity in gone}


class Node:
    """A node with such an engine."""

    def __init__(self, name: str, engine: Engine) -> None:
        self.name = name
        self.engine = engine

    def things(self) -> frozenset[Thing]:
        return self.engine.things()

    def away(self, reason: object) -> NodeAway:
        return NodeAway(f"{self.name}: {reason}")


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> list[Node]:
    monkeypatch.setattr(cleaning, "Engine", Engine)
    shared = {LEDGER, SHOP}
    return [
        Node("node1", Engine(shared, WRITER, NETWORK, SCRATCH)),
        Node("node2", Engine(shared, MINE)),
    ]


def test_everything_is_found_on_every_node(nodes: list[Node]) -> None:
    assert cleaning.inspect(nodes) == {  # type: ignore[arg-type]
        "node1": {WRITER, NETWORK, SCRATCH, LEDGER, SHOP},
        "node2": {MINE, LEDGER, SHOP},
    }


def test_a_node_whose_engine_is_silent_is_away(nodes: list[Node]) -> None:
    nodes[1].engine.is_silent = True
    with pytest.raises(NodeAway, match="node2: no answer"):
        cleaning.inspect(nodes)  # type: ignore[arg-type]


def test_only_what_is_named_is_removed(nodes: list[Node]) -> None:
    named = {"node1": {WRITER, NETWORK, SCRATCH, LEDGER}, "node2": {LEDGER}}
    cleaning.remove(nodes, named)  # type: ignore[arg-type]
    assert nodes[0].things() == {SHOP}
    assert nodes[1].things() == {MINE, SHOP}
