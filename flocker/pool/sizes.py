"""The sizes of volumes in a btrfs pool: what they may hold, and what they hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flocker.base.errors import (
    HoldsMore,
)
from flocker.base.records import Snapshot
from flocker.btrfs import nested
from flocker.btrfs.quotas import Quotas
from flocker.pool import note
from flocker.pool.volume_folder import VolumeFolder


class Sizes:
    """Limits and counts by the pool's quota groups, which are there once a volume has a size."""

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas

    @property
    def are_counted(self) -> bool:
        """Tell whether a volume has or had a size."""
        return self._quotas.are_on

    def begin(self) -> None:
        """Begin to count; safe to repeat."""
        self._quotas.turn_on()

    def recount(self) -> None:
        """Count anew if the kernel has lost count."""
        self._quotas.recount()

    def limit(self, path: Path, size_bytes: int | None) -> None:
        """Let a subvolume hold no more than that; None: no limit."""
        if size_bytes is not None:
            self._quotas.turn_on()
        if self._quotas.are_on:
            self._quotas.limit(path, size_bytes)

    def is_kept_to(self, path: Path, size_bytes: int | None) -> bool:
        """True if a subvolume holds no more than that, as the kernel lets it hold no more."""
        if size_bytes is None:
            return True
        most = self._quotas.most(path)
        return most is not None and most <= size_bytes

    def held_bytes(self, path: Path) -> int | None:
        """Bytes held by a subvolume and those inside it; None while nothing is counted."""
        held = [self._quotas.held_bytes(each) for each in (path, *nested.inside(path))]
        return None if held[0] is None else sum(each or 0 for each in held)

    def measured(self, folder: VolumeFolder, snapshot: Snapshot) -> Snapshot:
        """The snapshot, saying what it holds of its volume's size."""
        held = self._quotas.held_bytes(folder.snapshot(snapshot.number))
        return replace(snapshot, held_bytes=held and max(0, held - excess_of(folder)))

    def excess(self, here: Path, snapshot: Snapshot) -> int:
        """Bytes that a received snapshot holds more than where it was taken.

        btrfs frees an extent only as a whole, and how large extents are depends on how the data
        was written: a stream writes much at once.
        """
        held = self._quotas.held_bytes(here)
        if held is None or snapshot.held_bytes is None:
            return 0
        return max(0, held - snapshot.held_bytes)

    def refuse_if_larger(self, path: Path, size_bytes: int | None) -> None:
        """Refuse a size that is less than a subvolume holds.

        Raises:
            HoldsMore: it holds more.
        """
        if size_bytes is None:
            return
        self._quotas.turn_on()
        held = self.held_bytes(path) or 0
        if held > size_bytes:
            raise HoldsMore(held, size_bytes)


def more(size_bytes: int | None, excess: int) -> int | None:
    """A size, and what a copy holds more than where it was written."""
    return None if size_bytes is None else size_bytes + excess


def excess_of(folder: VolumeFolder) -> int:
    """Bytes that the writable copy holds only because of how its data lies here."""
    try:
        return int(note.read(folder.path / "excess"))
    except (OSError, ValueError):
        return 0


def write_excess(folder: VolumeFolder, size_bytes: int) -> None:
    """Note how much more the writable copy holds than where it was written."""
    note.write(folder.path / "excess", str(size_bytes))
