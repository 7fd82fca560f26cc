"""The end: one owner, equal copies, clean disks, nothing left, and no program that failed."""

from __future__ import annotations

from judge.history import (
    Begin,
    Checked,
    Defect,
    Digest,
    Leaked,
    Place,
    Promoted,
    Read,
    Sample,
    Settled,
)
from judge.oracles.oracle import Handlers, Oracle
from judge.verdict import Verdict


class Ending(Oracle):
    """Judges what was seen after the cluster had time to recover."""

    name = "the end"

    def __init__(self, begin: Begin) -> None:
        super().__init__(begin)
        self._is_settled = False
        self._last: dict[str, dict[str, Sample]] = {}  # volume: node: what it said
        self._was_promoted: set[str] = set()  # volumes
        self._digests: dict[tuple[str, str], Digest] = {}

    def handlers(self) -> Handlers:
        return {
            Settled: self._settled,
            Sample: self._sampled,
            Digest: self._digest,
            Checked: self._checked,
            Promoted: self._promoted,
            Read: self._read,
        }

    def finish(self) -> None:
        for volume, samples in self._last.items():
            first, *others = samples.values()
            for other in others:
                if (first.owner, first.epoch) != (other.owner, other.epoch):
                    self.found(
                        other.at,
                        f"says that {other.owner} owns it at epoch {other.epoch}, and {first.node} "
                        f"says that {first.owner} does at epoch {first.epoch}",
                        volume=volume, node=other.node,
                    )  # fmt: skip

    def _settled(self, _: Settled) -> None:
        self._is_settled = True

    def _sampled(self, event: Sample) -> None:
        if self._is_settled:
            self._last.setdefault(event.volume, {})[event.node] = event

    def _digest(self, event: Digest) -> None:
        first = self._digests.setdefault((event.volume, event.snapshot), event)
        if first.digest != event.digest:
            self.found(
                event.at, f"snapshot {event.snapshot} differs from the one on {first.node}",
                volume=event.volume, node=event.node,
            )  # fmt: skip

    def _promoted(self, event: Promoted) -> None:
        self._was_promoted.add(event.volume)

    def _read(self, event: Read) -> None:
        if event.place is Place.COPY and event.volume not in self._was_promoted:
            self.found(
                event.at, f"{event.reference} was put aside, and no node was ever promoted",
                volume=event.volume, node=event.node,
            )  # fmt: skip

    def _checked(self, event: Checked) -> None:
        if not event.is_well:
            self.found(
                event.at, f"{event.what}: {event.message}", volume=event.volume, node=event.node
            )


class Leaks(Oracle):
    """Nothing is left that nothing explains."""

    name = "leaks"

    def handlers(self) -> Handlers:
        return {Leaked: self._leaked}

    def _leaked(self, event: Leaked) -> None:
        self.found(event.at, f"{event.what} is left: {event.message}", node=event.node)


class Defects(Oracle):
    """Programs fail only in ways that their authors foresaw."""

    name = "defects"
    verdict = Verdict.DEFECT

    def handlers(self) -> Handlers:
        return {Defect: self._defect}

    def _defect(self, event: Defect) -> None:
        self.found(event.at, event.message, node=event.node)
