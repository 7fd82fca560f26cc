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
FAULT_SECONDS = (5.0, 60.0)
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
        self._struck: set[str] = set()  # nodes with a fault that must be alone
        self._numbers = count(1)

    def start(self, random: Random) -> Task:
        """Begin a row."""
        return self._running.spawn("fate", lambda: self._go_on(random))

    def _go_on(self, random: Random) -> None:
        while not self.is_over and self._faults:
            self._sleep(random.uniform(*CALM_SECONDS))
            fault, node = random.choice(self._faults), random.choice(self._cluster.nodes)
            if not self.is_over and not (fault.is_alone and node in self._struck):
                self._strike(fault, node, random)

    def _strike(self, fault: Fault, node: str, random: Random) -> None:
        number = next(self._numbers)
        nodes = tuple(self._cluster.nodes) if fault.on_all else (node,)
        self._recorder.note(
            FaultBegan(
                at=self._running.now, fault=number, name=fault.name, nodes=nodes,
                effects=fault.effects,
            )
        )  # fmt: skip
        if fault.is_alone:
            self._struck.add(node)
        heal = fault.begin(self._cluster, node, random)
        self._sleep(min(random.uniform(*FAULT_SECONDS), fault.most_seconds))
        heal()
        if fault.is_alone:
            self._struck.discard(node)
        self._recorder.note(FaultEnded(at=self._running.now, fault=number))

    def _sleep(self, seconds: float) -> None:
        until = self._running.now + seconds
        while not self.is_over and self._running.now < until:
            self._running.sleep(min(LOOK_SECONDS, until - self._running.now))
