"""The room left below a pool whose file is sparse.

Such a pool shares its disk with whatever else is there, etcd above all. What btrfs
has free in it is worth nothing once that disk is full.
"""

from __future__ import annotations

import shutil
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
BLOCK_DEVICES = Path("/sys/block")
KEPT_BYTES = 1 << 30  # of the disk, for etcd and the system

SECTOR_BYTES = 512  # the unit of st_blocks, whatever the file system's is


def free_outside(pool: Path, used_bytes: int) -> int | None:
    """Bytes that can still be written before the disk below the pool is full.

    Args:
        pool: where the pool is mounted.
        used_bytes: what is used in it; room that its file has taken before is not taken again.

    Returns:
        None where the pool has its room for itself: a disk, or a file that is allocated whole.
    """
    file = _file_below(pool)
    if file is None:
        return None
    try:
        facts = file.stat()
        allocated = facts.st_blocks * SECTOR_BYTES
        if allocated >= facts.st_size:
            return None
        disk_free = shutil.disk_usage(file.parent).free
    except OSError:  # it was deleted, or lies where this daemon does not see it
        return None
    return max(0, disk_free - KEPT_BYTES + max(0, allocated - used_bytes))


def _file_below(pool: Path) -> Path | None:
    """The file of the loop device that is mounted at `pool`."""
    source = None
    for line in MOUNTS.read_text().splitlines():
        fields, _, filesystem = line.partition(" - ")
        if _plain(fields.split()[4]) == str(pool):
            source = filesystem.split()[1]  # the last one mounted there is on top
    if source is None or not source.startswith("/dev/loop"):
        return None
    try:
        text = (BLOCK_DEVICES / Path(source).name / "loop" / "backing_file").read_text()
    except OSError:
        return None
    return Path(text.removesuffix("\n"))


def _plain(path: str) -> str:
    """Undo the octal escapes of /proc. Source: proc(5), mountinfo."""
    return path.encode().decode("unicode_escape").encode("latin-1").decode()
