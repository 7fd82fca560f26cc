"""Has faults come and go while a simulation lasts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from random import Random

from judge.history import FaultBegan, FaultEnded
from judge.recorder import Recorder
from tests.simulated.cluster import SimulatedCluster
from tests.simulated.faults import Fault
from tests.simulated.scheduler import Scheduler
from tests.simulated.tasks import Task

CALM_SECONDS = (5.0, 60.0)  # between two faults
LOOK_SECONDS = 5.0  # how late the end may be noticed


class Fate:
    """Several rows of faults, one after the other in each.

    Attributes:
        is_over: no fault comes any more, and those that are on end.
    """

    def __init__(
        self,
        cluster: SimulatedCluster,
        recorder: Recorder,
        running: Scheduler,
        faults: Sequence[Fault],
    ) -> None:
        self.is_over = False
        self._cluster = cluster
        self._recorder = recorder
        self._running = running
        self._faults = faults
        self._on: list[tuple[Fault, str]] = []  # each with its node
        self._numbers = count(1)

    def start(self, random: Random) -> Task:
        """Begin a row."""
        return self._running.spawn("fate", lambda: self._go_on(random))

    def _go_on(self, random: Random) -> None:
        weights = [fault.weight for fault in self._faults]
        while not self.is_over and self._faults:
            self._sleep(random.uniform(*CALM_SECONDS))
            [fault] = random.choices(self._faults, weights)
            node = random.choice(self._cluster.nodes)
            if not self.is_over and self._may_begin(fault, node):
                self._strike(fault, node, random)

    def _may_begin(self, fault: Fault, node: str) -> bool:
        if any(each.is_only for each, _ in self._on) or (fault.is_only and self._on):
            return False
        if not fault.is_fair(self._cluster, node):
            return False
        return not fault.is_alone or all(
            not each.is_alone or where != node for each, where in self._on
        )

    def _strike(self, fault: Fault, node: str, random: Random) -> None:
        number = next(self._numbers)
        nodes = tuple(self._cluster.nodes) if fault.on_all else (node,)
        self._recorder.note(
            FaultBegan(
                at=self._running.now, fault=number, name=fault.name, nodes=nodes,
                effects=fault.effects,
            )
        )  # fmt: skip
        self._on.append((fault, node))
        heal = fault.begin(self._cluster, node, random)
        self._sleep(random.uniform(*fault.seconds))
        heal()
        self._on.remove((fault, node))
        self._recorder.note(FaultEnded(at=self._running.now, fault=number))

    def _sleep(self, seconds: float) -> None:
        until = self._running.now + seconds
        while not self.is_over and self._running.now < until:
            self._running.sleep(min(LOOK_SECONDS, until - self._running.now))
