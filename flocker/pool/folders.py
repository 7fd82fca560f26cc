"""The folders of all volumes in a pool: one at a time changes what is in one."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flocker.base.volume_id import check_id
from flocker.pool.volume_folder import VolumeFolder


class Folders:
    """The volumes' folders below one; any number of threads may use them.

    Attributes:
        top: the folder that has them all.
    """

    def __init__(self, top: Path) -> None:
        self.top = top
        self._locks: dict[str, threading.RLock] = {}

    def folder(self, volume_id: str) -> VolumeFolder:
        """The folder of one volume, which need not exist."""
        # Ids come from etcd and from peers; only a UUID may become part of a path.
        return VolumeFolder(self.top / check_id(volume_id))

    @contextmanager
    def locked(self, volume_id: str) -> Iterator[VolumeFolder]:
        """One at a time changes what is here of a volume."""
        folder = self.folder(volume_id)
        with self._locks.setdefault(volume_id, threading.RLock()):
            yield folder

    def all(self) -> list[VolumeFolder]:
        """The folders that exist."""
        return [VolumeFolder(path) for path in self.top.iterdir()]

    def ids(self) -> list[str]:
        """Every volume that has a folder here."""
        # Without a Path for each: it is asked every few seconds, of hundreds.
        return sorted(os.listdir(self.top))  # noqa: PTH208

    def writable_ids(self) -> set[str]:
        """The volumes that are writable here."""
        # Without a Path for each: of 300 volumes that takes 0.6 ms instead of 8.
        volumes = os.open(self.top, os.O_RDONLY)
        try:
            return {
                each
                for each in os.listdir(volumes)  # noqa: PTH208
                if os.access(f"{each}/live", os.F_OK, dir_fd=volumes)
            }
        finally:
            os.close(volumes)
