"""Who could write to a volume and when, for the proof that nobody else could meanwhile.

A container writes from its mount until it has ended: stopped, fenced, or gone with its node's
power. A node that stands still writes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import combinations


@dataclass
class Interval:
    """A time in which one node could write; `ended` is None while it still can."""

    node: str
    began: float
    ended: float | None = None

    def meets(self, other: Interval) -> bool:
        """Tell whether both could write at some moment; an end and a beginning may be one."""
        return _is_before(self.began, other.ended) and _is_before(other.began, self.ended)


def _is_before(at: float, end: float | None) -> bool:
    return end is None or at < end


class Writers:
    """The writers of one volume; any number of threads may tell.

    Args:
        clock: one for all nodes, that never steps.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._intervals: list[Interval] = []

    def begin(self, node: str) -> None:
        """From now on the node can write; it may be known already."""
        with self._lock:
            if not self._open(node):
                self._intervals.append(Interval(node, self._clock()))

    def end(self, node: str) -> None:
        """From now on the node cannot write; it may be known already."""
        with self._lock:
            for interval in self._open(node):
                interval.ended = self._clock()

    def meetings(self) -> Collection[tuple[Interval, Interval]]:
        """The pairs of intervals in which two nodes could write at the same time."""
        with self._lock:
            return [
                (one, other)
                for one, other in combinations(self._intervals, 2)
                if one.node != other.node and one.meets(other)
            ]

    def _open(self, node: str) -> list[Interval]:
        return [each for each in self._intervals if each.node == node and each.ended is None]
