"""The nodes' speed compared with this machine's, and time limits scaled by it.

Limits are written for nodes that are as quick as this machine, as containers on it are. An
emulated machine takes ten times as long for everything, and is no worse a node for it.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

# What a node mostly does: start programs, interpret Python, hash what it sends and receives.
# Prints how many seconds that took, the best of three: a busy moment says nothing about the node.
WORK = """
import hashlib, json, subprocess, time
def work():
    started = time.perf_counter()
    for _ in range(10):
        subprocess.run(["true"], check=True)
        json.loads(json.dumps([str(number) for number in range(5000)]))
        hashlib.sha256(bytes(1000000)).digest()
    return time.perf_counter() - started
print(min(work() for _ in range(3)))
"""
COMMAND = f"python3 -c {shlex.quote(WORK)}"
"""What to type on a node."""

# Below this, nodes count as quick as this machine: two measurements on a busy machine differ as
# much, and limits leave more room than that.
NOTICEABLE = 2.0


@dataclass
class Speed:
    """`factor`: what a second is on these nodes; never below 1."""

    factor: float = 1.0

    def measure(self, there: Sequence[float]) -> None:
        """Compare the seconds that the nodes took for WORK with what this machine takes."""
        done = subprocess.run(
            [sys.executable, "-c", WORK], capture_output=True, text=True, check=True
        )
        self.factor = factor_of(float(done.stdout), there)

    def __str__(self) -> str:
        if self.factor == 1:
            return "as quick as this machine"
        return f"{self.factor:.1f} times slower than this machine; time limits are as much longer"


NODES = Speed()
"""That of the nodes of this run: there is one set of them."""


@dataclass(frozen=True)
class Limit:
    """A time limit; `written` are its seconds on nodes that are as quick as this machine.

    Functions take a limit as it is written, and make a Limit of it where time is measured.
    """

    written: float

    @property
    def seconds(self) -> float:
        """The limit on the nodes of this run; nothing else scales a time."""
        return self.written * NODES.factor


def factor_of(here: float, there: Sequence[float]) -> float:
    """The slowest node's time over this machine's for the same work, both in seconds."""
    slowest = max(there) / here
    return slowest if slowest >= NOTICEABLE else 1.0
