"""Snapshots that arrive in a btrfs pool: nothing half-received is ever taken for a snapshot."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from flocker.base.errors import (
    FlockerError,
    PoolError,
    StreamRefused,
    TransferFailed,
)
from flocker.base.records import Snapshot
from flocker.btrfs import subvolume
from flocker.btrfs.writeback import Writeback
from flocker.pool.folders import Folders
from flocker.pool.local_pool import Staged
from flocker.pool.sizes import Sizes
from flocker.pool.volume_folder import VolumeFolder
from flocker.streams import applier, btrfs_stream, send_stream
from flocker.streams.send_stream import SMALL_BYTES

log = logging.getLogger(__name__)


class Incoming:
    """Data that arrives in one pool, from its first byte until it is verified and on disk."""

    def __init__(self, folders: Folders, writeback: Writeback, sizes: Sizes) -> None:
        self._folders = folders
        self._writeback = writeback
        self._sizes = sizes
        # Snapshots being received, by volume id and number, and those not wanted any more.
        self._arriving: dict[tuple[str, int], Snapshot] = {}
        self._called_off: set[tuple[str, int]] = set()

    def is_arriving(self, volume_id: str, number: int) -> bool:
        """Tell whether a snapshot is being received at this moment."""
        return (volume_id, number) in self._arriving

    def receive(
        self, volume_id: str, snapshot: Snapshot, parent: Snapshot | None, stream: Iterable[bytes]
    ) -> None:
        """See LocalPool.receive."""
        begun = bytearray()
        rest = iter(stream)
        for chunk in rest:
            begun += chunk
            if len(begun) > SMALL_BYTES:
                whole = chain([bytes(begun)], rest)
                make = partial(btrfs_stream.receive, whole)
                staged = self._stage(volume_id, snapshot, parent, make)
                break
        else:  # a new volume has next to nothing in it: starting a process costs far more
            staged = self.stage(volume_id, snapshot, parent, bytes(begun))
        [error] = self.settle([staged])
        if error is not None:
            raise error

    def stage(
        self, volume_id: str, snapshot: Snapshot, parent: Snapshot | None, stream: bytes
    ) -> Staged:
        """See LocalPool.stage."""
        said = send_stream.parse(stream)  # all of it, before anything is changed
        if said is None:
            return self._stage(volume_id, snapshot, parent, partial(btrfs_stream.receive, [stream]))
        return self._stage(volume_id, snapshot, parent, partial(applier.apply, said))

    def _stage(
        self,
        volume_id: str,
        snapshot: Snapshot,
        parent: Snapshot | None,
        make: Callable[[Path, Path | None], None],
    ) -> Staged:
        """Have a snapshot made at a path, from what it builds on here."""
        try:
            with self._folders.locked(volume_id) as folder:
                self._expect(folder, snapshot)
            begun = self._writeback.mark
            try:
                base = None if parent is None else self._base(volume_id, snapshot.number, parent)
                base_uuid = None if base is None else subvolume.look(base).uuid
                make(folder.snapshot(snapshot.number), base)
            except BaseException:
                self._drop(Staged(volume_id, snapshot))
                raise
        except OSError as error:
            raise subvolume.failure(
                f"snapshot {snapshot.number} could not be taken in", error
            ) from error
        return Staged(volume_id, snapshot, begun, base_uuid)

    def settle(self, staged: Sequence[Staged]) -> list[FlockerError | None]:
        """See LocalPool.settle."""
        # Applying a stream flushes nothing: a crash could leave a snapshot that looks complete and
        # has empty files. So would a disk that refuses what the kernel accepted.
        errors: list[FlockerError | None] = []
        try:
            self._writeback.write_out()
            errors = [self._settle(each) for each in staged]
            subvolume.sync(self._folders.top)  # or a crash would bring the marks back
        finally:
            for each in staged[len(errors) :]:
                self._drop(each)
        return errors

    def _settle(self, staged: Staged) -> FlockerError | None:
        number = staged.snapshot.number
        try:
            self._writeback.check(staged.mark)
            with self._folders.locked(staged.volume_id) as folder:
                self._verify(folder.snapshot(number), staged)
                folder.mark_complete(number)
                self._forget_arrival(staged)
        except FlockerError as error:
            self._drop(staged)
            return error
        except OSError as error:
            self._drop(staged)
            return subvolume.failure(f"snapshot {number} could not be finished", error)
        return None

    def _drop(self, staged: Staged) -> None:
        """Delete what came of it; what cannot be deleted now, the next attempt or start clears."""
        with self._folders.locked(staged.volume_id) as folder:
            try:
                folder.drop_unfinished(staged.snapshot.number)
            except (PoolError, OSError) as error:  # the others must be dropped, too
                log.warning("%s", error)
            finally:
                self._forget_arrival(staged)

    def _forget_arrival(self, staged: Staged) -> None:
        key = (staged.volume_id, staged.snapshot.number)
        self._arriving.pop(key, None)
        self._called_off.discard(key)

    def _expect(self, folder: VolumeFolder, snapshot: Snapshot) -> None:
        """Make ready for a stream."""
        number = snapshot.number
        key = (folder.path.name, number)
        if key in self._arriving:
            raise TransferFailed(f"snapshot {number} is being received already")
        folder.make()
        folder.drop_unfinished(number)
        if folder.snapshot(number).exists():
            raise TransferFailed(f"another snapshot {number} is here already")
        folder.mark_arriving(number)
        folder.write_snapshot_epoch(number, snapshot.epoch)
        self._arriving[key] = snapshot

    def _base(self, volume_id: str, number: int, parent: Snapshot) -> Path:
        """The snapshot here that an increment is built on."""
        with self._folders.locked(volume_id) as folder:
            try:
                path = folder.find(parent)
            except PoolError as error:
                raise TransferFailed(f"snapshot {number} cannot be built: {error}") from error
            # The kernel gives what is made from a snapshot the snapshot's limit, which is that
            # of the volume when it was taken here.
            self._sizes.limit(path, None)
            return path

    def _verify(self, path: Path, staged: Staged) -> None:
        snapshot = staged.snapshot
        if (staged.volume_id, snapshot.number) in self._called_off:
            raise TransferFailed(
                f"snapshot {snapshot.number} is not part of the volume any more, or the volume "
                "was removed"
            )
        if not path.is_dir():
            raise TransferFailed(f"the stream held no snapshot {snapshot.number}")
        received = subvolume.look(path)
        if not received.is_readonly:
            raise TransferFailed(f"the stream of snapshot {snapshot.number} ended too early")
        if received.received_uuid != snapshot.identity:
            raise TransferFailed(
                f"snapshot {snapshot.number} arrived as {received.received_uuid}, "
                f"not as {snapshot.identity}"
            )
        if received.parent_uuid != staged.parent_uuid:
            raise StreamRefused(f"snapshot {snapshot.number} was built on another parent")

    def call_off(self, volume_id: str, is_unwanted: Callable[[Snapshot], bool]) -> None:
        """Let nothing of that kind arrive any more."""
        for key, snapshot in list(self._arriving.items()):
            if key[0] == volume_id and is_unwanted(snapshot):
                self._called_off.add(key)
