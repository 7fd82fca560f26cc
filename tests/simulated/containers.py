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
from tests.simulated.plan import UNSYNCED
from tests.simulated.scheduler import Scheduler
from tests.simulated.tasks import Process

FIRST_PROCESS = 1 << 24  # no process of the machine that simulates has such a number
WRITE_SECONDS = 0.02  # at most, that a write with fsync takes
SYNCED = 0.1  # of the lines in the volume whose containers use fsync now and then only


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
        self._killed: set[int] = set()  # those that end when the disk answers
        self._numbers = FIRST_PROCESS

    def all(self) -> list[Container]:
        """The running ones, the oldest first."""
        return list(self._running_ones.values())

    def runs(self, container: Container) -> bool:
        return container.number in self._running_ones

    def is_dying(self, container: Container) -> bool:
        """Tell whether it was killed, and waits for the disk."""
        return container.number in self._killed

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
            self._end_if_killed(container)
            found.append(self._disk().lines.copy(volume_id).content())

        self._numbers += 1
        container = self._begin("", volume, volume_id, mount_id, clock)
        self._running.spawn("reader", read, container.process)
        return container

    def kill(self, container: Container) -> bool:
        """Kill it, if it runs; False if it waits for the disk, and ends once that answers."""
        if self.runs(container) and self._disk().holds(container.process):
            self._killed.add(container.number)
            return False
        self.end(container)
        return True

    def end(self, container: Container) -> None:
        """Have it be gone, if it runs."""
        if self._running_ones.pop(container.number, None) is None:
            return
        self._killed.discard(container.number)
        if container.run:
            self._recorder.note(WriterStopped(at=self._running.now, run=container.run))
        self._running.kill(container.process)

    def _end_if_killed(self, container: Container) -> None:
        if container.number in self._killed:
            self.end(container)

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
            is_synced = container.volume != UNSYNCED or random.random() < SYNCED
            is_written = disk.takes_writes() if is_synced else disk.takes_memory()
            if is_written:
                copy.append(line(container.run, sequence + 1), is_synced=is_synced)
                sequence += 1
            self._end_if_killed(container)  # then nobody is told of the line
            if not is_written:
                continue
            running.sleep(random.uniform(0, WRITE_SECONDS) if is_synced else 0)
            self._recorder.note(
                Wrote(
                    at=running.now, began=began, run=container.run, node=self._node,
                    volume=container.volume, sequence=sequence, fsynced=is_synced,
                )
            )  # fmt: skip
