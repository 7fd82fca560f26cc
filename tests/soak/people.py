"""People who ask things of nodes at random."""

from __future__ import annotations

import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Protocol

from flocker.base.errors import FlockerError
from judge.chance import seeded


class Operated(Protocol):
    """Nodes as their operators and engines see them. Every call may raise FlockerError."""

    names: list[str]

    def run_container(self, node: str, volume: str) -> None:
        """Start the container that writes to a volume there."""

    def end_container(self, node: str, volume: str) -> None:
        """Stop it, if it runs there."""

    def promote(self, node: str, volume: str, *, here: bool) -> None:
        """Have a replica go on without the owner."""

    def cancel_move(self, node: str, volume: str) -> None:
        """End the move a volume is on."""

    def snapshot(self, node: str, volume: str) -> None:
        """Take a snapshot of it."""


@dataclass(frozen=True)
class Work:
    """Something a person does with a volume at a node, more often the more weight it has."""

    name: str
    weight: float
    do: Callable[[str, str], object]


def everyday(nodes: Operated) -> list[Work]:
    """Work that all nodes can be asked to do."""
    return [
        Work("move", 8, partial(_move, nodes)),
        Work("start", 8, nodes.run_container),
        Work("stop", 8, nodes.end_container),
        Work("promote", 1, partial(nodes.promote, here=False)),
        Work("choose", 1, partial(nodes.promote, here=True)),
        Work("cancel", 0.5, nodes.cancel_move),
        Work("snapshot", 1, nodes.snapshot),
    ]


class People:
    """One thread for each person, who does one thing after the other.

    Args:
        nodes, volumes: the names of those they work with.
        pause_seconds: at most, between two things that one person does.

    Attributes:
        done: what was asked for, and how often that was done, or refused.
        defects: what nobody foresaw.
    """

    def __init__(
        self,
        nodes: Sequence[str],
        volumes: Sequence[str],
        works: Sequence[Work],
        *,
        seed: int,
        count: int,
        pause_seconds: float,
    ) -> None:
        self._nodes = nodes
        self._volumes = volumes
        self._works = works
        self._pause_seconds = pause_seconds
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.done: Counter[str] = Counter()
        self.defects: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._live, args=(seeded(seed, each),), daemon=True)
            for each in range(count)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, within: float) -> list[str]:
        """End their work; tell what was wrong with it: calls without end, and defects."""
        self._over.set()
        for thread in self._threads:
            thread.join(within)
        hung = [stack(thread) for thread in self._threads if thread.is_alive()]
        return [
            *(f"a person waits for ever:\n{each}" for each in hung),
            *("".join(traceback.format_exception(each)) for each in self.defects),
        ]

    def _live(self, random: Random) -> None:
        while not self._over.wait(random.uniform(0, self._pause_seconds)):
            work, node, volume = self.choose(random)
            outcome = "done"
            try:
                work.do(node, volume)
            except FlockerError:
                outcome = "refused"
            except BaseException as error:  # nobody else would see it
                self.defects.append(error)
            with self._lock:
                self.done[f"{work.name} {outcome}"] += 1

    def choose(self, random: Random) -> tuple[Work, str, str]:
        """Some work, and the node and the volume to do it with."""
        node, volume = random.choice(self._nodes), random.choice(self._volumes)
        [work] = random.choices(self._works, [each.weight for each in self._works])
        return work, node, volume


def _move(nodes: Operated, node: str, volume: str) -> None:
    for other in nodes.names:
        if other != node:
            with suppress(FlockerError):
                nodes.end_container(other, volume)
    nodes.run_container(node, volume)


def stack(thread: threading.Thread) -> str:
    """Tell what a thread is doing."""
    frame = sys._current_frames().get(thread.ident or 0)
    return f"{thread.name}\n" + "".join(traceback.format_stack(frame) if frame else [])
