"""Folders of CephFS: how much they may hold, how much they hold, and their snapshots.

Any client that has the folder mounted can ask and change this, if it has the right `s` (snapshots)
or `p` (quotas); a container's own client has neither.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from flocker.base.errors import PoolError, PoolFull

_QUOTA = "ceph.quota.max_bytes"
_HELD = "ceph.dir.rbytes"
_SNAPSHOTS = ".snap"


def limit(folder: Path, size_bytes: int | None) -> None:
    """Let a folder hold no more than that; None: no limit. A client that writes to it refuses.

    Raises:
        PoolError: it could not be set.
    """
    try:
        os.setxattr(folder, _QUOTA, str(size_bytes or 0).encode())
    except OSError as error:
        raise failure(f"the size of {folder} could not be set", error) from error


def held_bytes(folder: Path) -> int:
    """The bytes below a folder, as its last flushed state has it; no file is looked at.

    Raises:
        PoolError: it cannot be told.
    """
    try:
        return int(os.getxattr(folder, _HELD))
    except OSError as error:
        raise failure(f"the bytes in {folder} cannot be told", error) from error


def take_snapshot(folder: Path, name: str) -> None:
    """Keep a folder as it is, with what other clients have written and not flushed yet.

    It also has all that a client writes before it hears of it: see hear_of_snapshots.

    Raises:
        PoolError: there is one of that name, or it could not be taken.
    """
    try:
        snapshot(folder, name).mkdir()
    except OSError as error:
        raise failure(f"snapshot {name} could not be taken", error) from error


def hear_of_snapshots(mountpoint: Path) -> None:
    """Have a client know of all snapshots that were taken: no later write of it is in them.

    It is asked for something that only the metadata server knows, whose answers come in order.

    Raises:
        PoolError: it does not answer.
    """
    snapshots(mountpoint)


def delete_snapshot(folder: Path, name: str) -> None:
    """Delete a snapshot.

    Raises:
        PoolError: there is none of that name, or it could not be deleted.
    """
    try:
        snapshot(folder, name).rmdir()
    except OSError as error:
        raise failure(f"snapshot {name} could not be deleted", error) from error


def snapshots(folder: Path) -> list[str]:
    """The names of a folder's own snapshots; those of folders above it are left out.

    Raises:
        PoolError: they cannot be listed.
    """
    try:
        return sorted(
            each.name for each in (folder / _SNAPSHOTS).iterdir() if not each.name.startswith("_")
        )
    except OSError as error:
        raise failure(f"the snapshots of {folder} cannot be listed", error) from error


def snapshot(folder: Path, name: str) -> Path:
    """Where the content of a snapshot is, for reading."""
    return folder / _SNAPSHOTS / name


def failure(what: str, error: OSError) -> PoolError:
    """The error that says why the file system could not do something."""
    kind = PoolFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else PoolError
    return kind(f"{what}: {error.strerror}")
