"""Snapshots of a pool on btrfs on their way to other nodes and from them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from pathlib import Path

from flocker.base.errors import FlockerError, PoolError
from flocker.base.records import Snapshot
from flocker.btrfs import subvolume
from flocker.pool import digest
from flocker.pool.btrfs_parts import BtrfsParts
from flocker.pool.digest import Digest
from flocker.pool.local_pool import Staged
from flocker.pool.reserve import works_when_full
from flocker.streams import btrfs_stream

log = logging.getLogger(__name__)

# The newest is what the next increment builds on. Older ones serve nodes that missed a move or two.
SNAPSHOTS_KEPT = 3


class BtrfsShipping(BtrfsParts):
    """See PoolShipping."""

    def stream_bytes(self, volume_id: str, number: int, parent: int | None) -> int:
        ends = self._stream_ends(volume_id, number, parent)
        counted = btrfs_stream.Sending(*ends, has_data=False)
        with self._sends.noted(volume_id, counted):
            return btrfs_stream.data_bytes(counted)

    def send(self, volume_id: str, number: int, parent: int | None) -> Generator[bytes, None, None]:
        # A generator, so that only who reads it waits for the disk.
        sending = btrfs_stream.Sending(*self._stream_ends(volume_id, number, parent))
        with self._sends.noted(volume_id, sending):
            yield from sending

    def receive(
        self, volume_id: str, snapshot: Snapshot, parent: Snapshot | None, stream: Iterable[bytes]
    ) -> None:
        self._incoming.receive(volume_id, snapshot, parent, stream)

    def small_stream(
        self, volume_id: str, number: int, parent: int, most_bytes: int
    ) -> bytes | None:
        snapshot, base = self._stream_ends(volume_id, number, parent)
        assert base is not None
        with self._sends.short(volume_id):
            return btrfs_stream.small(snapshot, base, most_bytes)

    def stage(
        self, volume_id: str, snapshot: Snapshot, parent: Snapshot | None, stream: bytes
    ) -> Staged:
        return self._incoming.stage(volume_id, snapshot, parent, stream)

    def settle(self, staged: Sequence[Staged]) -> list[FlockerError | None]:
        return self._incoming.settle(staged)

    @works_when_full
    def digest(self, volume_id: str, number: int, bytes_per_second: int) -> Digest:
        return digest.of(self._folders.folder(volume_id).snapshot(number), bytes_per_second)

    def prune(self, volume_id: str, keep: Callable[[], Collection[int]]) -> None:
        pruned = set()
        with self._folders.locked(volume_id) as folder:
            kept = keep()
            live = subvolume.look(folder.live) if folder.live.is_dir() else None
            for number in folder.numbers()[:-SNAPSHOTS_KEPT]:
                if number in kept:
                    continue
                try:
                    snapshot = subvolume.look(folder.snapshot(number))
                    if live is not None and live.is_held_by(snapshot):
                        continue
                    folder.delete_snapshot(number)
                except PoolError as error:  # one that is being sent; the next time will do
                    log.info("%s", error)
                else:
                    pruned.add(snapshot.id)
        if pruned and self._sizes.are_counted:
            self._changes.note_pruned(volume_id, pruned)
            subvolume.begin_deletions(self._folders.top)
        self._sizes.recount()

    @works_when_full
    def _stream_ends(
        self, volume_id: str, number: int, parent: int | None
    ) -> tuple[Path, Path | None]:
        folder = self._folders.folder(volume_id)
        for each in (number, parent):
            # Locked only for that: a snapshot that is being taken may have the volume for long.
            if each is not None and not folder.is_ready_to_send(each):
                with self._folders.locked(volume_id):
                    folder.give_identity(each)
        return folder.snapshot(number), None if parent is None else folder.snapshot(parent)
