"""The containers of a simulated machine: their processes, which write, and the kernel's view."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from random import Random

from judge.history import WriterStarted, WriterStopped, Wrote
from judge.recorder import Recorder
from tests.simulated.clocks import Clock
from tests.simulated.disk import Disk
from tests.simulated.lines import line
from tests.simulated.scheduler import Scheduler
from tests.simulated.tasks import Process

FIRST_PROCESS = 1 << 24  # no process of the machine that simulates has such a number
WRITE_SECONDS = 0.02  # at most, that a write with fsync takes


@dataclass(frozen=True)
class Container:
    """One that runs, with its only volume.

    Attributes:
        number: of its process.
        run: of the writer in it; empty for a reader.
    """

    number: int
    run: str
    volume: str
    volume_id: str
    mount_id: str
    process: Process


class Containers:
    """The containers of one machine.

    Args:
        pause_seconds: at most, between two lines of a writer.
    """

    def __init__(
        self, node: str, disk: Callable[[], Disk], running: Scheduler, recorder: Recorder,
        random: Random, pause_seconds: float,
    ) -> None:  # fmt: skip
        self._node = node
        self._disk = disk
        self._running = running
        self._recorder = recorder
        self._random = random
        self._pause_seconds = pause_seconds
        self._running_ones: dict[int, Container] = {}
        self._numbers = FIRST_PROCESS

    def all(self) -> list[Container]:
        """The running ones, the oldest first."""
        return list(self._running_ones.values())

    def runs(self, container: Container) -> bool:
        return container.number in self._running_ones

    def of(self, volume: str) -> list[Container]:
        """The ones with the volume of that name."""
        return [each for each in self._running_ones.values() if each.volume == volume]

    def writer(self, volume: str) -> Container | None:
        """The one that writes to the volume of that name."""
        return next((each for each in self.of(volume) if each.run), None)

    def mounted(self, volume_ids: Collection[str]) -> set[str]:
        """Select the volumes that any of them has mounted."""
        return {each.volume_id for each in self._running_ones.values()} & set(volume_ids)

    def users_of(self, paths: Collection[Path]) -> dict[Path, list[int]]:
        """The processes that have paths mounted, as engine/mount_table.py tells."""
        found: dict[Path, list[int]] = {}
        for number, container in self._running_ones.items():
            path = self._disk().lines.path(container.volume_id)
            if path in paths:
                found.setdefault(path, []).append(number)
        return found

    def of_process(self, number: int) -> Container:
        """Raises ProcessLookupError: there is no such process."""
        if number not in self._running_ones:
            raise ProcessLookupError(number)
        return self._running_ones[number]

    def begin_writer(self, volume: str, volume_id: str, mount_id: str, clock: Clock) -> None:
        """Have a container write line after line."""
        self._numbers += 1
        run = f"{self._node}-{self._numbers - FIRST_PROCESS}"
        container = self._begin(run, volume, volume_id, mount_id, clock)
        self._recorder.note(
            WriterStarted(at=self._running.now, run=run, node=self._node, volume=volume)
        )
        self._running.spawn("app", lambda: self._write_for_ever(container), container.process)

    def begin_reader(
        self, volume: str, volume_id: str, mount_id: str, clock: Clock, found: list[bytes]
    ) -> Container:
        """Have a container put all that is in the volume into `found`, and end."""

        def read() -> None:
            self._disk().takes_writes()  # waits while the disk hangs
            found.append(self._disk().lines.copy(volume_id).content())

        self._numbers += 1
        container = self._begin("", volume, volume_id, mount_id, clock)
        self._running.spawn("reader", read, container.process)
        return container

    def end(self, container: Container) -> None:
        """Kill it, if it runs."""
        if self._running_ones.pop(container.number, None) is None:
            return
        self._running.kill(container.process)
        if container.run:
            self._recorder.note(WriterStopped(at=self._running.now, run=container.run))

    def _begin(
        self, run: str, volume: str, volume_id: str, mount_id: str, clock: Clock
    ) -> Container:
        process = Process(f"container {self._numbers} on {self._node}", clock)
        container = Container(self._numbers, run, volume, volume_id, mount_id, process)
        self._running_ones[container.number] = container
        return container

    def _write_for_ever(self, container: Container) -> None:
        running, random, disk = self._running, self._random, self._disk()
        copy, sequence = disk.lines.copy(container.volume_id), 0
        while True:
            running.sleep(random.uniform(0, self._pause_seconds))
            began = running.now
            if not disk.takes_writes():
                continue
            copy.append(line(container.run, sequence + 1))
            sequence += 1
            running.sleep(random.uniform(0, WRITE_SECONDS))
            self._recorder.note(
                Wrote(
                    at=running.now, began=began, run=container.run, node=self._node,
                    volume=container.volume, sequence=sequence, fsynced=True,
                )
            )  # fmt: skip
