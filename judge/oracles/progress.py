"""Progress: once no fault is on any more, every request is answered, and done before long."""

from __future__ import annotations

from judge.history import Answered, Asked, Begin, End, FaultsOver, Outcome, Seconds
from judge.oracles.oracle import Handlers, Oracle
from judge.verdict import Verdict

Same = tuple[str, str, str, str]  # action, node, volume, detail


class Progress(Oracle):
    """Clients have stopped by then: what is asked now is what a driver has to do."""

    name = "progress"
    verdict = Verdict.STUCK

    def __init__(self, begin: Begin) -> None:
        super().__init__(begin)
        self._pending: dict[int, Asked] = {}
        self._calm_since: Seconds | None = None
        self._refused: dict[Same, Seconds] = {}  # since when

    def handlers(self) -> Handlers:
        return {
            Asked: self._asked,
            Answered: self._answered,
            FaultsOver: self._calm,
            End: self._end,
        }

    def _calm(self, event: FaultsOver) -> None:
        self._calm_since = event.at

    def _asked(self, event: Asked) -> None:
        self._pending[event.call] = event

    def _answered(self, event: Answered) -> None:
        asked = self._pending.pop(event.call, None)
        if asked is None or self._calm_since is None:
            return
        same: Same = (asked.action, asked.node, asked.volume, asked.detail)
        if event.outcome is Outcome.DONE:
            self._refused.pop(same, None)
            return
        # Earlier requests may have waited for the faults to end.
        since = self._refused.setdefault(same, max(asked.at, self._calm_since))
        if event.at - since > self.begin.promises.stuck:
            self._stuck(asked, event.at, f"{event.outcome} since {since:.3f} s: {event.message}")
            self._refused[same] = event.at  # said again only after as long

    def _end(self, event: End) -> None:
        for asked in self._pending.values():
            self._stuck(asked, event.at, f"asked at {asked.at:.3f} s and never answered")

    def _stuck(self, asked: Asked, at: Seconds, reason: str) -> None:
        self.found(at, f"{asked.action}: {reason}", volume=asked.volume, node=asked.node)
