"""Holes that were punched into files, made again in a snapshot that is received.

A btrfs stream has no word for a hole in a file that had data there before: it carries zeros, and
written as such they take room. So a volume with a size could hold more on the node it comes to than
where it was written, and be full there.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator

BLOCK_BYTES = 4096
_ZEROS = bytes(BLOCK_BYTES)
_PUNCH_HOLE = 0x01 | 0x02  # FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE
_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


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
