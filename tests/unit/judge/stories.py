"""Histories told in a few words, for tests: each sentence takes a second."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from judge.history import (
    Action,
    Answered,
    AnyEvent,
    Asked,
    Begin,
    CopyClaim,
    Effect,
    End,
    FaultBegan,
    FaultEnded,
    FaultsOver,
    Outcome,
    Place,
    Promoted,
    Read,
    Sample,
    Segment,
    Settled,
    Volume,
    WriterStarted,
    WriterStopped,
    Writing,
    Wrote,
    ordered,
)

NODES = ("node1", "node2", "node3")
AUTO = Volume(name="a", writing=Writing.NEVER_TWO)
MANUAL = Volume(name="m", writing=Writing.UNTIL_PROMOTED)


class Story:
    """A history that grows; `write` and others return the time at which they were over."""

    def __init__(self, *volumes: Volume) -> None:
        self.now = 0.0
        self.volumes = volumes or (AUTO,)
        self.events: list[AnyEvent] = [
            Begin(at=0, seed=1, driver="any", machine="paper", nodes=NODES, volumes=self.volumes)
        ]
        self.lines: defaultdict[str, int] = defaultdict(int)
        self._runs: dict[str, tuple[str, str]] = {}
        self._calls = 0
        self._faults = 0

    def tick(self, seconds: float = 1) -> float:
        self.now += seconds
        return self.now

    def add(self, event: AnyEvent) -> None:
        self.events.append(event)

    def start(self, run: str, node: str, volume: str = "a") -> None:
        self._runs[run] = (node, volume)
        self.add(WriterStarted(at=self.tick(), run=run, node=node, volume=volume))

    def stop(self, run: str) -> None:
        self.add(WriterStopped(at=self.tick(), run=run))

    def write(self, run: str, lines: int = 1, *, fsynced: bool = True) -> float:
        node, volume = self._runs[run]
        for _ in range(lines):
            self.lines[run] += 1
            self.add(
                Wrote(
                    began=self.tick(0.5), at=self.tick(0.5), run=run, node=node, volume=volume,
                    sequence=self.lines[run], fsynced=fsynced,
                )
            )  # fmt: skip
        return self.now

    def run(self, run: str, node: str, lines: int, volume: str = "a") -> float:
        """A container starts, writes and stops; the time of its last line."""
        self.start(run, node, volume)
        last = self.write(run, lines)
        self.stop(run)
        return last

    def read(self, node: str, volume: str = "a", **runs: int) -> None:
        """Somebody sees so many lines of these runs."""
        self.see(node, [(run, 1, last) for run, last in runs.items()], volume=volume)

    def see(self, node: str, seen: list[tuple[str, int, int]], **more: Any) -> None:
        segments = tuple(Segment(run=run, first=first, last=last) for run, first, last in seen)
        fields = {"volume": "a", **more}
        self.add(Read(began=self.tick(0.5), at=self.tick(0.5), node=node, seen=segments, **fields))

    def ask(
        self,
        action: Action,
        *,
        node: str = "node1",
        volume: str = "a",
        detail: str = "",
        outcome: Outcome | None = Outcome.DONE,
        **answer: Any,
    ) -> None:
        """A client asks; None: it gets no answer yet."""
        self._calls += 1
        self.add(
            Asked(
                at=self.tick(0.5), call=self._calls, client="one", action=action, node=node,
                volume=volume, detail=detail,
            )
        )  # fmt: skip
        if outcome is not None:
            self.answer(outcome, **answer)

    def answer(self, outcome: Outcome = Outcome.DONE, **answer: Any) -> None:
        """The client that asked last gets its answer."""
        self.add(Answered(at=self.tick(0.5), call=self._calls, outcome=outcome, **answer))

    def promote(
        self,
        node: str,
        until: float | None,
        *,
        volume: str = "a",
        former: str = "node1",
        epoch: int = 2,
    ) -> None:
        self.add(
            Promoted(
                at=self.tick(), volume=volume, node=node, former=former, epoch=epoch,
                complete_until=until,
            )
        )  # fmt: skip

    def say(self, node: str, owner: str, epoch: int, **more: Any) -> None:
        """A node's driver says who owns a volume."""
        fields = {"volume": "a", "identity": "id", **more}
        self.add(Sample(at=self.tick(), node=node, owner=owner, epoch=epoch, **fields))

    def claim(self, copy: str, until: float, *, is_current: bool = False, epoch: int = 1) -> None:
        copies = (CopyClaim(node=copy, is_current=is_current, complete_until=until),)
        self.say("node1", "node1", epoch, copies=copies)

    def fault(self, node: str, *effects: Effect, seconds: float = 10) -> None:
        self.begin_fault(node, *effects)
        self.tick(seconds)
        self.end_fault()

    def begin_fault(self, node: str, *effects: Effect) -> None:
        self._faults += 1
        at = self.tick()
        self.add(
            FaultBegan(at=at, fault=self._faults, name="trouble", nodes=(node,), effects=effects)
        )

    def end_fault(self) -> None:
        self.add(FaultEnded(at=self.tick(), fault=self._faults))

    def settle(self) -> None:
        self.add(FaultsOver(at=self.tick()))
        self.add(Settled(at=self.tick(60)))

    def all_see(self, owner: str, epoch: int, volume: str = "a", **runs: int) -> None:
        """In the end every node says and sees the same."""
        for node in NODES:
            self.say(node, owner, epoch, volume=volume, identity=volume)
            self.read(node, volume, **runs)

    def end(self) -> list[AnyEvent]:
        self.add(End(at=self.tick()))
        return ordered(self.events)

    def finish(self, owner: str = "node1", epoch: int = 1, **runs: int) -> list[AnyEvent]:
        """Settle, have every node see these lines in the volume "a", and end."""
        self.settle()
        self.all_see(owner, epoch, **runs)
        return self.end()


def aside(story: Story, node: str, **runs: int) -> None:
    """In the end, somebody sees lines in a copy that was put aside."""
    seen = [(run, 1, last) for run, last in runs.items()]
    story.see(node, seen, place=Place.COPY, reference=f"a@{node}")
