"""The size of each subvolume and its limit: btrfs quota groups.

Full ones, not "simple quotas": see docs/decisions/0009-sizes-are-full-qgroups.md.
Every subvolume has a group of its own, level 0, with the subvolume's id; it is
made and deleted with it. A limit is kept on disk until it is changed.

Source: <linux/btrfs.h>; /sys/fs/btrfs/<fsid>/qgroups, kernel 6.18.
"""

from __future__ import annotations

import errno
import logging
import os
import struct
import threading
import uuid
from pathlib import Path

from flocker.base.errors import PoolError
from flocker.btrfs import subvolume
from flocker.btrfs.ioctl import ioctl
from flocker.btrfs.subvolume import request_code

log = logging.getLogger(__name__)

_FS_INFO = request_code(2, 31, 1024)
_QUOTA_CTL = request_code(3, 40, 16)
_QGROUP_LIMIT = request_code(2, 43, 48)  # _IOR in the header, though the kernel only reads
_QUOTA_RESCAN = request_code(1, 44, 64)
_QUOTA_RESCAN_WAIT = request_code(0, 46, 0)
_ENABLE = 1
_LIMIT_HELD = 1 << 0  # BTRFS_QGROUP_LIMIT_MAX_RFER: of all it refers to, shared or not
_NO_LIMIT = (1 << 64) - 1


class Quotas:
    """The quota groups of the file system that has the folder `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        answer = self._ioctl(_FS_INFO, bytearray(1024))
        # struct btrfs_ioctl_fs_info_args: max_id, num_devices, fsid ...
        self._kernel = (
            Path("/sys/fs/btrfs") / str(uuid.UUID(bytes=bytes(answer[16:32]))) / "qgroups"
        )

    @property
    def are_on(self) -> bool:
        """True if anything is counted."""
        return self._is_set("enabled")

    def turn_on(self) -> None:
        """Begin to count, and wait until all that is here is counted. Safe to repeat."""
        if self.are_on and not self._is_set("inconsistent"):
            return
        with self._lock:
            if not self.are_on:
                self._ioctl(_QUOTA_CTL, bytearray(struct.pack("=QQ", _ENABLE, 0)))
            self._wait()
            if self._is_set("inconsistent"):
                self._start_count()
                self._wait()

    def recount(self) -> None:
        """Begin to count anew, in the background, if the kernel has lost count.

        It does on purpose when a very large subvolume is deleted (one whose tree has
        `drop_subtree_threshold` levels), and stops enforcing limits then.
        """
        if self._is_set("inconsistent"):
            log.info("the pool is counted anew")
            self._start_count()

    def limit(self, path: Path, size_bytes: int | None) -> None:
        """Set how much a subvolume may hold, from now on."""
        most = _NO_LIMIT if size_bytes is None else size_bytes
        group = subvolume.look(path).id
        # struct btrfs_ioctl_qgroup_limit_args: qgroupid, flags, max_rfer, max_excl, rsv_rfer,
        # rsv_excl.
        asked = struct.pack("=QQQQQQ", group, _LIMIT_HELD, most, 0, 0, 0)
        self._ioctl(_QGROUP_LIMIT, bytearray(asked))

    def most(self, path: Path) -> int | None:
        """The bytes that a subvolume may hold; None while nothing stops it."""
        group = f"0_{subvolume.look(path).id}"
        is_limited = int(self._read(f"{group}/limit_flags") or 0) & _LIMIT_HELD
        if not is_limited or self._is_set("inconsistent"):
            return None
        text = self._read(f"{group}/max_referenced")
        return None if text is None else int(text)

    def held_bytes(self, path: Path) -> int | None:
        """The bytes in a subvolume, as of the last flush; None while nothing is counted."""
        text = self._read(f"0_{subvolume.look(path).id}/referenced")
        return None if text is None else int(text)

    def _start_count(self) -> None:
        try:
            self._ioctl(_QUOTA_RESCAN, bytearray(64))
        except PoolError as error:
            cause = error.__cause__
            if not isinstance(cause, OSError) or cause.errno != errno.EINPROGRESS:
                raise

    def _wait(self) -> None:
        self._ioctl(_QUOTA_RESCAN_WAIT, None)

    def _ioctl(self, request: int, argument: bytearray | None) -> bytearray:
        folder = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            ioctl(folder, request, argument)
        except OSError as error:
            raise PoolError(f"quotas of {self._root}: {error.strerror}") from error
        finally:
            os.close(folder)
        return bytearray() if argument is None else argument

    def _is_set(self, name: str) -> bool:
        return self._read(name) == "1"

    def _read(self, name: str) -> str | None:
        try:
            return (self._kernel / name).read_text().strip()
        except FileNotFoundError:
            return None
