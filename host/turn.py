"""One run at a time on the same nodes: two would remove each other's containers and volumes."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from host import ROOT
from host.problem import Problem

LOCK = ROOT / ".vagrant" / "scenarios.lock"
"""Of the nodes of this checkout. What it says is of its holder, or of the last one."""


@contextmanager
def taken(lock: Path) -> Iterator[None]:
    """Have the nodes to ourselves; also a process that is killed lets go of them.

    Args:
        lock: a file for nobody else; it is made, and stays.

    Raises:
        Problem: another process has them; the message says which.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Problem(_message(lock)) from None
        held.truncate(0)
        held.write(f"process {os.getpid()} ({' '.join(sys.argv)})")
        held.flush()
        yield


def refuse_if_taken() -> None:
    """For whatever would take the nodes, or what a run writes, from under the run.

    Raises:
        Problem: a run has the nodes of this checkout; the message says which.
    """
    with suppress(FileNotFoundError), LOCK.open() as looked_at:
        try:
            fcntl.flock(looked_at, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Problem(_message(LOCK)) from None


def _message(lock: Path) -> str:
    holder = lock.read_text() or "another process"
    return f"a run has these nodes already: {holder}; wait until it ends, or end it"
