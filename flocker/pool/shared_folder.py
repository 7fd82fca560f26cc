"""One volume's folder on CephFS, which every node sees.

    live.<epoch>                what its owner of that epoch mounts; there is one
    next                        what takes its place while it is made
    ready.<epoch>               the same when it is whole, until it has taken the place
    record                      the volume's record, for the day etcd is lost
    .snap/<n>.<epoch>.<id>      snapshot n, taken at that epoch; it holds a live.<epoch>

The folder is renamed as a whole when the volume is removed, and `live.<epoch>` with each owner.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from flocker.base import private
from flocker.base.errors import PoolError
from flocker.base.records import Claim, Snapshot, Volume
from flocker.ceph import folders
from flocker.ceph.folders import failure
from flocker.pool.protocol import check_epoch

_LIVE = "live."
_READY = "ready."


@dataclass(frozen=True)
class SharedFolder:
    """The names and the small files in it; it need not exist yet."""

    path: Path

    @property
    def next(self) -> Path:
        return self.path / "next"

    def live(self, epoch: int) -> Path:
        return self.path / f"{_LIVE}{epoch}"

    def ready(self, epoch: int) -> Path:
        return self.path / f"{_READY}{epoch}"

    def finish(self) -> None:
        """Finish a replacement of `live` that a crash has interrupted. Safe to repeat.

        Any node may do that, also while the owner is at it. What is ready beside a `live` is not
        touched: the owner may be about to make room for it.

        Raises:
            PoolError: it cannot be finished now.
        """
        names = self._names()
        if _numbers(names, _LIVE):
            return
        for epoch in _numbers(names, _READY):
            try:
                self.ready(epoch).rename(self.live(epoch))
            except FileNotFoundError:  # another node has just done it
                continue
            except OSError as error:
                raise failure(f"{self.path} cannot be put in order", error) from error

    def drop_unused(self) -> None:
        """Delete what was to replace `live` and never did. To be called by its owner only.

        Raises:
            PoolError: it cannot be deleted now.
        """
        for epoch in _numbers(self._names(), _READY):
            try:
                shutil.rmtree(self.ready(epoch))
            except OSError as error:
                raise failure(f"{self.path} cannot be put in order", error) from error

    def epoch(self) -> int | None:
        """The epoch of the owner that `live` is for; None: nothing is here.

        Raises:
            PoolError: the folder cannot be read.
        """
        return max(_numbers(self._names(), _LIVE), default=None)

    def live_of(self, claim: Claim) -> Path:
        """The folder that the owner of that very epoch mounts.

        Raises:
            StaleEpoch: it is another owner's by now.
            PoolError: nothing is here.
        """
        stored = self.epoch()
        if stored is None:
            raise PoolError(f"the shared pool has no volume {claim.volume_id}")
        check_epoch(claim, stored, "the shared pool")
        return self.live(stored)

    def snapshots(self) -> list[Snapshot]:
        """All that are here, oldest first.

        Raises:
            PoolError: they cannot be listed.
        """
        if not self.path.is_dir():
            return []
        return sorted(map(_parsed, folders.snapshots(self.path)), key=lambda each: each.number)

    def take_snapshot(self, snapshot: Snapshot) -> None:
        """Keep the whole folder as it is.

        Raises:
            PoolError: it could not be taken.
        """
        folders.take_snapshot(self.path, _named(snapshot))

    def drop_snapshot(self, snapshot: Snapshot) -> None:
        """Delete a snapshot that is here.

        Raises:
            PoolError: it could not be deleted.
        """
        folders.delete_snapshot(self.path, _named(snapshot))

    def content_of(self, snapshot: Snapshot) -> Path:
        """The content of `live` at the time of a snapshot.

        Raises:
            PoolError: the snapshot is not here.
        """
        for each in self.snapshots():
            if each == snapshot:
                kept = folders.snapshot(self.path, _named(each))
                return next(kept.glob(f"{_LIVE}*"))
        raise PoolError(
            f"the shared pool has no snapshot {snapshot.number} of volume {self.path.name}"
        )

    def newest_content(self) -> Path:
        """The content of `live` now.

        Raises:
            PoolError: nothing is here.
        """
        stored = self.epoch()
        if stored is None:
            raise PoolError(f"the shared pool has no data of volume {self.path.name}")
        return self.live(stored)

    def write_record(self, volume: Volume) -> None:
        private.write(self.path / "record", json.dumps(volume.to_json()), is_flushed=True)

    def record(self) -> Volume | None:
        """The record that was last written here; None if there is none that can be read."""
        try:
            return Volume.from_json(json.loads((self.path / "record").read_text()))
        except (OSError, ValueError, TypeError, AttributeError):
            return None

    def _names(self) -> list[str]:
        try:
            return os.listdir(self.path)  # noqa: PTH208 - names are all that is asked for
        except FileNotFoundError:
            return []
        except OSError as error:
            raise failure(f"{self.path} cannot be read", error) from error


def _numbers(names: list[str], kind: str) -> list[int]:
    return [int(name.removeprefix(kind)) for name in names if name.startswith(kind)]


def _named(snapshot: Snapshot) -> str:
    return f"{snapshot.number}.{snapshot.epoch}.{snapshot.identity}"


def _parsed(name: str) -> Snapshot:
    number, epoch, identity = name.split(".")
    return Snapshot(int(number), identity, int(epoch))
