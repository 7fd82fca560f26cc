"""Completeness: a verdict needs a whole run, and somebody who looked in the end."""

from __future__ import annotations

from judge.history import (
    Begin,
    End,
    Event,
    FaultBegan,
    FaultEnded,
    FaultsOver,
    Place,
    Read,
    Sample,
    Settled,
    Wrote,
)
from judge.oracles.oracle import Handlers, Oracle
from judge.verdict import Verdict


class Completeness(Oracle):
    """Says what was not seen."""

    name = "completeness"
    verdict = Verdict.UNKNOWN

    def __init__(self, begin: Begin) -> None:
        super().__init__(begin)
        self._milestones: dict[type[Event], Event] = {}
        self._faults: dict[int, FaultBegan] = {}
        self._written: set[str] = set()
        self._read: set[tuple[str, str]] = set()  # volume, node
        self._sampled: set[str] = set()  # nodes
        self._last = begin.at

    def handlers(self) -> Handlers:
        return {
            FaultsOver: self._milestone,
            Settled: self._milestone,
            End: self._milestone,
            FaultBegan: self._fault_began,
            FaultEnded: self._fault_ended,
            Wrote: self._wrote,
            Read: self._read_by,
            Sample: self._sampled_by,
        }

    def finish(self) -> None:
        for kind in (FaultsOver, Settled, End):
            if kind not in self._milestones:
                self.found(
                    self._last, f"the history has no event '{kind.model_fields['kind'].default}'"
                )
                return
        at = self._last
        for fault in self._faults.values():
            self.found(at, f"fault {fault.fault}, {fault.name} on {fault.nodes}, never ended")
        for volume in self.begin.volumes:
            if volume.name not in self._written:
                self.found(at, "no line was acknowledged", volume=volume.name)
            for node in self.begin.nodes if volume.moves else ():
                if (volume.name, node) not in self._read:
                    self.found(at, "nobody read it there in the end", volume=volume.name, node=node)
        for node in self.begin.nodes:
            if node not in self._sampled:
                self.found(at, "nobody heard its driver in the end", node=node)

    def _milestone(self, event: Event) -> None:
        self._milestones[type(event)] = event
        self._last = event.at

    def _fault_began(self, event: FaultBegan) -> None:
        self._faults[event.fault] = event

    def _fault_ended(self, event: FaultEnded) -> None:
        self._faults.pop(event.fault, None)

    def _wrote(self, event: Wrote) -> None:
        self._written.add(event.volume)

    def _read_by(self, event: Read) -> None:
        if Settled in self._milestones and event.place is Place.VOLUME:
            self._read.add((event.volume, event.node))

    def _sampled_by(self, event: Sample) -> None:
        if Settled in self._milestones:
            self._sampled.add(event.node)
