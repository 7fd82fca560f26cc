"""Remembers how each fault ends, from before it begins until it has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager


class Healing:
    """The ends of the faults that are there, or that broke half-way. False when there are none."""

    def __init__(self) -> None:
        self._ends: dict[tuple[str, str], Callable[[], object]] = {}

    def __bool__(self) -> bool:
        return bool(self._ends)

    def remember(self, what: str, node: str, end: Callable[[], object]) -> None:
        """Know how a fault of a node ends; to be called before the fault is caused."""
        self._ends[what, node] = end

    @contextmanager
    def if_it_fails(self, what: str, node: str, end: Callable[[], object]) -> Iterator[None]:
        """Know how a fault ends that is over after the block, unless the block fails."""
        self.remember(what, node, end)
        yield
        del self._ends[what, node]

    def end(self, what: str, node: str) -> None:
        """End a fault of a node."""
        self._ends.pop((what, node))()

    def end_on_all(self, what: str) -> None:
        """End a fault wherever it is, the oldest first."""
        for _, node in [broken for broken in self._ends if broken[0] == what]:
            self.end(what, node)

    def end_all(self) -> None:
        """End all faults, the newest first; nodes may still be starting when this returns."""
        with ExitStack() as healing:  # a fault that cannot end keeps no other one from ending
            for end in self._ends.values():
                healing.callback(end)
            self._ends.clear()
