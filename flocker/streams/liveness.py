"""Deadlines for work that makes no progress, and a definition of progress.

A stream is silent for minutes while btrfs walks over files that did not change, and as silent
when a disk hangs. The kernel tells them apart: a thread that does anything runs now and then, if
only to wait for the disk again; one that hangs does not.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from flocker.base.errors import FlockerError, PoolHangs

# Twice what the kernel gives a disk to answer (30 s) before it resets the disk and asks again.
STALL_SECONDS = 60.0
SIGN_SECONDS = 5.0  # between two signs of life
# Of another node. Longer than that waits for its own threads, or its reason would come too late.
SILENCE_SECONDS = 70.0


class Watch:
    """Watches threads that are to get something done.

    Args:
        what: for people.
        threads: patterns of their files in /proc; more may be added later.
        failure: raised when they have done nothing for too long.
    """

    def __init__(
        self, what: str, threads: Collection[str], failure: type[FlockerError] = PoolHangs
    ) -> None:
        self._what = what
        self._threads = threads
        self._failure = failure
        self._done = self._runs()
        self._alive_at = time.monotonic()

    def is_alive(self) -> bool:
        """Tell whether they have done anything since the last call.

        Raises:
            FlockerError: they have not for too long.
        """
        done = self._runs()
        if done != self._done or not done:  # not every kernel counts
            self._done = done
            self.progressed()
            return True
        if time.monotonic() - self._alive_at >= STALL_SECONDS:
            raise self._failure(
                f"{self._what} has made no progress for {STALL_SECONDS:g} s; "
                "`dmesg` on that node tells about its disk"
            )
        return False

    def progressed(self) -> None:
        """Begin to count anew: they got something done, or nobody wanted anything of them."""
        self._alive_at = time.monotonic()

    def _runs(self) -> int:
        """Add up the nanoseconds and the number of times that the threads have run."""
        runs = 0
        for pattern in self._threads:
            with suppress(OSError):  # some of them may have ended
                for schedstat in Path("/proc").glob(pattern):
                    nanoseconds, _, times = schedstat.read_text().split()
                    runs += int(nanoseconds) + int(times)
        return runs


def of_process(process_id: int) -> str:
    """The pattern for the threads of a process."""
    return f"{process_id}/task/*/schedstat"


def of_thread(thread_id: int | None) -> str:
    """The pattern for one thread of this process."""
    return f"self/task/{thread_id}/schedstat"


def can_read(pipe: int) -> bool:
    """Wait for a pipe to have something to read, or its end, for as long as between two signs."""
    return _is_ready(pipe, select.POLLIN)


def write(pipe: int, data: bytes, watch: Watch) -> None:
    """Write all of it to a pipe that does not block, for the threads that are watched to read.

    Raises:
        FlockerError: they have done nothing for too long.
        BrokenPipeError: they have ended.
    """
    watch.progressed()
    rest = memoryview(data)
    while rest:
        if _is_ready(pipe, select.POLLOUT):
            rest = rest[os.write(pipe, rest) :]
            watch.progressed()
        else:
            watch.is_alive()


def _is_ready(pipe: int, event: int) -> bool:
    waiting = select.poll()
    waiting.register(pipe, event)
    return bool(waiting.poll(SIGN_SECONDS * 1000))
