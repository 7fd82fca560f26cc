"""One run: work and faults for a time, and then the proof that nothing was lost or is stuck."""

from __future__ import annotations

import gc
import logging
import shutil
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from acceptance.base.waiting import NeverCame, eventually
from flocker.base.errors import FlockerError, Refused
from tests.soak.nodes import NAMES, TwinNodes, in_haste
from tests.soak.outcome import DONE, SETTLE_SECONDS, Outcome, answer
from tests.soak.people import People, Work, everyday, stack
from tests.soak.work import Apps, Fate, TwinOperated
from tests.twins.memory_pool import MemoryPool
from tests.unit.flocker.wires import PowerCut
from tests.unit.flocker.writers import Writers

VOLUMES = {"first": "auto", "second": "manual", "third": "auto"}
PEOPLE = 6
PAUSE_SECONDS = 0.3  # at most, between two things that one person does
CALL_SECONDS = 60  # within which each call of a person is answered, once nothing is wrong any more


@dataclass
class TwinOutcome(Outcome):
    """`calls`: of nodes to pool, etcd and peers; `faulty_calls`: those that went wrong."""

    calls: int = 0
    faulty_calls: int = 0


class Defects(logging.Handler):
    """Collects those lines of the driver's log that nobody foresaw."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, (FlockerError, OSError, PowerCut)):
            self.found.append("".join(traceback.format_exception(error)))


def soak(seconds: float, seed: int) -> TwinOutcome:
    """Work on three nodes for so long, with faults, and look at everything afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="soak"))
    outcome = TwinOutcome(seed, seconds)
    with in_haste(), _watching() as defects:
        before = set(threading.enumerate())
        _work(folder, outcome)
        outcome.wrong += _threads_left(before) + defects.found
    shutil.rmtree(folder)
    return outcome


def _work(folder: Path, outcome: TwinOutcome) -> None:
    writing: dict[str, Writers] = {}
    twins = TwinNodes(
        folder,
        outcome.seed,
        lambda volume_id: writing.setdefault(volume_id, Writers(time.monotonic)),
    )
    try:
        _Run(twins, outcome, writing).go()
    finally:
        twins.stop()


