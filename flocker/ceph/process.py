"""Processes that outlive the one that has started them."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path


def running_with(argument: str, pid_file: Path) -> int | None:
    """The process whose number a file has, if it still runs and has that argument."""
    try:
        number = int(pid_file.read_text())
        command = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return number if argument.encode() in command else None  # the number is another's by now


class Watched:
    """A process that is not a child of this one; no other can take the place of its number."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def __enter__(self) -> Watched:
        try:
            self._handle: int | None = os.pidfd_open(self._pid)
        except ProcessLookupError:
            self._handle = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle is not None:
            os.close(self._handle)

    def has_ended(self, within: float) -> bool:
        """True if it is gone, or goes within so many seconds."""
        if self._handle is None:
            return True
        ended, _, _ = select.select([self._handle], [], [], within)
        return bool(ended)

    def kill(self) -> None:
        """End it at once, if it runs."""
        if self._handle is not None and not self.has_ended(0):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)
