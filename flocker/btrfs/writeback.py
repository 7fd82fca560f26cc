"""Tells whether what was written to a file system reached its disk.

The kernel takes a write at once and brings it to the disk later. When the disk
then refuses it, nobody is told but those who ask: `fsync` for a file, `syncfs`
for all of a file system. BTRFS_IOC_SYNC waits for the disk and reports nothing.

Source: syncfs(2), "an error that occurred since the descriptor was opened is
reported once"; errseq_t in the kernel's documentation. With nothing to write,
one call takes 2 us.
"""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path

from flocker.base.errors import LostWrites
from flocker.base.records import now
from flocker.btrfs import subvolume

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Loss:
    """The disk refused writes: when that was noticed (RFC 3339), and why."""

    at: str
    reason: str


class Writeback:
    """Flushes the file system below a folder and counts the times its disk refused writes.

    Safe for several threads: those that ask while it flushes share the next flush. The descriptor
    is opened first of all, so no error since then is missed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        weakref.finalize(self, os.close, self._descriptor)  # or the pool could not be unmounted
        self._changed = threading.Condition()
        self._is_flushing = False
        self._begun = self._done = 0  # flushes
        self._losses = 0
        self.last_loss: Loss | None = None

    @property
    def mark(self) -> int:
        """A point in time, to be given to `flush`; taken before the writes that matter."""
        return self._losses

    def flush(self, since: int) -> None:
        """Have on disk what was written to the file system.

        Args:
            since: a mark; errors of before it do not count.

        Raises:
            LostWrites: the disk refused something since then, nobody knows what.
            PoolError: the file system cannot be flushed at all.
        """
        self.write_out()
        self.check(since)

    def write_out(self) -> None:
        """Flush, and leave it to `check` to tell what became of it.

        Raises:
            PoolError: the file system cannot be flushed at all.
        """
        with self._changed:
            wanted = self._begun + 1  # one that is under way began before the caller's writes ended
            while self._done < wanted:
                if self._is_flushing:
                    self._changed.wait()
                else:
                    self._flush()

    def check(self, since: int) -> None:
        """Raise LostWrites if the disk is known to have refused something since a mark."""
        with self._changed:
            losses, last = self._losses, self.last_loss
        if last is not None and losses != since:
            raise LostWrites(str(self._folder), last.reason)

    def _flush(self) -> None:
        """Flush with the lock let go, for all that wait for it.

        One that fails tells its caller only, and the others try again.
        """
        self._is_flushing = True
        self._begun += 1
        number = self._begun
        self._changed.release()
        try:
            subvolume.sync(self._folder)
            is_lost = _libc.syncfs(self._descriptor) != 0
            reason = os.strerror(ctypes.get_errno())
        finally:
            self._changed.acquire()
            self._is_flushing = False
            self._changed.notify_all()
        self._done = number
        if is_lost:
            self._losses += 1
            self.last_loss = Loss(now(), reason)
