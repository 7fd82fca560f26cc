"""Daemons that are started here and outlive the command that started them."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Daemon:
    """A process. `start_ticks` (clock ticks since boot) tells it from a later one with its pid."""

    pid: int
    start_ticks: int

    def is_alive(self) -> bool:
        """True if it still runs."""
        return start_ticks(self.pid) == self.start_ticks


class Ended(Exception):
    """A daemon ended before it answered."""


def spawn(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a program that stays when this one ends; what it says goes to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in this terminal is not meant for it
        )


def started(process: subprocess.Popen[bytes]) -> Daemon | None:
    """The key to find it again; None if it has ended already."""
    ticks = start_ticks(process.pid)
    return None if ticks is None else Daemon(process.pid, ticks)


def wait_until(
    answers: Callable[[], bool], process: subprocess.Popen[bytes], *, within: float
) -> None:
    """Wait until a daemon answers.

    Raises:
        Ended: it has ended before.
        TimeoutError: it did not within so many seconds.
    """
    deadline = time.monotonic() + within
    while not answers():
        if _ends_within(process, POLL_SECONDS):
            raise Ended
        if time.monotonic() > deadline:
            raise TimeoutError


def end(daemon: Daemon, *, within: float) -> bool:
    """Ask a daemon to end; whether it has after so many seconds."""
    try:
        handle = os.pidfd_open(daemon.pid)
    except ProcessLookupError:  # it was faster
        return True
    try:
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        ended, _, _ = select.select([handle], [], [], within)
    finally:
        os.close(handle)
    return bool(ended)


def last_line(log: Path) -> str:
    """The last thing a log says, or that it says nothing."""
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "(the log is empty)")


def start_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when it has ended.

    Source: proc(5), /proc/<pid>/stat: state and start time are fields 3 and 22; field 2, the
    program's name, may hold blanks and brackets.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])


def _ends_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