class _Run:
    def __init__(self, twins: TwinNodes, outcome: TwinOutcome, writing: dict[str, Writers]) -> None:
        self._twins = twins
        self._outcome = outcome
        self._writing = writing
        self._nodes = TwinOperated(twins)

    def go(self) -> None:
        twins, outcome = self._twins, self._outcome
        eventually(lambda: len(twins.state.nodes), is_=len(NAMES), within=SETTLE_SECONDS)
        for name, failover in VOLUMES.items():
            twins["node1"].driver.create(name, {"failover": failover})
        works = [*everyday(self._nodes), Work("lose", 0.5, self._nodes.lose_container)]
        people = People(
            NAMES, list(VOLUMES), works,
            seed=outcome.seed, count=PEOPLE, pause_seconds=PAUSE_SECONDS,
        )  # fmt: skip
        apps, fate = Apps(twins), Fate(twins, outcome.seed)
        for each in (people, apps, fate):
            each.start()
        self._wait(people)
        fate.stop()
        outcome.wrong += people.stop(CALL_SECONDS)
        apps.stop()
        outcome.operations, outcome.faults = dict(people.done), dict(fate.done)
        outcome.calls = sum(node.weather.calls for node in twins.nodes.values())
        outcome.faulty_calls = sum(node.weather.faults for node in twins.nodes.values())
        outcome.lines = sum(map(len, apps.acknowledged.values()))
        self._settle()
        outcome.wrong += self._meetings()
        self._check_lines(apps)
        if outcome.wrong:
            outcome.wrong += [
                f"{event.at} {event.node} {event.what} {event.volume}: {event.why}"
                for name in VOLUMES
                for event in twins.ownership.history(twins.volume(name).id)[-30:]
            ]

    def _wait(self, people: People) -> None:
        """Until the time is over, or nothing more can be learned."""
        until = time.monotonic() + self._outcome.seconds
        waiting = threading.Event()
        while time.monotonic() < until and not people.defects and not self._meetings():
            waiting.wait(1)

    def _settle(self) -> None:
        """Stop all containers; then each node can have each volume, and nothing else goes on."""
        expect = self._outcome.expect
        for volume in VOLUMES:
            for name in NAMES:
                stop = partial(self._nodes.end_container, name, volume)
                expect(f"{volume} stopped on {name}", DONE, partial(answer, stop))
        for volume in VOLUMES:
            for name in NAMES:
                expect(f"{volume} mounted on {name}", DONE, partial(self._read, name, volume))
            owner = self._twins.volume(volume).owner
            expect(f"{volume} put away", [owner], partial(self._open_on, volume))
        expect("moves ended", {}, lambda: dict(self._twins.state.moves))

    def _read(self, node: str, volume: str) -> str:
        """The lines are the owner's, which a planned move brings along."""

        def read() -> None:
            before = _lines(self._opened(volume))
            after = _lines(self._twins[node].driver.mount(volume, "reader"))
            self._twins[node].driver.unmount(volume, "reader")
            if after != before:
                raise Refused("other lines than before")

        return answer(read)

    def _opened(self, name: str) -> Path:
        volume = self._twins.volume(name)
        return self._twins.nodes[volume.owner].memory_pool.writable_path(volume.claim)

    def _open_on(self, name: str) -> list[str]:
        volume_id, nodes = self._twins.volume(name).id, self._twins.nodes
        return [each for each, node in nodes.items() if node.memory_pool.has_writable(volume_id)]

    def _meetings(self) -> list[str]:
        """Tell when several nodes could write to an auto volume at the same time."""
        return [
            f"several writers of {name}: {meetings}"
            for name, failover in VOLUMES.items()
            if failover == "auto"
            and (writers := self._writing.get(self._twins.volume(name).id))
            and (meetings := writers.meetings())
        ]

    def _check_lines(self, apps: Apps) -> None:
        for name in VOLUMES:
            volume = self._twins.volume(name)
            self._outcome.epochs[name] = volume.epoch
            kept = _lines(self._opened(name))
            for node in self._twins.nodes.values():
                pool = node.memory_pool
                for aside in pool.asides():
                    if aside.volume_id == volume.id:
                        self._outcome.put_aside += 1
                        kept |= _rescued(pool, aside.reference)
            if lost := apps.acknowledged[volume.id] - kept:
                some = sorted(lost)[:10]
                self._outcome.wrong.append(f"{len(lost)} lines of {name} are lost: {some}")


def _rescued(pool: MemoryPool, reference: str) -> set[str]:
    folder = Path(tempfile.mkdtemp()) / "rescued"
    pool.unpack_aside(reference, folder)
    found = _lines(folder)
    shutil.rmtree(folder.parent)
    return found


def _lines(folder: Path) -> set[str]:
    file = folder / "file"
    return set(file.read_text().split()) if file.exists() else set()


def _threads_left(before: set[threading.Thread]) -> list[str]:
    def left() -> list[str]:
        gc.collect()  # the daemons' pools of threads end with them
        return [each.name for each in set(threading.enumerate()) - before]

    try:
        eventually(left, is_=[], within=30)
    except NeverCame:
        return [f"thread left:\n{stack(each)}" for each in set(threading.enumerate()) - before]
    return []


@contextmanager
def _watching() -> Iterator[Defects]:
    """Collect what nobody foresaw, of all threads; that a node lost its power ends its own."""
    defects, log, hook = Defects(), logging.getLogger("flocker"), threading.excepthook

    def end(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not isinstance(args.exc_value, PowerCut):
            defects.found.append("".join(traceback.format_exception(args.exc_value)))

    propagates, level = log.propagate, log.level
    log.addHandler(defects)
    log.propagate = False
    threading.excepthook = end
    try:
        yield defects
    finally:
        threading.excepthook = hook
        log.removeHandler(defects)
        log.propagate, log.level = propagates, level
