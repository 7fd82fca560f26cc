"""The room for metadata in a btrfs, by the file system's own figures.

Programs see "no space left" when metadata runs out, though `df` still shows
free blocks: those are set aside for data.

Source: <linux/btrfs.h>, <linux/btrfs_tree.h>.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

from flocker.btrfs.ioctl import ioctl
from flocker.btrfs.subvolume import failure, request_code

_SPACE_INFO = request_code(3, 20, 16)
_FS_INFO = request_code(2, 31, 1024)
_DEV_INFO = request_code(3, 30, 4096)
# struct btrfs_ioctl_space_args: space_slots, total_spaces, then flags, total and used of each.
_SLOTS = 32
_SPACE = struct.Struct("=QQQ")
_METADATA = 1 << 2
_GLOBAL_RESERVE = 1 << 49
_COPIES = {1 << 4: 2, 1 << 5: 2, 1 << 6: 2, 1 << 9: 3, 1 << 10: 4}  # RAID1, DUP, RAID10, C3, C4

# The kernel sets this aside while it works; below it operations fail. Measured: 4 to 5 MiB.
IN_FLIGHT_BYTES = 8 << 20


@dataclass(frozen=True)
class Room:
    """Bytes of metadata: used, and what can still be written before operations fail."""

    used_bytes: int
    free_bytes: int


def metadata(path: Path) -> Room:
    """The metadata's room in the file system of the folder `path`.

    Raises:
        PoolError: it cannot be read.
    """
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        spaces = _spaces(folder)
        unallocated = _unallocated(folder)
    except OSError as error:
        raise failure(f"the room of {path} cannot be read", error) from error
    finally:
        os.close(folder)
    used = total = reserved = 0
    copies = 1
    for flags, space_total, space_used in spaces:
        if flags & _GLOBAL_RESERVE:
            reserved += space_total
        elif flags & _METADATA:
            used += space_used
            total += space_total
            copies = max([copies, *(n for bit, n in _COPIES.items() if flags & bit)])
    free = total - used - reserved + unallocated // copies - IN_FLIGHT_BYTES
    return Room(used, max(0, free))


def _spaces(folder: int) -> list[tuple[int, int, int]]:
    asked = bytearray(16 + _SLOTS * _SPACE.size)
    struct.pack_into("=QQ", asked, 0, _SLOTS, 0)
    ioctl(folder, _SPACE_INFO, asked)
    _, found = struct.unpack_from("=QQ", asked)
    return [_SPACE.unpack_from(asked, 16 + number * _SPACE.size) for number in range(found)]


def _unallocated(folder: int) -> int:
    """Bytes of all devices that are neither data's nor metadata's yet."""
    answer = bytearray(1024)
    ioctl(folder, _FS_INFO, answer)
    (largest_id,) = struct.unpack_from("=Q", answer)
    unallocated = 0
    for device in range(1, largest_id + 1):
        about = bytearray(4096)
        struct.pack_into("=Q", about, 0, device)
        try:
            ioctl(folder, _DEV_INFO, about)
        except OSError:  # removed from the pool
            continue
        used, total = struct.unpack_from("=QQ", about, 24)
        unallocated += total - used
    return unallocated
