"""Nothing lost: every reader sees what was acknowledged, but for what a promotion said it loses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from judge.history import (
    Action,
    Answered,
    Asked,
    Begin,
    Effect,
    FaultBegan,
    Outcome,
    Place,
    Promoted,
    Read,
    Sample,
    Seconds,
    Segment,
    WriterStarted,
    WriterStopped,
    Wrote,
)
from judge.oracles.claims import Claims
from judge.oracles.lineage import Lineage, Run, State, last_lines, lines_left, meet
from judge.oracles.oracle import Handlers, Oracle

CHANGES = {Action.RESTORE, Action.REMOVE, Action.UNDELETE}  # the content of a volume that is there
FOLLOWED = CHANGES | {Action.SNAPSHOT, Action.CREATE, Action.CLONE, Action.PURGE}


@dataclass
class Noted:
    """The lines that a snapshot must have, and those that were first seen in it."""

    volume: str
    must: State
    seen: tuple[Segment, ...] | None = None


@dataclass(frozen=True)
class Pending:
    """A request under way, and the lines that its volume had to have when it began.

    Attributes:
        promotions: of its volume meanwhile: up to when each has everything, and when it was.
    """

    asked: Asked
    lineage: Lineage
    must: State
    promotions: list[tuple[Seconds, Seconds]] = field(default_factory=list)


class NothingLost(Oracle):
    """Follows what each volume must hold, and compares every read with it."""

    name = "nothing lost"

    def __init__(self, begin: Begin) -> None:
        super().__init__(begin)
        self._claims = Claims()
        self._apart = {volume.name for volume in begin.volumes if not volume.moves}
        self._lineages: defaultdict[str, Lineage] = defaultdict(Lineage)
        self._removed: defaultdict[str, list[Lineage]] = defaultdict(list)  # the last one last
        self._is_gone: set[str] = set()  # names of volumes that were removed
        self._runs: dict[str, Run] = {}
        self._of_name: defaultdict[str, list[str]] = defaultdict(list)  # volume: all its runs
        self._of_volume: defaultdict[str, set[str]] = defaultdict(set)  # runs that count
        self._unsynced: defaultdict[str, dict[str, str]] = defaultdict(dict)  # node: run: lineage
        self._only_seen: dict[str, str] = {}  # run: lineage; nobody was told of its last lines
        self._noted: dict[str, Noted] = {}  # snapshots, by reference
        self._sources: defaultdict[str, set[str]] = defaultdict(set)  # of clones
        self._pending: dict[int, Pending] = {}

    def handlers(self) -> Handlers:
        return {
            WriterStarted: self._started,
            WriterStopped: self._stopped,
            Wrote: self._wrote,
            Read: self._read,
            Sample: self._claims.sampled,
            Promoted: self._promoted,
            FaultBegan: self._fault_began,
            Asked: self._asked,
            Answered: self._answered,
        }

    # Writers

    def _started(self, event: WriterStarted | Wrote) -> None:
        self._runs[event.run] = Run(event.volume, event.node)
        self._of_name[event.volume].append(event.run)
        self._of_volume[event.volume].add(event.run)

    def _stopped(self, event: WriterStopped) -> None:
        if event.run in self._runs:
            self._runs[event.run].stopped = event.at

    def _wrote(self, event: Wrote) -> None:
        if event.run not in self._runs:
            self._started(event)
        run, key = self._runs[event.run], self._key(event.volume, event.node)
        run.acknowledged = event.sequence
        if event.fsynced:
            run.synced = event.sequence
            self._unsynced[event.node].pop(event.run, None)
        else:
            self._unsynced[event.node][event.run] = key
        if run.counts:
            self._lineages[key].raise_to(event.run, event.sequence, event.at)

    # Readers

    def _read(self, event: Read) -> None:
        self._check_lines(event)
        if event.place is Place.VOLUME:
            self._check_volume(event)
        elif event.place is Place.SNAPSHOT and event.reference in self._noted:
            self._check_snapshot(event, self._noted[event.reference])
        elif event.place is Place.REMOVED:
            self._check_removed(event, self._removed[event.volume])

    def _check_lines(self, event: Read) -> None:
        """Each run's lines follow each other from the first one on, and are this volume's."""
        for line in event.damaged:
            self._saw(event, f"nobody wrote {line!r}")
        last: defaultdict[str, int] = defaultdict(int)
        for segment in event.seen:
            run, expected = segment.run, last[segment.run] + 1
            if segment.first > expected:
                self._saw(event, f"it is missing, and line {segment.first} follows", run, expected)
            elif segment.first < expected:
                self._saw(event, f"it comes again after line {last[run]}", run, segment.first)
            last[run] = max(last[run], segment.last)
        for name in last:
            self._check_origin(event, name)

    def _check_origin(self, event: Read, name: str) -> None:
        run = self._runs.get(name)
        if run is None:
            self._saw(event, "no such writer was started", name)
        elif run.volume != event.volume and run.volume not in self._sources[event.volume]:
            self._saw(event, f"it wrote to volume '{run.volume}' only", name)

    def _check_volume(self, event: Read) -> None:
        key = self._key(event.volume, event.node)
        lineage, seen = self._lineages[key], last_lines(event.seen)
        if not lineage.is_certain(event.began):
            return
        lost = self._check_present(event, lineage.before(event.began), "before this reader began")
        for run, last in lost.items():
            lineage.lower_to(run, last, event.at)  # it is said once
        for run, last in seen.items():
            if last > lineage.most.get(run, inf):
                self._saw(
                    event, f"it is there, and earlier there were {lineage.most[run]} lines only",
                    run, lineage.most[run] + 1,
                )  # fmt: skip
            if run in self._runs and self._runs[run].stopped < event.began:
                lineage.most[run] = last
            if last > lineage.must.get(run, 0):
                lineage.raise_to(run, last, event.at)
                self._only_seen[run] = key

    def _check_snapshot(self, event: Read, noted: Noted) -> None:
        self._check_present(event, noted.must, "when the snapshot was asked for")
        if noted.seen is None:
            noted.seen = event.seen
        elif noted.seen != event.seen:
            self._saw(event, f"{event.reference} has other lines than at an earlier look")

    def _check_removed(self, event: Read, removed: Sequence[Lineage]) -> None:
        """It has all lines of one of the volumes of that name that were removed."""
        seen = last_lines(event.seen)
        if removed and all(lines_left(lineage.must, seen) for lineage in removed):
            self._check_present(event, removed[-1].must, "before the removal")

    def _check_present(self, event: Read, must: Mapping[str, int], when: str) -> State:
        """Say what is lost; the lines that are left of it."""
        lost = lines_left(must, last_lines(event.seen))
        for run, left in lost.items():
            self._saw(
                event, f"it is lost, and was there {when}, as were all up to line {must[run]}",
                run, left + 1,
            )  # fmt: skip
        return lost

    def _saw(self, event: Read, reason: str, run: str = "", sequence: int | None = None) -> None:
        place = "" if event.place is Place.VOLUME else f"{event.place} {event.reference}: "
        self.found(
            event.at, place + reason,
            volume=event.volume, node=event.node, run=run, sequence=sequence,
        )  # fmt: skip

    # Requests that change the content

    def _promoted(self, event: Promoted) -> None:
        until = inf if event.complete_until is None else event.complete_until
        until = max(until, self._claims.of_copy(event)) - self.begin.promises.slack
        self._lineages[event.volume].promote(until, event.at)
        for pending in self._pending.values():
            if pending.asked.volume == event.volume:
                pending.promotions.append((until, event.at))
        for name in list(self._of_volume[event.volume]):
            run = self._runs[name]
            if run.node != event.node or run.acknowledged:
                run.counts = False
                self._of_volume[event.volume].discard(name)

    def _fault_began(self, event: FaultBegan) -> None:
        for node in event.nodes:
            if Effect.MEMORY_LOST in event.effects:
                self._lose_memory(node, event.at)
            if Effect.DISK_LOST in event.effects:
                self._lose_disk(node, event.at)

    def _lose_memory(self, node: str, at: Seconds) -> None:
        """Count no more on lines that nobody was told are on disk."""
        for run, key in self._only_seen.items():
            told = self._runs[run].acknowledged if run in self._runs else 0
            self._lineages[key].lower_to(run, told, at)
        self._only_seen.clear()
        for run, key in self._unsynced.pop(node, {}).items():
            self._lineages[key].lower_to(run, self._runs[run].synced, at)

    def _lose_disk(self, node: str, at: Seconds) -> None:
        """Count on nothing that was written there, until a promotion says which copy it took."""
        for key in {self._key(run.volume, node) for run in self._runs.values() if run.node == node}:
            self._lineages[key].replace({}, at, at)

    def _asked(self, event: Asked) -> None:
        if event.action in FOLLOWED:
            lineage = self._lineages[event.volume]
            lineage.doubts += event.action in CHANGES
            self._pending[event.call] = Pending(event, lineage, dict(lineage.must))

    def _answered(self, event: Answered) -> None:
        pending = self._pending.pop(event.call, None)
        if pending is None:
            return
        pending.lineage.doubts -= pending.asked.action in CHANGES
        if event.outcome is not Outcome.REFUSED:
            self._done_or_not(pending, event)
        if event.outcome is Outcome.DONE:
            self._done(pending, event)

    def _done_or_not(self, pending: Pending, event: Answered) -> None:
        asked = pending.asked
        if asked.action is Action.RESTORE:
            self._restored(pending, event)
        elif asked.action is Action.PURGE:
            self._removed.pop(asked.volume, None)
        elif asked.action is Action.UNDELETE:
            self._is_gone.discard(asked.volume)
        elif asked.action is Action.CLONE and asked.detail in self._noted:
            source = self._noted[asked.detail].volume
            self._sources[asked.volume] |= {source, *self._sources[source]}

    def _restored(self, pending: Pending, event: Answered) -> None:
        noted = self._noted.get(pending.asked.detail)
        now = {} if noted is None else noted.must
        if event.outcome is Outcome.UNKNOWN or pending.promotions:
            now = meet(pending.lineage.must, now)
        pending.lineage.replace(now, pending.asked.at, event.at)

    def _done(self, pending: Pending, event: Answered) -> None:
        asked = pending.asked
        if asked.action is Action.SNAPSHOT:
            must = meet(pending.must, pending.lineage.must)
            self._noted[event.reference] = Noted(asked.volume, must)
        elif asked.action is Action.REMOVE:
            self._removed[asked.volume].append(pending.lineage)
            self._lineages.pop(asked.volume, None)
            self._is_gone.add(asked.volume)
        elif asked.action is Action.UNDELETE and self._removed[asked.volume]:
            self._lineages[asked.volume] = back = self._removed[asked.volume].pop()
            for until, at in pending.promotions:  # it was there again before its client heard of it
                back.promote(until, at)
            back.replaced(event.at)
        elif asked.action is Action.CREATE and asked.volume in self._is_gone:
            self._begin_anew(asked.volume, {})
        elif asked.action is Action.CLONE:
            noted = self._noted.get(asked.detail)
            self._begin_anew(asked.volume, {} if noted is None else noted.must)

    def _begin_anew(self, volume: str, must: Mapping[str, int]) -> None:
        """Have a new volume of a name: no line of an earlier one of that name is in it."""
        self._is_gone.discard(volume)
        self._lineages[volume] = lineage = Lineage(must)
        lineage.most = dict.fromkeys(self._of_name[volume], 0)

    def _key(self, volume: str, node: str) -> str:
        """The lineage of a volume; each node has one if data does not move."""
        return f"{volume} on {node}" if volume in self._apart else volume
