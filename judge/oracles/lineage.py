"""The lines that a volume must hold, and may hold, as its owners change.

The lines of a run are numbered without gaps, and any state of a volume has the first ones of each
run. So a state is one number for each run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf

from judge.history import Seconds, Segment

State = dict[str, int]  # run -> the number of its last line


def meet(first: Mapping[str, int], second: Mapping[str, int]) -> State:
    """The lines that both states have."""
    return {run: min(last, second[run]) for run, last in first.items() if run in second}


def last_lines(seen: Iterable[Segment]) -> State:
    """The state that a reader saw."""
    state: State = {}
    for segment in seen:
        state[segment.run] = max(state.get(segment.run, 0), segment.last)
    return state


def lines_left(must: Mapping[str, int], seen: State) -> State:
    """The lines that are left of each run that has lost some."""
    return {run: seen.get(run, 0) for run, last in must.items() if seen.get(run, 0) < last}


@dataclass
class Run:
    """A writer.

    Attributes:
        acknowledged, synced: the numbers of its last line that was, and with fsync.
        counts: its lines become part of the volume; they do not when another node was promoted.
    """

    volume: str
    node: str
    stopped: Seconds = inf
    counts: bool = True
    acknowledged: int = 0
    synced: int = 0


@dataclass(frozen=True)
class Changed:
    """The lines of a run became more, or fewer can be counted on: they were `before`."""

    at: Seconds
    run: str
    before: int


@dataclass(frozen=True)
class Replaced:
    """All content was replaced at some moment from `began` on: by `now`, where it was `before`."""

    began: Seconds
    at: Seconds
    before: State
    now: State


class Lineage:
    """One volume.

    Attributes:
        must: the lines that were acknowledged or seen, and that no promotion was allowed to lose.
        most: of runs that have ended: the lines that were seen after that. No more can come.
        doubts: requests under way that replace the content.
    """

    def __init__(self, must: Mapping[str, int] | None = None) -> None:
        self.must: State = dict(must or {})
        self.most: State = {}
        self.doubts = 0
        self._replaced_at = -inf
        self._log: list[Changed | Replaced] = []

    def is_certain(self, since: Seconds) -> bool:
        """True if the content was not replaced since then, and is not about to be."""
        return not self.doubts and self._replaced_at <= since

    def before(self, moment: Seconds) -> State:
        """The lines that must be there now and at an earlier moment."""
        state = dict(self.must)
        for change in reversed(self._log):
            if change.at <= moment or isinstance(change, Replaced):
                break
            state[change.run] = change.before
        return meet(state, self.must)

    def set_to(self, run: str, last: int, at: Seconds) -> None:
        """Count on these lines of a run."""
        before = self.must.get(run, 0)
        if last != before:
            self._log.append(Changed(at, run, before))
            self.must[run] = last

    def raise_to(self, run: str, last: int, at: Seconds) -> None:
        """Count on at least these lines of a run."""
        self.set_to(run, max(last, self.must.get(run, 0)), at)

    def lower_to(self, run: str, last: int, at: Seconds) -> None:
        """Count on no more lines of a run than these."""
        self.set_to(run, min(last, self.must.get(run, 0)), at)

    def replace(self, now: Mapping[str, int], began: Seconds, at: Seconds) -> None:
        """Have other content, from some moment between `began` and `at` on."""
        self._log.append(Replaced(began, at, self.must, dict(now)))
        self.must = dict(now)
        self.replaced(at)

    def replaced(self, at: Seconds) -> None:
        """Forget what was seen of the content before."""
        self.most = {}
        self._replaced_at = at

    def promote(self, until: Seconds, at: Seconds) -> None:
        """Go on from a copy that has everything from before `until`."""
        doubtful: list[State] = []
        while self._log and self._log[-1].at > until:
            last = self._log.pop()
            if isinstance(last, Changed):
                self.must[last.run] = last.before
            else:
                self.must = dict(last.before)
                self.most = {}
                if last.began <= until:
                    doubtful.append(last.now)
        for state in doubtful:
            self.must = meet(self.must, state)
        self._replaced_at = at
