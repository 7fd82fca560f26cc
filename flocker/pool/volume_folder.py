"""One volume's folder in a btrfs pool.

live             the writable copy, a subvolume; on the owner only
next             `live` while it is made, or the one that was just replaced
excess           bytes that `live` holds more than where it came from (note.py)
epoch            the epoch `live` was made for, or the one that took it away (note.py)
record           the volume's record, for the day etcd is lost (note.py)
snapshots/<n>    read-only subvolumes
snapshots/<n>.epoch-<e>  <n> was taken at that epoch; this name may be there without <n>
snapshots/<n>.arriving   <n> is not known to be complete and on disk
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from flocker.base import private
from flocker.base.errors import PoolError
from flocker.base.records import Snapshot, Volume
from flocker.base.volume_id import check_id
from flocker.btrfs import nested, subvolume
from flocker.btrfs.subvolume import Subvolume
from flocker.pool import note

VOLUMES = "volumes"  # all of them, in the pool


def live_of(pool: Path, volume_id: str) -> Path:
    """Where a pool has the writable copy of a volume, or would have it."""
    return VolumeFolder(pool / VOLUMES / check_id(volume_id)).live


@dataclass(frozen=True)
class VolumeFolder:
    """The names and the small files in it; it need not exist yet."""

    path: Path

    @property
    def live(self) -> Path:
        return self.path / "live"

    @property
    def next(self) -> Path:
        return self.path / "next"

    def snapshot(self, number: int) -> Path:
        return self.path / "snapshots" / str(number)

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
        return any(name.isdecimal() for name in self._names())

    def snapshots(self, only: int | None = None) -> list[tuple[Snapshot, Subvolume]]:
        """The complete ones, oldest first; or the one of that number."""
        names = self._names()
        numbers = [
            int(name) for name in names if name.isdecimal() and f"{name}.arriving" not in names
        ]
        if only is not None:
            numbers = [each for each in numbers if each == only]
        epochs = dict(_epochs(names))
        found = []
        for number in sorted(numbers):
            try:
                facts = subvolume.look(self.snapshot(number))
            except PoolError:  # pruned meanwhile
                continue
            if facts.is_readonly:  # what a stream has not finished yet is not
                found.append((Snapshot(number, facts.identity, epochs.get(number, 0)), facts))
        return found

    def holders(self, path: Path) -> list[Snapshot]:
        """The snapshots that hold all of a writable copy, which has been flushed."""
        if nested.inside(path):
            return []
        writable = subvolume.look(path)
        return [snapshot for snapshot, facts in self.snapshots() if writable.is_held_by(facts)]

    def find(self, snapshot: Snapshot) -> Path:
        """Where a snapshot is.

        Raises:
            PoolError: it is not here.
        """
        if snapshot not in [each for each, _ in self.snapshots(snapshot.number)]:
            raise PoolError(
                f"the pool has no snapshot {snapshot.number} of volume {self.path.name}"
            )
        return self.snapshot(snapshot.number)

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
        return self.snapshot(known[-1][0].number)

    def next_number(self) -> int:
        """Above all that is here, what is just arriving included."""
        return max((int(name) for name in self._names() if name.isdecimal()), default=0) + 1

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

    def write_snapshot_epoch(self, number: int, epoch: int) -> None:
        """Say at which epoch a snapshot is taken that is about to be made.

        In a name, not in a file's content: a name is on disk as soon as the snapshot is.

        Raises:
            PoolError: the disk is full or fails.
        """
        try:
            self._forget_snapshot_epoch(number)
            (self.path / "snapshots" / f"{number}.epoch-{epoch}").touch(private.FILE_MODE)
        except OSError as error:
            raise subvolume.failure(f"snapshot {number} could not be begun", error) from error

    def delete_snapshot(self, number: int) -> None:
        """Delete a snapshot and what is known of it.

        Raises:
            PoolError: also when it is being sent.
        """
        subvolume.delete(self.snapshot(number))
        self._forget_snapshot_epoch(number)

    def mark_arriving(self, number: int) -> None:
        """From now on that snapshot is not complete, also after a crash."""
        self._mark(number).touch(private.FILE_MODE)

    def mark_complete(self, number: int) -> None:
        self._mark(number).unlink()

    def arriving(self) -> list[int]:
        """The snapshots that are marked so."""
        return [int(Path(name).stem) for name in self._names() if name.endswith(".arriving")]

    def drop_unfinished(self, number: int) -> None:
        """Delete a snapshot that did not become complete; nothing else."""
        path = self.snapshot(number)
        if not path.is_dir():
            self._forget_snapshot_epoch(number)
        elif self._mark(number).exists() or not subvolume.look(path).is_readonly:
            self.delete_snapshot(number)
        self._mark(number).unlink(missing_ok=True)

    def _forget_snapshot_epoch(self, number: int) -> None:
        for name in self._names():
            if name.startswith(f"{number}.epoch-"):
                (self.path / "snapshots" / name).unlink()

    def _mark(self, number: int) -> Path:
        return self.path / "snapshots" / f"{number}.arriving"

    def _names(self) -> set[str]:
        try:
            # Without a Path for each: this is asked several times for each increment.
            return set(os.listdir(self.path / "snapshots"))  # noqa: PTH208
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise subvolume.failure(f"{self.path} cannot be read", error) from error


def _epochs(names: set[str]) -> Iterator[tuple[int, int]]:
    """Numbers of snapshots, and the epochs they were taken at."""
    for name in names:
        number, is_epoch, epoch = name.partition(".epoch-")
        if is_epoch:
            yield int(number), int(epoch)
