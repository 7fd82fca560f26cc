"""Finding all that engines have, and removing some of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from docker.errors import APIError

from acceptance.base.waiting import eventually
from acceptance.nodes.engine import LOCAL, Engine, EngineSilent, Thing

REMOVED_SECONDS = 60


class Place(Protocol):
    """A node, as far as its engine is concerned."""

    name: str
    engine: Engine

    def things(self) -> frozenset[Thing]:
        """The containers, volumes and networks there are; raises EngineSilent."""

    def away(self, reason: object) -> Exception:
        """The error for a node that does not answer."""


def inspect(nodes: Sequence[Place]) -> dict[str, frozenset[Thing]]:
    """Node -> everything that is there.

    Raises:
        NodeAway: a node does not answer.
    """

    def things(node: Place) -> frozenset[Thing]:
        try:
            return node.things()
        except EngineSilent as error:
            raise node.away(error) from error

    with ThreadPoolExecutor() as threads:
        found = list(threads.map(things, nodes))
    return {node.name: there for node, there in zip(nodes, found, strict=True)}


def remove(nodes: Sequence[Place], found: Mapping[str, Iterable[Thing]]) -> None:
    """Remove things from nodes; what is gone already is left out.

    Raises:
        NeverCame: a volume cannot be removed.
    """

    def remove_what_is_local(node: Place) -> None:
        things = frozenset(found[node.name])
        node.engine.remove_containers(_ids("container", things))
        node.engine.remove_networks(_ids("network", things))
        node.engine.remove_volumes(each.name for each in things if each.identity == LOCAL)

    with ThreadPoolExecutor() as threads:
        list(threads.map(remove_what_is_local, nodes))
    everything = {thing for things in found.values() for thing in things}
    names = sorted(
        each.name for each in everything if each.kind == "volume" and each.identity != LOCAL
    )
    # A copy that is still on its way from the scenario before holds its volume for a while.
    eventually(
        lambda: _remove_volumes([node.engine for node in nodes], names),
        is_=set(),
        within=REMOVED_SECONDS,
        not_yet=(APIError,),
    )


def _remove_volumes(engines: Sequence[Engine], names: list[str]) -> set[str]:
    """Remove volumes that all engines see; return the names of those that are still there."""
    with ThreadPoolExecutor() as threads:
        shares = [names[number :: len(engines)] for number in range(len(engines))]
        list(threads.map(Engine.remove_volumes, engines, shares))
        # Each engine remembers labels until it is told that a volume is gone.
        list(threads.map(Engine.volume_owners, engines, [names] * len(engines)))
    there = {each.name for each in engines[0].things() if each.kind == "volume"}
    return there.intersection(names)


def _ids(kind: str, things: Iterable[Thing]) -> list[str]:
    return [each.identity for each in things if each.kind == kind]
