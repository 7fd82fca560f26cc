"""One clock for a run: that of the kernel, which all nodes share with this machine."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

from host.problem import Problem

BOOT_ID = "/proc/sys/kernel/random/boot_id"  # of the kernel that runs


class Clock:
    """Seconds since the run began; any kernel time and wall-clock time can be put into them."""

    def __init__(self) -> None:
        self._began = _uptime()
        self._wall = time.time() - self._began

    def now(self) -> float:
        """Seconds since the run began."""
        return _uptime() - self._began

    def of_uptime(self, uptime: float) -> float:
        """The moment at which /proc/uptime said so."""
        return uptime - self._began

    def of_wall(self, moment: str) -> float:
        """The moment of an RFC 3339 time."""
        return datetime.fromisoformat(moment).timestamp() - self._wall - self._began


def check_is_shared(node: str, boot_id: str) -> None:
    """Make sure that a node runs on this machine's kernel.

    Raises:
        Problem: it does not, so its clock is another one.
    """
    if Path(BOOT_ID).read_text().strip() != boot_id.strip():
        raise Problem(
            f"{node} has a clock of its own, and a run is judged by one clock; start nodes "
            "that are containers on this machine: make up PROVIDER=docker"
        )


def _uptime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
