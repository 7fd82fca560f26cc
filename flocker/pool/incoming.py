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
from flocker.base.volume_id import is_uuid
from flocker.btrfs import subvolume
from flocker.btrfs.subvolume import Subvolume
from flocker.btrfs.writeback import Writeback
from flocker.pool.folders import Folders
from flocker.pool.local_pool import Staged
from flocker.pool.sizes import Sizes
from flocker.pool.volume_folder import VolumeFolder
from flocker.streams import applier, btrfs_stream, send_stream
from flocker.streams.expected import Expected
from flocker.streams.send_stream import SMALL_BYTES

log = logging.getLogger(__name__)

# Applies a stream to a draft, which is empty or equal to a snapshot.
Apply = Callable[[Expected, Path, Path | None], None]


class Incoming:
    """Data that arrives in one pool, from its first byte until it is verified and on disk."""

    def __init__(self, folders: Folders, writeback: Writeback, sizes: Sizes) -> None:
        self._folders = folders
        self._writeback = writeback
        self._sizes = sizes
        # Volume id -> the snapshot that is being received; and where it is not wanted any more.
        self._arriving: dict[str, Snapshot] = {}
        self._called_off: set[str] = set()
        # Volume id -> the UUID of its draft, if all that was written to it is in a snapshot. The
        # kernel tells of other changes only when they are committed.
        self._finished_drafts: dict[str, str] = {}

    def is_arriving(self, volume_id: str, number: int) -> bool:
        """Tell whether a snapshot is being received at this moment."""
        arriving = self._arriving.get(volume_id)
        return arriving is not None and arriving.number == number

    def drop_draft(self, folder: VolumeFolder) -> None:
        """Delete the draft of a volume, unless something is being written to it."""
        if folder.path.name not in self._arriving:
            folder.drop_draft()

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
        self, volume_id: str, snapshot: Snapshot, parent: Snapshot | None, apply: Apply
    ) -> Staged:
        """Have a snapshot made of a stream, and of what it builds on here."""
        try:
            with self._folders.locked(volume_id) as folder:
                self._expect(folder, snapshot)
            begun = self._writeback.mark
            try:
                base = None if parent is None else self._base(volume_id, snapshot.number, parent)
                base_identity = None if parent is None else parent.identity
                expected = Expected(str(snapshot.number), snapshot.identity, base_identity)
                draft_uuid = self._make(folder, expected, base, apply)
            except BaseException:
                self._drop(Staged(volume_id, snapshot))
                raise
        except OSError as error:
            raise subvolume.failure(
                f"snapshot {snapshot.number} could not be taken in", error
            ) from error
        return Staged(volume_id, snapshot, begun, draft_uuid)

    def _make(
        self, folder: VolumeFolder, expected: Expected, base: Path | None, apply: Apply
    ) -> str:
        """Have the draft of a volume changed, and take the snapshot of it; its UUID.

        Snapshots that are taken read-only share a commit. One that is made writable, changed and
        named takes two more to be finished, which no others share.
        """
        try:
            self._prepare_draft(folder, base)
            draft = subvolume.look(folder.draft)
            apply(expected, folder.draft, base)
            subvolume.snapshot(folder.draft, folder.snapshot(int(expected.name)), readonly=True)
        except PoolError as error:
            raise TransferFailed(f"a stream could not be applied: {error}") from error
        self._finished_drafts[folder.path.name] = draft.uuid
        return draft.uuid

    def _prepare_draft(self, folder: VolumeFolder, base: Path | None) -> None:
        """Have a draft that is empty, or as `base`; mostly it still is what `base` was taken of."""
        finished = self._finished_drafts.pop(folder.path.name, None)
        if folder.draft.is_dir():
            draft = subvolume.look(folder.draft)
            if (
                base is not None
                and draft.uuid == finished
                and _is_same(draft, subvolume.look(base))
            ):
                return
            folder.drop_draft()
        if base is None:
            subvolume.create(folder.draft)
        else:
            # The kernel gives what is made from a snapshot the snapshot's limit, which is that
            # of the volume when it was taken here.
            self._sizes.limit(base, None)
            subvolume.snapshot(base, folder.draft)

    def settle(self, staged: Sequence[Staged]) -> list[FlockerError | None]:
        """See LocalPool.settle."""
        # Applying a stream flushes nothing: a crash could leave a snapshot that looks complete and
        # has empty files. So would a disk that refuses what the kernel accepted.
        errors: list[FlockerError | None] = []
        try:
            if staged:
                self._writeback.write_out()
                errors = [self._settle(each) for each in staged]
                subvolume.sync(self._folders.top)  # or a crash would bring the marks back
        except PoolError as error:  # of the disk, and so of each of them
            return [known or error for known in errors] or [error] * len(staged)
        finally:
            for each in staged[len(errors) :]:
                self._drop(each)
        return errors

    def _settle(self, staged: Staged) -> FlockerError | None:
        number = staged.snapshot.number
        try:
            self._writeback.check(staged.mark)
            with self._folders.locked(staged.volume_id) as folder:
                self._verify(folder, staged)
                if folder.live.is_dir():  # adopted meanwhile: an owner needs no draft
                    folder.drop_draft()
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
                folder.drop_draft()
            except (PoolError, OSError) as error:  # the others must be dropped, too
                log.warning("%s", error)
            finally:
                self._forget_arrival(staged)

    def _forget_arrival(self, staged: Staged) -> None:
        self._arriving.pop(staged.volume_id, None)
        self._called_off.discard(staged.volume_id)

    def _expect(self, folder: VolumeFolder, snapshot: Snapshot) -> None:
        """Make ready for a stream."""
        volume_id, number = folder.path.name, snapshot.number
        arriving = self._arriving.get(volume_id)
        if arriving is not None:  # they would share the draft
            raise TransferFailed(f"snapshot {arriving.number} is being received already")
        if not is_uuid(snapshot.identity):
            raise TransferFailed(f"snapshot {number} has an identity that is no UUID")
        folder.make()
        folder.drop_unfinished(number)
        if folder.snapshot(number).exists():
            raise TransferFailed(f"another snapshot {number} is here already")
        folder.mark_arriving(number)
        folder.write_snapshot_epoch(number, snapshot.epoch, snapshot.identity)
        self._arriving[volume_id] = snapshot

    def _base(self, volume_id: str, number: int, parent: Snapshot) -> Path:
        """The snapshot here that an increment is built on."""
        with self._folders.locked(volume_id) as folder:
            try:
                return folder.find(parent)
            except PoolError as error:
                raise TransferFailed(f"snapshot {number} cannot be built: {error}") from error

    def _verify(self, folder: VolumeFolder, staged: Staged) -> None:
        snapshot = staged.snapshot
        if staged.volume_id in self._called_off:
            raise TransferFailed(
                f"snapshot {snapshot.number} is not part of the volume any more, or the volume "
                "was removed"
            )
        path = folder.snapshot(snapshot.number)
        if not path.is_dir():
            raise TransferFailed(f"the stream held no snapshot {snapshot.number}")
        received = subvolume.look(path)
        if not received.is_readonly:
            raise TransferFailed(f"snapshot {snapshot.number} is not read-only")
        identity = folder.identity(snapshot.number)
        if identity != snapshot.identity:
            raise TransferFailed(
                f"snapshot {snapshot.number} arrived as {identity}, not as {snapshot.identity}"
            )
        if received.parent_uuid != staged.draft_uuid:
            raise StreamRefused(f"snapshot {snapshot.number} was built on another parent")

    def call_off(self, volume_id: str, is_unwanted: Callable[[Snapshot], bool]) -> None:
        """Let nothing of that kind arrive any more."""
        arriving = self._arriving.get(volume_id)
        if arriving is not None and is_unwanted(arriving):
            self._called_off.add(volume_id)


def _is_same(draft: Subvolume, base: Subvolume) -> bool:
    """Tell whether a snapshot was taken of a draft, and neither has been touched since."""
    return draft.is_held_by(base) and base.parent_uuid == draft.uuid and base.is_untouched
