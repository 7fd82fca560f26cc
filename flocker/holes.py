"""Holes that were punched into files, dug again in a snapshot that was received.

A btrfs stream has no word for a hole in a file that had data there before: it carries zeros, and
written as such they take room. So a volume with a size could hold more on the node it comes to than
where it was written, and be full there.

Source: <linux/btrfs.h>, BTRFS_IOC_INO_LOOKUP; `btrfs subvolume find-new`.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import stat
import struct
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from flocker import subvolume
from flocker.errors import PoolError, StreamRefused
from flocker.subvolume import request_code

BLOCK_BYTES = 4096
AT_ONCE_BYTES = 1 << 20
_ZEROS = bytes(BLOCK_BYTES)
_NEW_EXTENT = re.compile(rb"^inode (\d+) file offset (\d+) len (\d+) ")
# struct btrfs_ioctl_ino_lookup_args: treeid (0: that of the open folder), objectid, name.
_LOOKUP = struct.Struct("=QQ4080s")
_INO_LOOKUP = request_code(3, 18, _LOOKUP.size)
_PUNCH_HOLE = 0x01 | 0x02  # FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE
_CAPABILITY = "security.capability"
_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


class Watched:
    """A stream that notes whether it may carry a hole; looking for zeros costs next to nothing."""

    def __init__(self, stream: Iterable[bytes]) -> None:
        self._stream = stream
        self.has_zeros = False

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            self.has_zeros = self.has_zeros or _ZEROS in chunk
            yield chunk


def dig(snapshot: Path) -> None:
    """Give back the room of zeros that a received snapshot has in addition to its parent.

    It reads as before, and is read-only again when this returns.

    Raises:
        StreamRefused: that failed half-way, and the snapshot is of no use; a whole one has its
            holes and needs no digging.
    """
    try:
        extents = list(_new_extents(snapshot))
        subvolume.set_readonly(snapshot, is_readonly=False)
        for inode, offset, length in extents:
            path = snapshot / os.fsdecode(_path_of(snapshot, inode))
            if stat.S_ISREG(path.lstat().st_mode):  # a symbolic link has an extent, too
                _dig_in(path, offset, length)
        subvolume.set_readonly(snapshot, is_readonly=True)
    except (OSError, PoolError) as error:
        raise StreamRefused(f"holes of {snapshot} could not be dug: {error}") from error


def _new_extents(snapshot: Path) -> Iterator[tuple[int, int, int]]:
    """Inode, offset and length of all data written since the snapshot was made of its parent."""
    since = subvolume.look(snapshot).created_generation
    command = ["btrfs", "subvolume", "find-new", str(snapshot), str(since)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip()
        raise PoolError(f"`{' '.join(command)}` failed: {reason}")
    for line in done.stdout.splitlines():
        if found := _NEW_EXTENT.match(line):
            yield int(found[1]), int(found[2]), int(found[3])


def _path_of(snapshot: Path, inode: int) -> bytes:
    folder = os.open(snapshot, os.O_RDONLY | os.O_DIRECTORY)
    try:
        answer = bytearray(_LOOKUP.pack(0, inode, b""))
        fcntl.ioctl(folder, _INO_LOOKUP, answer)
    finally:
        os.close(folder)
    name: bytes = _LOOKUP.unpack(answer)[2]
    return name.split(b"\0", 1)[0].rstrip(b"/")


def _dig_in(path: Path, offset: int, length: int) -> None:
    file = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        zeros = list(_zeros(file, offset, length))
        if not zeros:
            return
        facts = os.fstat(file)
        capability = None
        with suppress(OSError):  # most files have none
            capability = os.getxattr(file, _CAPABILITY)
        for at, size in zeros:
            _punch(file, at, size)
        if capability is not None:  # a write takes it away
            os.setxattr(file, _CAPABILITY, capability)
        os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    finally:
        os.close(file)


def _zeros(file: int, offset: int, length: int) -> Iterator[tuple[int, int]]:
    """Where whole blocks of zeros are in a range, and how long each row of them is."""
    for at in range(offset, offset + length, AT_ONCE_BYTES):
        read = os.pread(file, min(AT_ONCE_BYTES, offset + length - at), at)
        for begin, end, is_zero in _rows(read, at):
            if is_zero:
                yield at + begin, end - begin


def write(file: int, data: bytes, offset: int) -> None:
    """Write into a file; whole blocks of zeros become holes."""
    for begin, end, is_zero in _rows(data, offset):
        if is_zero:
            if os.fstat(file).st_size < offset + end:  # before: it fills up the last block
                os.truncate(file, offset + end)
            _punch(file, offset + begin, end - begin)
        else:
            _write_all(file, data[begin:end], offset + begin)


def _write_all(file: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(file, data, offset)
        data, offset = data[written:], offset + written


def _punch(file: int, offset: int, size: int) -> None:
    if _libc.fallocate(file, _PUNCH_HOLE, offset, size) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _rows(data: bytes, offset: int) -> Iterator[tuple[int, int, bool]]:
    """Rows of blocks in what a file has at `offset`, all of it; True: whole blocks of zeros."""
    begun, is_zero = 0, False
    if _ZEROS in data:
        for at in range(-offset % BLOCK_BYTES, len(data), BLOCK_BYTES):
            if (data[at : at + BLOCK_BYTES] == _ZEROS) == is_zero:
                continue
            if at > begun:
                yield begun, at, is_zero
            begun, is_zero = at, not is_zero
    if begun < len(data):
        yield begun, len(data), is_zero
