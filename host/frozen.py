"""Lets frozen processes of a node go on, so that they can be ended.

A container that is paused is frozen. In cgroup v1 a frozen process does not end before it is
thawed, not even by SIGKILL: the engine would wait in vain for a node that has one, left by a run
that was killed. cgroup v2 ends frozen processes.
"""

from contextlib import suppress
from pathlib import Path

FREEZER = Path("/sys/fs/cgroup/freezer")


def thaw(pid: int) -> None:
    """Thaw whatever is frozen in the container whose first process that is; 0 for none."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "freezer" and path != "/":  # that one is the machine's
            for state in list((FREEZER / path.lstrip("/")).rglob("freezer.state")):
                with suppress(FileNotFoundError):  # what was in it has ended meanwhile
                    state.write_text("THAWED")
