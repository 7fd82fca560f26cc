"""The picture of a volume in a run, as shapes with places: what is drawn where.

Places are percent of the run's time, so that a page can stretch the time without drawing anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from judge.history import (
    AnyEvent,
    Begin,
    FaultBegan,
    FaultEnded,
    Place,
    Promoted,
    Read,
    Sample,
    Seconds,
    Volume,
    Writing,
    Wrote,
)
from judge.verdict import Finding

MOST_DOTS = 400  # of a volume; lines that follow each other share one beyond that
TICKS = 5
LAST_TICK = 0.92  # of the time; the label of a later one would be cut off
STEPS = tuple(base * 10**power for power in range(7) for base in (1, 2, 5))  # in seconds
COLOURS = 6  # of epochs; the seventh has the first one's again


@dataclass(frozen=True)
class Span:
    """Something that lasts: from `left` on, `width` wide, in percent; `title` is its text."""

    left: float
    width: float
    title: str
    colour: int = 0


@dataclass(frozen=True)
class Dot:
    """Acknowledged lines; hollow if the volume does not hold them in the end."""

    left: float
    title: str
    colour: int
    is_hollow: bool


@dataclass(frozen=True)
class Mark:
    """A finding."""

    left: float
    title: str


@dataclass(frozen=True)
class Lane:
    """One node: when it owned the volume and had it mounted, what was written and went wrong."""

    node: str
    owned: Sequence[Span]
    mounted: Sequence[Span]
    faults: Sequence[Span]
    dots: Sequence[Dot]
    overlaps: Sequence[Span]
    marks: Sequence[Mark]


@dataclass(frozen=True)
class Picture:
    """One volume.

    Attributes:
        summary: the picture in words.
        ticks: seconds and their places.
    """

    volume: Volume
    lanes: Sequence[Lane]
    summary: str
    ticks: Sequence[tuple[str, float]]


@dataclass(frozen=True)
class Term:
    """The time in which a node owned the volume, as far as anybody said."""

    owner: str
    epoch: int
    began: Seconds
    ended: Seconds


def draw(events: Sequence[AnyEvent], findings: Iterable[Finding]) -> list[Picture]:
    """A picture for each volume.

    Args:
        events: a history, in the order of time, from its Begin on.
    """
    begin, end = events[0], events[-1].at
    assert isinstance(begin, Begin)
    scale = Scale(end)
    faults = list(_faults(events, scale))
    noted = list(findings)
    return [
        _Drawing(
            begin.nodes, volume, [each for each in events if _is_about(each, volume.name)], scale
        ).picture(faults, [each for each in noted if each.volume == volume.name])
        for volume in begin.volumes
    ]  # fmt: skip


class Scale:
    """From seconds to percent of a run."""

    def __init__(self, end: Seconds) -> None:
        self.end = max(end, 1e-6)

    def at(self, moment: Seconds) -> float:
        return round(100 * moment / self.end, 3)

    def span(self, began: Seconds, ended: Seconds, title: str, colour: int = 0) -> Span:
        """Something that lasts."""
        return Span(self.at(began), round(self.at(ended) - self.at(began), 3), title, colour)

    def ticks(self) -> list[tuple[str, float]]:
        """A few round moments, and their places."""
        step = next((each for each in STEPS if self.end / each <= TICKS), STEPS[-1])
        moments = range(0, int(self.end * LAST_TICK) + 1, step)
        return [(f"{each} s", self.at(each)) for each in moments]


class _Drawing:
    def __init__(
        self, nodes: Sequence[str], volume: Volume, events: Sequence[AnyEvent], scale: Scale
    ) -> None:
        self._nodes = nodes
        self._volume = volume
        self._scale = scale
        self._writes = [each for each in events if isinstance(each, Wrote)]
        self._samples = [each for each in events if isinstance(each, Sample)]
        self._terms = list(_terms(events, scale.end))
        self._kept = _kept(events)

    def picture(
        self, faults: Sequence[tuple[Sequence[str], Span]], findings: Sequence[Finding]
    ) -> Picture:
        dots = self._dots()
        overlaps = self._overlaps()
        lanes = [
            Lane(
                node=node,
                owned=[self._term(each) for each in self._terms if each.owner == node],
                mounted=list(self._mounted(node)),
                faults=[span for where, span in faults if node in where],
                dots=dots[node],
                overlaps=overlaps[node],
                marks=[
                    Mark(self._scale.at(each.at), str(each))
                    for each in findings
                    if node == (each.node or self._nodes[0])
                ],
            )
            for node in self._nodes
        ]
        hollow = sum(dot.is_hollow for each in dots.values() for dot in each)
        summary = (
            f"Volume {self._volume.name}: {len(self._terms)} terms of owners, "
            f"{len(self._writes)} acknowledged lines, {hollow} hollow dots, "
            f"{len(findings)} findings"
        )
        return Picture(self._volume, lanes, summary, self._scale.ticks())

    def _term(self, term: Term) -> Span:
        title = f"{term.owner} owns it at epoch {term.epoch} from {term.began:.1f} s"
        return self._scale.span(term.began, term.ended, title, term.epoch % COLOURS)

    def _mounted(self, node: str) -> Iterator[Span]:
        """From the first sample that says so to the first that does not."""
        last = None
        samples = [each for each in self._samples if each.node == each.owner or each.mounted_on]
        for is_mounted, group in groupby(samples, key=lambda each: node in each.mounted_on):
            first = next(group).at
            if last is not None:
                yield self._scale.span(last, first, f"mounted on {node} from {last:.1f} s")
            last = first if is_mounted else None
        if last is not None:
            yield self._scale.span(last, self._scale.end, f"mounted on {node} from {last:.1f} s")

    def _dots(self) -> dict[str, list[Dot]]:
        dots: defaultdict[str, list[Dot]] = defaultdict(list)
        width = self._scale.end / MOST_DOTS

        def together(write: Wrote) -> tuple[str, bool, int]:
            return write.run, self._is_hollow(write), int(write.at / width)

        for (_, is_hollow, _), group in groupby(self._writes, key=together):
            lines = list(group)
            dots[lines[0].node].append(self._dot(lines, is_hollow=is_hollow))
        return dots

    def _dot(self, lines: Sequence[Wrote], *, is_hollow: bool) -> Dot:
        first, last = lines[0], lines[-1]
        numbers = f"line {first.sequence}" + (f" to {last.sequence}" if last is not first else "")
        state = ", not in the volume in the end" if is_hollow else ""
        epoch = self._epoch_of(first)
        return Dot(
            self._scale.at(first.at),
            f"{first.at:.2f} s: {numbers} of {first.run}{state}",
            COLOURS if epoch is None else epoch % COLOURS,
            is_hollow,
        )

    def _is_hollow(self, write: Wrote) -> bool:
        return self._kept is not None and write.sequence > self._kept.get(write.run, 0)

    def _epoch_of(self, write: Wrote) -> int | None:
        """The epoch at which a node wrote; None if nobody said that it owned the volume."""
        before = [
            each.epoch
            for each in self._terms
            if each.owner == write.node and each.began <= write.at + self._scale.end / MOST_DOTS
        ]
        return before[-1] if before else None

    def _overlaps(self) -> dict[str, list[Span]]:
        """The times in which two nodes wrote, if that is promised never to happen."""
        found: defaultdict[str, list[Span]] = defaultdict(list)
        if self._volume.writing is not Writing.NEVER_TWO:
            return found
        spans: dict[str, tuple[Seconds, Seconds, str]] = {}
        for write in self._writes:
            began = spans[write.run][0] if write.run in spans else write.began
            spans[write.run] = (began, write.began, write.node)
        for (_, ended, node), (later, end, other) in pairwise(sorted(spans.values())):
            if node != other and later <= ended:
                both = self._scale.span(later, min(ended, end), f"{node} and {other} wrote")
                found[node].append(both)
                found[other].append(both)
        return found


def _is_about(event: AnyEvent, volume: str) -> bool:
    return getattr(event, "volume", None) == volume


def _faults(events: Iterable[AnyEvent], scale: Scale) -> Iterator[tuple[Sequence[str], Span]]:
    began: dict[int, FaultBegan] = {}
    for event in events:
        if isinstance(event, FaultBegan):
            began[event.fault] = event
        elif isinstance(event, FaultEnded) and event.fault in began:
            yield _fault(began.pop(event.fault), event.at, scale)
    for fault in began.values():
        yield _fault(fault, scale.end, scale)


def _fault(fault: FaultBegan, ended: Seconds, scale: Scale) -> tuple[Sequence[str], Span]:
    title = f"{fault.name} from {fault.at:.1f} to {ended:.1f} s"
    return fault.nodes, scale.span(fault.at, ended, title)


def _terms(events: Iterable[AnyEvent], end: Seconds) -> Iterator[Term]:
    """The owners, by the first event that tells of each epoch."""
    last: Term | None = None
    for event in events:
        if isinstance(event, Promoted):
            owner, epoch = event.node, event.epoch
        elif isinstance(event, Sample):
            owner, epoch = event.owner, event.epoch
        else:
            continue
        if last is None or epoch > last.epoch:
            if last is not None:
                yield Term(last.owner, last.epoch, last.began, event.at)
            last = Term(owner, epoch, event.at, end)
    if last is not None:
        yield last


def _kept(events: Iterable[AnyEvent]) -> dict[str, int] | None:
    """The last line of each run that the last reader of the volume saw; None: nobody read it."""
    kept = None
    for event in events:
        if isinstance(event, Read) and event.place is Place.VOLUME:
            kept = {segment.run: segment.last for segment in event.seen}
    return kept
