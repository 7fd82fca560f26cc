"""The driver's words about copies: up to when each has everything."""

from __future__ import annotations

from math import inf

from judge.history import Promoted, Sample, Seconds


class Claims:
    """The best claim about each copy, at the newest epoch that was seen."""

    def __init__(self) -> None:
        self._identities: dict[str, str] = {}  # of each volume, by its name
        self._best: dict[tuple[str, str], tuple[int, Seconds]] = {}  # volume, node: epoch, until

    def sampled(self, event: Sample) -> None:
        """See what a driver says."""
        if self._identities.setdefault(event.volume, event.identity) != event.identity:
            self._forget(event)
        for copy in event.copies:
            if copy.complete_until is not None:
                key, claim = (event.volume, copy.node), (event.epoch, copy.complete_until)
                self._best[key] = max(self._best.get(key, claim), claim)

    def of_copy(self, event: Promoted) -> Seconds:
        """Up to when the copy had everything that a promotion went on from, as was said before."""
        epoch, until = self._best.get((event.volume, event.node), (0, -inf))
        return until if epoch == event.epoch - 1 else -inf

    def _forget(self, event: Sample) -> None:
        """Drop what was said of another volume, which had that name before."""
        self._identities[event.volume] = event.identity
        for key in [key for key in self._best if key[0] == event.volume]:
            del self._best[key]
