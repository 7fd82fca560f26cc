"""Remember the things that scenarios made on the nodes; they remove nothing else.

A run notes on a node the things that appear there while it types a command. The next run reads the
notes, whoever starts it: `make test` after `make demo`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from shlex import quote
from typing import Protocol

from acceptance.machines.protocol import NOTES
from acceptance.nodes.engine import EngineSilent, Thing

RECORD = f"{NOTES}/made-by-scenarios"


class NotOurs(Exception):
    """A node has containers or volumes that no scenario made; the message names them."""


class Place(Protocol):
    """A node, as far as things can appear on it."""

    name: str

    def things(self) -> frozenset[Thing]:
        """The containers, volumes and networks there are; raises EngineSilent."""

    def run(self, command: str) -> str:
        """Return the output of a command."""


class Made:
    """The things that this run and earlier ones made on all nodes of a cluster."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[Thing] = set()
        self._unseen: set[str] = set()

    def read(self, nodes: Iterable[Place]) -> None:
        """Read the notes of earlier runs."""
        for node in nodes:
            lines = node.run(f"cat {RECORD} 2>/dev/null || true").splitlines()
            self._known |= {Thing(*line.split(" ", 2)) for line in lines}

    def inspect(self, node: Place) -> frozenset[Thing] | None:
        """Return the things on a node before a command is typed; None if the engine is silent."""
        with suppress(EngineSilent):
            return node.things()
        return None

    def note(self, node: Place, before: frozenset[Thing] | None) -> None:
        """Write down what has appeared on a node since `before`, which `inspect` returned.

        If the engine was silent before or after, everything counts that is there when the scenario
        has ended: the scenario began on a node with nothing but the suite's things.
        """
        after = self.inspect(node)
        if before is None or after is None:
            self.lose_sight(node)
            return
        with self._lock:
            new = after - before - self._known
            self._known |= new
        if new:
            lines = " ".join(quote(str(thing)) for thing in sorted(new))
            written = f"printf '%s\\n' {lines} | sudo tee --append {RECORD} >/dev/null"
            node.run(f"sudo mkdir -p {NOTES} && {written}")

    def lose_sight(self, node: Place) -> None:
        """Note that nobody knows what a command did on that node, or still does."""
        self._unseen.add(node.name)

    def of(self, node: str, found: Iterable[Thing]) -> set[Thing]:
        """Return those of the things found on a node that are the suite's."""
        return set(found) if node in self._unseen else self._known.intersection(found)

    def refuse_others(self, found: Mapping[str, Iterable[Thing]]) -> None:
        """Make sure that nothing a person would miss is among what is to be removed.

        Networks without containers nobody misses; those of others are left alone.

        Args:
            found: by node.

        Raises:
            NotOurs: containers or volumes are there that no scenario made.
        """
        others: dict[Thing, list[str]] = {}
        for node, things in found.items():
            for thing in set(things) - self.of(node, things):
                if thing.kind != "network":
                    others.setdefault(thing, []).append(node)
        if not others:
            return
        named = [
            f"{thing.kind} '{thing.name}' on {', '.join(nodes)}"
            for thing, nodes in sorted(others.items())
        ]
        raise NotOurs(
            f"scenarios remove all containers and volumes, and did not make {'; '.join(named)}; "
            "remove that yourself if nobody needs it, or run scenarios on other nodes"
        )

    def forget(self, nodes: Sequence[Place]) -> None:
        """Drop the notes: everything that was made is removed."""
        self._unseen.clear()
        if self._known:
            self._known.clear()
            for node in nodes:
                node.run(f"sudo rm -f {RECORD}")
