"""Subvolumes that were made inside a volume: no snapshot of the volume holds what is in them.

Anybody in a container can make one, with a single ioctl and no capability; engines that run
in containers do, and so do snapper and machinectl. A snapshot has an empty folder in its place,
and a copy on another node has nothing.

Source: <linux/btrfs.h>, BTRFS_IOC_GET_SUBVOL_ROOTREF and BTRFS_IOC_INO_LOOKUP_USER; a look at a
volume without any takes 10 us.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from flocker.base.errors import PoolError
from flocker.btrfs import subvolume
from flocker.btrfs.ioctl import ioctl
from flocker.btrfs.subvolume import request_code

# struct btrfs_ioctl_get_subvol_rootref_args: min_treeid; 255 times treeid, dirid; num_items.
_ROOTREF_BYTES = 4096
_GET_SUBVOL_ROOTREF = request_code(3, 61, _ROOTREF_BYTES)
_MIN_TREE, _FOUND, _FOUND_COUNT = struct.Struct("=Q"), struct.Struct("=QQ"), 8 + 255 * 16
# struct btrfs_ioctl_ino_lookup_user_args: dirid, treeid, name, path (ends with a slash).
_LOOKUP = struct.Struct("=QQ256s3824s")
_INO_LOOKUP_USER = request_code(3, 62, _LOOKUP.size)


def inside(path: Path) -> list[Path]:
    """The subvolumes below a subvolume, each before those that are inside of it.

    Raises:
        PoolError: it cannot be looked into.
    """
    found = []
    for each in _directly_inside(path):
        found.append(each)
        found += inside(each)
    return found


def names_inside(path: Path) -> list[str]:
    """The same subvolumes, as paths in the volume that `path` is."""
    return [str(each.relative_to(path)) for each in inside(path)]


def delete(path: Path) -> None:
    """Delete a subvolume with all subvolumes inside of it.

    Raises:
        PoolError: also when one of them is being sent.
    """
    if within := inside(path):
        for each in (path, *within):  # nothing can be deleted inside of a read-only one
            subvolume.make_ordinary(each)
        for each in reversed(within):
            subvolume.delete(each)
    subvolume.delete(path)


def snapshot(source: Path, path: Path) -> None:
    """Make a writable subvolume that begins as `source`, with all subvolumes inside of it."""
    subvolume.snapshot(source, path)
    for each in inside(source):
        place = path / each.relative_to(source)
        place.rmdir()  # the empty folder that a snapshot has in its place
        subvolume.snapshot(each, place)


def _directly_inside(path: Path) -> Iterator[Path]:
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise PoolError(f"subvolume {path} cannot be opened: {error.strerror}") from error
    try:
        for tree, parent in _references(folder):
            answer = bytearray(_LOOKUP.pack(parent, tree, b"", b""))
            try:
                ioctl(folder, _INO_LOOKUP_USER, answer)
            except FileNotFoundError:  # whoever made it has just deleted it
                continue
            _, _, name, way = _LOOKUP.unpack(answer)
            yield path / os.fsdecode(_text(way) + _text(name))
    except OSError as error:
        raise PoolError(f"what is inside of {path} is not known: {error.strerror}") from error
    finally:
        os.close(folder)


def _references(folder: int) -> Iterator[tuple[int, int]]:
    """Id of each subvolume directly inside of one, and inode of the folder it is in."""
    first = 0
    while True:
        answer = bytearray(_ROOTREF_BYTES)
        _MIN_TREE.pack_into(answer, 0, first)
        has_more = False
        try:
            ioctl(folder, _GET_SUBVOL_ROOTREF, answer)
        except OSError as error:
            if error.errno != errno.EOVERFLOW:
                raise
            has_more = True
        for number in range(answer[_FOUND_COUNT]):
            yield _FOUND.unpack_from(answer, 8 + number * _FOUND.size)
        if not has_more:
            return
        first = _MIN_TREE.unpack_from(answer)[0]


def _text(field: bytes) -> bytes:
    return field.split(b"\0", 1)[0]
