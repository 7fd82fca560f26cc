"""The machine of a run, without anything that tells whose it is."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

from acceptance.cluster.cluster import Cluster

MEMORY = Path("/proc/meminfo")
PROCESSOR = Path("/proc/cpuinfo")


def facts(cluster: Cluster) -> dict[str, str]:
    """Machine, date and versions."""
    environment = cluster.environment()
    node = cluster.nodes[0]
    return {
        "Date": f"{datetime.now(UTC):%Y-%m-%d}",
        "Processors": f"{os.cpu_count()} x {_processor()}",
        "Memory": f"{_memory_bytes() / 1e9:.0f} GB",
        "Kernel": platform.release(),
        "Nodes": f"{len(cluster.nodes)}, provider {environment['Provider']}",
        "Docker engine": environment["Docker engine"],
        "flocker": node.run("dpkg-query --show --showformat '${Version}' flocker").strip(),
        "btrfs-progs": node.run("btrfs --version").split("\n")[0].removeprefix("btrfs-progs "),
        "OpenSSH": node.run("ssh -V 2>&1").split(",")[0],
        "rsync": node.run("rsync --version").split("\n")[0],
        "fio": node.run("fio --version").strip(),
    }


def _memory_bytes() -> int:
    found = re.search(r"^MemTotal:\s+(\d+) kB$", MEMORY.read_text(), re.MULTILINE)
    assert found, f"no MemTotal in {MEMORY}"
    return int(found[1]) * 1024


def _processor() -> str:
    found = re.search(r"^model name\s*: (.+)$", PROCESSOR.read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()
