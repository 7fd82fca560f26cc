"""A node's pool on a disk that takes its time, and may fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from flocker.base.errors import PoolError
from tests.simulated.lines import Lines
from tests.simulated.scheduler import Scheduler
from tests.simulated.tasks import Process, Task
from tests.twins.memory_pool import MemoryPool

# The longest time of a call, in seconds; others touch no disk.
SECONDS = {
    "create": 0.01, "take_snapshot": 0.03, "small_stream": 0.01, "stage": 0.01, "settle": 0.05,
    "receive": 0.05, "adopt": 0.03, "put_away": 0.03, "restore": 0.03, "clone": 0.03,
    "clone_aside": 0.03, "discard": 0.03, "reclaim": 0.03, "readmit": 0.01, "prune": 0.005,
    "keep_record": 0.002, "purge_aside": 0.02, "check_writable": 0.005, "set_size": 0.005,
    "drop_if_empty": 0.005, "send": 0.01, "make_reserve": 0.001, "digest": 0.05,
}  # fmt: skip


class Disk:
    """The file system of one machine, which outlives its daemons.

    Attributes:
        pool: what is on it.
        hangs: faults by which no call returns.
        fails: faults by which each call fails.
        full: faults by which nothing can be added.
        crammed: faults by which nothing can be changed either.
        read_only: faults by which it has become read-only.
        refusing: faults by which no increment can be applied.
    """

    def __init__(
        self, root: Path, is_mounted: Callable[[str], bool], running: Scheduler, random: Random
    ) -> None:
        self.lines = Lines(root)
        self.pool = MemoryPool(root, is_mounted, self.lines)
        self.faults: Counter[str] = Counter()
        self._running = running
        self._random = random
        self._waiting: list[Task] = []

    def begin(self, fault: str) -> None:
        """One of "hangs", "fails", "full", "crammed", "read-only", "refusing", "loses writes"."""
        self.faults[fault] += 1
        self._apply()

    def end(self, fault: str) -> None:
        self.faults[fault] -= 1
        self._apply()
        if not self.faults["hangs"]:
            for task in self._waiting:
                self._running.wake(task)
            self._waiting.clear()

    def _apply(self) -> None:
        pool, faults = self.pool, self.faults
        pool.is_read_only = faults["read-only"] > 0
        pool.refuses_increments = faults["refusing"] > 0
        pool.loses_writes = faults["loses writes"] > 0
        pool.room = "plenty"
        if faults["full"]:
            pool.room = "none"
        if faults["crammed"]:
            pool.room = "not even a reserve"

    def takes_writes(self) -> bool:
        """Tell whether a container can write with fsync; waits while the disk hangs."""
        self._wait()
        return self.takes_memory() and not self.fails()

    def takes_memory(self) -> bool:
        """Tell whether a container can write without fsync, which touches no disk."""
        return self.pool.room == "plenty" and not self.pool.is_read_only

    def holds(self, process: Process) -> bool:
        """Tell whether a process waits for an answer, and so takes no signal."""
        return any(task.process is process for task in self._waiting)

    def fails(self) -> bool:
        return self.faults["fails"] > 0

    def call(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the pool, as the disk is at the moment."""
        if name in SECONDS:
            self._wait()
            self._running.sleep(self._random.uniform(0, SECONDS[name]))
            if self.fails():
                raise PoolError("Input/output error")
        answer = function(*args, **kwargs)
        if name == "take_snapshot":  # which holds all that was written
            self.lines.copy(args[0].volume_id).sync()
        if name in SECONDS:
            self._wait()
        return answer

    def lose_memory(self) -> None:
        """Lose what no fsync and no snapshot has brought to the disk."""
        for copy in self.lines.all():
            copy.lose_memory(self._random)

    def _wait(self) -> None:
        while self.faults["hangs"]:
            self._running.wait_among(self._waiting)


class PoolOfDisk:
    """The pool as a daemon calls it."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def __getattr__(self, name: str) -> Any:
        part = getattr(self._disk.pool, name)
        if not callable(part):
            return part
        call = part
        if name in SECONDS:

            def call(*args: Any, **kwargs: Any) -> Any:
                return self._disk.call(name, part, *args, **kwargs)

            call.__name__ = name
        setattr(self, name, call)
        return call
