"""One run at a time on the same nodes: two would remove each other's containers and volumes."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from host import ROOT, daemons
from host.files import write_whole
from host.problem import Problem

LOCK = ROOT / ".vagrant" / "scenarios.lock"
"""Of the nodes of this checkout. What it says is of its holder, or of the last one."""

RUN = ROOT / ".vagrant" / "run"
"""Process id and start time of the `make demo` or `make test` that began last."""


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


def begin() -> None:
    """Note that the command of make which asks has begun a run; it lasts as long as that process.

    Raises:
        Problem: another run has begun in this checkout; the message says which.
    """
    refuse_if_taken()
    RUN.parent.mkdir(parents=True, exist_ok=True)
    write_whole(RUN, f"{os.getppid()} {daemons.start_ticks(os.getppid())}")


def refuse_if_taken() -> None:
    """For whatever would take the nodes, or what a run writes, from under the run.

    A run may do so itself: `make test` ends with `make down`.

    Raises:
        Problem: a run has the nodes of this checkout, or its tests are under way; the message says
            which.
    """
    with suppress(FileNotFoundError):
        pid, ticks = map(int, RUN.read_text().split())
        if daemons.start_ticks(pid) == ticks and pid not in _ancestors():
            raise Problem(
                f"a run is under way here already: process {pid} ({_command(pid)}); wait until it "
                "ends, or end it"
            )
    with suppress(FileNotFoundError), LOCK.open() as looked_at:
        try:
            fcntl.flock(looked_at, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Problem(_message(LOCK)) from None


def _ancestors() -> Iterator[int]:
    """This process's parent, its parent, and so on."""
    pid = os.getppid()
    while pid:
        yield pid
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()


def _message(lock: Path) -> str:
    holder = lock.read_text() or "another process"
    return f"a run has these nodes already: {holder}; wait until it ends, or end it"
