"""Tells whether the pool can still be written to, by a small write every few seconds.

A disk that fails makes the file system read-only, or has every write wait for ever. The daemon
lives on meanwhile and renews its lease, so nobody would take the node's volumes over. The write has
a thread of its own, because it may hang as well.

A full pool is none of this: it can be emptied, and shortages.py says so before it is full.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable

from flocker.base.background import attempt
from flocker.base.errors import PoolFull

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
FAILURES = 2  # in a row: one may be of the moment
HANG_SECONDS = (
    30.0  # longer than etcd is waited for while a disk that all share stalls; not measured
)
FULL = (errno.ENOSPC, errno.EDQUOT)


class PoolHealth:
    """Watches one pool.

    Args:
        write: a small write that has reached the disk when it returns; raises OSError or
            FlockerError.
    """

    def __init__(
        self, write: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._clock = clock
        self._began: float | None = None
        self._failures = 0
        self._reason = ""

    def start(self, stopping: threading.Event) -> None:
        """Run in the background until `stopping` is set."""
        threading.Thread(target=self._run, args=(stopping,), daemon=True).start()

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(LOOK_SECONDS):
            attempt(log, "the pool could not be looked at", self.look)

    def look(self) -> None:
        """Write once, however long that takes."""
        self._began = self._clock()
        try:
            self._write()
        except PoolFull:
            self._failures = 0
        except Exception as error:
            if isinstance(error, OSError) and error.errno in FULL:
                self._failures = 0
                return
            self._failures += 1
            self._reason = str(error)
        else:
            self._failures = 0
        finally:
            self._began = None

    def problem(self) -> str | None:
        """Why the pool cannot be written to, in words; None if it can."""
        began = self._began
        if began is not None and (waited := self._clock() - began) > HANG_SECONDS:
            return f"a write to the pool has not ended for {waited:.0f} s"
        if self._failures >= FAILURES:
            return f"the pool cannot be written to: {self._reason}"
        return None
