"""The time since this node was started."""

from __future__ import annotations

import os
import time
from pathlib import Path

FIRST_PROCESS = Path("/proc/1/stat")
START_TIME = 19  # of the fields after the program's name; proc(5), /proc/<pid>/stat, field 22


def uptime() -> float:
    """Seconds since the node's first process began: in a container that is not the kernel's."""
    fields = FIRST_PROCESS.read_text().rpartition(")")[2].split()
    began = int(fields[START_TIME]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began
