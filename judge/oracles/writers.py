"""One writer: containers of two nodes do not write to a volume at the same time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from judge.history import (
    Begin,
    FaultBegan,
    FaultEnded,
    Promoted,
    Seconds,
    WriterStarted,
    WriterStopped,
    Writing,
    Wrote,
)
from judge.oracles.oracle import Handlers, Oracle
from judge.oracles.troubles import Troubles


@dataclass
class Span:
    """A run, from the begin of its first write to the begin of its last one.

    A write that was begun and acknowledged shows that its container could write when it began.
    Nothing is known of its end: a node may stand still before it looks at the clock.
    """

    run: str
    node: str
    first: Seconds
    last: Seconds
    first_sequence: int
    last_sequence: int


class OneWriter(Oracle):
    """Judges each volume by the promise that it comes with."""

    name = "one writer"

    def __init__(self, begin: Begin) -> None:
        super().__init__(begin)
        self._writing = {volume.name: volume.writing for volume in begin.volumes}
        self._troubles = Troubles(begin)
        self._spans: defaultdict[str, dict[str, Span]] = defaultdict(dict)
        self._living: defaultdict[str, dict[str, WriterStarted]] = defaultdict(dict)
        self._volumes: dict[str, str] = {}  # of each run
        self._replaced: dict[str, Promoted] = {}  # the runs that lived through a promotion

    def handlers(self) -> Handlers:
        return {
            FaultBegan: self._troubles.began,
            FaultEnded: self._troubles.ended,
            WriterStarted: self._started,
            WriterStopped: self._stopped,
            Promoted: self._promoted,
            Wrote: self._wrote,
        }

    def finish(self) -> None:
        for volume, spans in self._spans.items():
            if self._promise(volume) is Writing.NEVER_TWO:
                self._compare(volume, sorted(spans.values(), key=lambda span: span.first))

    def _started(self, event: WriterStarted) -> None:
        self._volumes[event.run] = event.volume
        self._living[event.volume][event.run] = event

    def _stopped(self, event: WriterStopped) -> None:
        self._living[self._volumes.get(event.run, "")].pop(event.run, None)

    def _promoted(self, event: Promoted) -> None:
        for run, started in self._living[event.volume].items():
            if started.node != event.node:
                self._replaced.setdefault(run, event)

    def _wrote(self, event: Wrote) -> None:
        if self._troubles.is_waking(event.node, event.began):
            return
        span = self._spans[event.volume].get(event.run)
        if span is None:
            self._spans[event.volume][event.run] = Span(
                event.run, event.node, event.began, event.began, event.sequence, event.sequence
            )
        else:
            span.last, span.last_sequence = event.began, event.sequence
        if event.run in self._replaced:
            self._check_replaced(event, self._replaced[event.run])

    def _check_replaced(self, event: Wrote, promoted: Promoted) -> None:
        """A former owner may write until it hears of the promotion."""
        if self._promise(event.volume) is not Writing.UNTIL_PROMOTED:
            return
        heard = max(promoted.at, self._troubles.hears_since(event.node))
        if event.began > heard + self.begin.promises.hears + self.begin.promises.clocks:
            self.found(
                event.at,
                f"wrote although {promoted.node} was promoted at {promoted.at:.3f} s, and "
                f"{event.node} could hear of it since {heard:.3f} s",
                volume=event.volume, node=event.node, run=event.run, sequence=event.sequence,
            )  # fmt: skip
            del self._replaced[event.run]  # said once

    def _compare(self, volume: str, spans: list[Span]) -> None:
        latest: dict[str, Span] = {}  # by node
        for span in spans:
            for node, other in latest.items():
                if node != span.node and span.first + self.begin.promises.clocks <= other.last:
                    self.found(
                        span.first,
                        f"wrote while {other.run} on {node} did: that wrote from "
                        f"{other.first:.3f} s (line {other.first_sequence}) to {other.last:.3f} s "
                        f"(line {other.last_sequence})",
                        volume=volume, node=span.node, run=span.run, sequence=span.first_sequence,
                    )  # fmt: skip
            before = latest.get(span.node)
            if before is None or before.last < span.last:
                latest[span.node] = span

    def _promise(self, volume: str) -> Writing:
        return self._writing.get(volume, Writing.UNTIL_PROMOTED)
