"""When nodes could not hear of anything, or stood still."""

from __future__ import annotations

from collections import Counter, defaultdict
from math import inf

from judge.history import Begin, Effect, FaultBegan, FaultEnded, Seconds

DEAF = frozenset((Effect.UNREACHABLE, Effect.SUSPENDED))


class Troubles:
    """The troubles of each node, up to the last event that was seen."""

    def __init__(self, begin: Begin) -> None:
        self._nodes = begin.nodes
        self._wake = begin.promises.wake
        self._on: dict[int, FaultBegan] = {}
        self._deaf: Counter[str] = Counter()
        self._suspended: Counter[str] = Counter()
        self._heard_since: defaultdict[str, float] = defaultdict(lambda: -inf)
        self._majority_since = -inf
        self._woke: defaultdict[str, float] = defaultdict(lambda: -inf)

    def began(self, fault: FaultBegan) -> None:
        """See a fault begin."""
        self._on[fault.fault] = fault
        self._count(fault, 1)

    def ended(self, end: FaultEnded) -> None:
        """See a fault end."""
        fault = self._on.pop(end.fault, None)
        if fault is None:
            return
        had_majority = self._has_majority()
        self._count(fault, -1)
        if not had_majority and self._has_majority():
            self._majority_since = end.at
        for node in fault.nodes:
            if DEAF & {*fault.effects}:
                self._heard_since[node] = end.at
            if Effect.SUSPENDED in fault.effects:
                self._woke[node] = end.at

    def hears_since(self, node: str) -> float:
        """Since when a node is told of everything; infinity while it is not."""
        if self._deaf[node] or not self._has_majority():
            return inf
        return max(self._heard_since[node], self._majority_since)

    def is_waking(self, node: str, at: Seconds) -> bool:
        """True while a node is suspended, and for the moments in which it notices that it was."""
        return self._suspended[node] > 0 or at <= self._woke[node] + self._wake

    def _has_majority(self) -> bool:
        deaf = sum(self._deaf[node] > 0 for node in self._nodes)
        return 2 * deaf < len(self._nodes)

    def _count(self, fault: FaultBegan, by: int) -> None:
        for node in fault.nodes:
            self._deaf[node] += by * bool(DEAF & {*fault.effects})
            self._suspended[node] += by * (Effect.SUSPENDED in fault.effects)
