"""One volume's folder in a btrfs pool.

live             the writable copy, a subvolume; on the owner only
next             `live` while it is made, or the one that was just replaced
draft            on a replica: what arrives is written here, then a snapshot is taken of it
excess           bytes that `live` holds more than where it came from (note.py)
epoch            the epoch `live` was made for, or the one that took it away (note.py)
record           the volume's record, for the day etcd is lost (note.py)
snapshots/       see snapshot_folder.py
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from flocker.base import private
from flocker.base.errors import PoolError
from flocker.base.records import Volume
from flocker.base.volume_id import check_id
from flocker.btrfs import subvolume
from flocker.pool import note
from flocker.pool.snapshot_folder import SnapshotFolder

VOLUMES = "volumes"  # all of them, in the pool


def live_of(pool: Path, volume_id: str) -> Path:
    """Where a pool has the writable copy of a volume, or would have it."""
    return VolumeFolder(pool / VOLUMES / check_id(volume_id)).live


@dataclass(frozen=True)
class VolumeFolder(SnapshotFolder):
    """The names and the small files in it; it need not exist yet."""

    @property
    def live(self) -> Path:
        return self.path / "live"

    @property
    def next(self) -> Path:
        return self.path / "next"

    @property
    def draft(self) -> Path:
        return self.path / "draft"

    def make(self) -> None:
        """Have the folder; safe to repeat."""
        for folder in (self.path, self.path / "snapshots"):
            folder.mkdir(mode=private.FOLDER_MODE, exist_ok=True)

    def close(self) -> None:
        """Let none but root read what is beside the data."""
        for folder in (self.path, self.path / "snapshots"):
            if folder.is_dir():
                private.make_folder(folder)

    @property
    def has_data(self) -> bool:
        """True if a writable copy or a snapshot is here."""
        return self.live.is_dir() or self.next.is_dir() or self.has_snapshots

    @property
    def has_snapshots(self) -> bool:
        """Tell whether a snapshot is here, complete or not."""
        return self.draft.is_dir() or any(name.isdecimal() for name in self._names())

    def newest(self) -> Path:
        """The writable copy, or else the newest snapshot.

        Raises:
            PoolError: there is neither.
        """
        if self.live.is_dir():
            return self.live
        known = self.snapshots()
        if not known:
            raise PoolError(f"there is no data of volume {self.path.name}")
        return self.snapshot(known[-1].number)

    def epoch(self) -> int | None:
        """None: there are only snapshots here, or nothing.

        Raises:
            PoolError: it cannot be read.
        """
        try:
            return int(note.read(self.path / "epoch"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise PoolError(
                f"the epoch of volume {self.path.name} cannot be read: {error}"
            ) from error

    def write_epoch(self, epoch: int) -> None:
        note.write(self.path / "epoch", str(epoch))

    def write_record(self, volume: Volume) -> None:
        """Have the volume's record beside its data; of many cuts only the last ones."""
        for cuts in (volume.cuts[-100:], ()):
            text = json.dumps(replace(volume, cuts=cuts).to_json())
            if len(text.encode()) <= note.BYTES_AT_MOST:
                break
        else:
            return
        try:
            if note.read(self.path / "record") == text:
                return
        except FileNotFoundError:
            pass
        note.write(self.path / "record", text)

    def record(self) -> Volume | None:
        """The record that was last written here; None if there is none that can be read."""
        try:
            return Volume.from_json(json.loads(note.read(self.path / "record")))
        except (OSError, ValueError, TypeError, AttributeError):
            return None

    def drop_draft(self) -> None:
        """Delete what arrives would be written to; the next increment makes it anew.

        Raises:
            PoolError: it cannot be deleted.
        """
        if self.draft.is_dir():
            subvolume.delete(self.draft)
