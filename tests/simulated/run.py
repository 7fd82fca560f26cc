"""One simulation: clients and faults for a time, and then everything that is seen of the end."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from random import Random

from flocker.base.errors import FlockerError
from judge.chance import seeded
from judge.clients.client import WEIGHTS, Client, Shared
from judge.history import Action, AnyEvent, Begin, Defect, End, FaultsOver, Promises
from judge.recorder import Recorder
from tests.simulated import scheduler as simulation
from tests.simulated.cluster import NAMES, SimulatedCluster
from tests.simulated.ending import Ending
from tests.simulated.fate import Fate
from tests.simulated.faults import FAULTS
from tests.simulated.plan import Plan
from tests.simulated.scheduler import Scheduler, Stuck
from tests.simulated.substitutes import seed_chance
from tests.simulated.tasks import Process, ProcessEnded, Task

MORE_WEIGHTS = {Action.CREATE: 0.5, Action.CLONE: 0.5, Action.RESIZE: 0.5}
JOIN_SECONDS = 60.0
LAST_ANSWER_SECONDS = 600.0  # after the last fault
LOOK_SECONDS = 0.5
SAMPLE_SECONDS = 10.0
# A current copy lacks at most 10 s until its owner was last heard of: every 3 s, and slow links
# take a second in each direction.
CURRENT_SECONDS = 15.0


class Defects(logging.Handler):
    """Collects those lines of the driver's log that nobody foresaw."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, (FlockerError, OSError, ProcessEnded)):
            self.found.append("".join(traceback.format_exception(error)))


def simulate(plan: Plan) -> list[AnyEvent]:
    """The history of a simulation; the same plan has the same, byte for byte."""
    running = Scheduler(plan.seed)
    simulation.use(running)
    seed_chance(plan.seed)
    recorder = Recorder(lambda: running.now)
    try:
        with _watching() as defects:
            try:
                running.run(_Simulation(plan, running, recorder).live)
            except Stuck as error:
                running.defects.append(str(error))
            finally:
                running.end()
        for text in defects.found + running.defects:
            recorder.note(Defect(at=running.now, node="", message=text))
    finally:
        simulation.use(None)
    return recorder.history()


class _Simulation:
    def __init__(self, plan: Plan, running: Scheduler, recorder: Recorder) -> None:
        self._plan = plan
        self._running = running
        self._recorder = recorder
        self._is_over = False

    def live(self) -> None:
        plan, running, recorder = self._plan, self._running, self._recorder
        recorder.note(
            Begin(
                at=0, seed=plan.seed, driver="flocker", machine="simulation", nodes=NAMES,
                volumes=plan.volumes, promises=Promises(current=CURRENT_SECONDS),
            )
        )  # fmt: skip
        self._cluster = cluster = SimulatedCluster(
            running, recorder, seeded(plan.seed, "cluster"), plan.writer_pause_seconds
        )
        ending = Ending(cluster, recorder, running)
        self._await(lambda: len(cluster.state.nodes) == len(NAMES), JOIN_SECONDS)
        for volume in plan.volumes:
            ending.do(Action.CREATE, NAMES[0], volume.name, json.dumps(volume.options))
            ending.do(Action.START, NAMES[0], volume.name)
        fate = Fate(
            cluster, recorder, running, [each for each in FAULTS if each.name in plan.faults]
        )
        rows = [fate.start(seeded(plan.seed, "fate", row)) for row in range(plan.faults_at_once)]
        clients = self._start_clients()
        running.spawn("sampler", self._sample_for_ever)
        running.sleep(plan.seconds)
        self._is_over = fate.is_over = True
        self._await(lambda: all(row.is_over for row in rows), LAST_ANSWER_SECONDS)
        recorder.note(FaultsOver(at=running.now))
        self._await(lambda: all(client.is_over for client in clients), LAST_ANSWER_SECONDS)
        ending.come([volume.name for volume in plan.volumes])
        recorder.note(End(at=running.now))

    def _await(self, holds: Callable[[], bool], within: float) -> None:
        until = self._running.now + within
        while not holds() and self._running.now < until:
            self._running.sleep(LOOK_SECONDS)

    def _start_clients(self) -> list[Task]:
        weights = {**WEIGHTS, **MORE_WEIGHTS}
        if self._plan.loses_disks:  # only its owner has a volume that is new or was removed
            for action in (Action.REMOVE, Action.CREATE, Action.CLONE):
                del weights[action]
        names = [volume.name for volume in self._plan.volumes]
        shared = Shared(self._cluster, self._recorder, names, self._running.sleep, weights)
        clients, process = [], Process("clients")
        for number in range(1, self._plan.clients + 1):
            name, random = f"client{number}", seeded(self._plan.seed, "client", number)
            live = partial(self._live, Client(name, random, shared), random)
            clients.append(self._running.spawn(name, live, process))
        return clients

    def _live(self, client: Client, random: Random) -> None:
        while not self._is_over:
            self._running.sleep(random.uniform(0, self._plan.client_pause_seconds))
            if not self._is_over:
                client.step()

    def _sample_for_ever(self) -> None:
        while not self._is_over:
            self._running.sleep(SAMPLE_SECONDS)
            for name in NAMES:
                self._recorder.note(*self._cluster.sample(name))


@contextmanager
def _watching() -> Iterator[Defects]:
    """Collect what nobody foresaw, of all tasks."""
    defects, log = Defects(), logging.getLogger("flocker")
    log.addHandler(defects)
    log.propagate = False
    log.setLevel(logging.WARNING)
    logging.getLogger("concurrent.futures").disabled = True  # its workers tell of their end
    try:
        yield defects
    finally:
        log.removeHandler(defects)
