"""A pool kept in one btrfs file system.

    volumes/<id>/   one volume: see volume_folder.py
    trash/          what was removed or put aside: see trash.py
    reserve/        room for that when the pool is full: see reserve.py
    written         the small write by which health.py tells whether the disk still takes any

Other parts of the node keep files beside these: catalog.json is of consensus/mirror.py,
observed.json of node/observed.py, verified.json of care/verification.py.

A received snapshot is never made writable: that would drop the identity which
increments are matched by (kdave/btrfs-progs#419). `live` is a snapshot of it.

A replacement is made beside the original, flushed, and then renamed;
the file system keeps the order of renames. So a crash leaves the one or the
other, whole, and what it left over is cleared away when the pool is opened.

Longer than 300 lines because it implements the whole interface of protocol.py: what arrives, what
changes, what is taken away, sizes and writable copies are in modules of their own.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from pathlib import Path

from flocker.base import private
from flocker.base.belief import Belief
from flocker.base.errors import (
    FlockerError,
    LeavesBehind,
    PoolError,
    StaleEpoch,
)
from flocker.base.records import Claim, Snapshot, Volume, now
from flocker.btrfs import nested, subvolume
from flocker.btrfs.backing import free_outside
from flocker.btrfs.quotas import Quotas
from flocker.btrfs.space import metadata
from flocker.btrfs.writeback import Writeback
from flocker.pool import digest
from flocker.pool.change_watch import ChangeWatch
from flocker.pool.digest import Digest
from flocker.pool.folders import Folders
from flocker.pool.incoming import Incoming
from flocker.pool.live_copies import LiveCopies, make_ordinary
from flocker.pool.protocol import Aside, Staged, Usage
from flocker.pool.reserve import Reserve, works_when_full
from flocker.pool.sizes import Sizes, excess_of, more, write_excess
from flocker.pool.taking_away import TakingAway
from flocker.pool.trash import Trash
from flocker.pool.volume_folder import VOLUMES, VolumeFolder
from flocker.streams import btrfs_stream

log = logging.getLogger(__name__)

# The newest is what the next increment builds on. Older ones serve nodes that missed a move or two.
SNAPSHOTS_KEPT = 3
NOTHING_MORE = 1  # the least that a subvolume can be limited to, in bytes


class BtrfsPool:
    """The pool below `root`, which must be a directory on a mounted btrfs.

    Safe for several threads. Each volume has a lock, which is never held while a
    stream is sent or received.

    Args:
        is_mounted: tells whether any process has the writable copy of a volume id mounted.
    """

    def __init__(self, root: Path, is_mounted: Callable[[str], bool] = lambda _: False) -> None:
        self.root = root
        self._folders = Folders(root / VOLUMES)
        for folder in (root, self._folders.top):
            private.make_folder(folder)
        self.reserve = Reserve(root / "reserve")
        self._trash = Trash(root / "trash")
        self._sizes = Sizes(Quotas(root))
        self._writeback = Writeback(self._folders.top)
        self._changes = ChangeWatch(self._folders)
        self._incoming = Incoming(self._folders, self._writeback, self._sizes)
        self._live = LiveCopies(
            self._folders,
            trash=self._trash,
            sizes=self._sizes,
            writeback=self._writeback,
            incoming=self._incoming,
        )
        self._taking_away = TakingAway(
            self._folders,
            trash=self._trash,
            reserve=self.reserve,
            live=self._live,
            incoming=self._incoming,
            is_mounted=is_mounted,
        )
        self._recover()

    def create(self, claim: Claim, size_bytes: int | None = None) -> None:
        self._make(claim, None, size_bytes)

    def writable_path(self, claim: Claim) -> Path:
        folder = self._folders.folder(claim.volume_id)
        stored = folder.epoch()
        if stored is None:
            raise PoolError(f"the pool has no copy of volume {claim.volume_id}")
        if stored != claim.epoch:
            raise StaleEpoch(
                f"volume {claim.volume_id} is at epoch {stored} in this node's pool, "
                f"asked for at epoch {claim.epoch}; `flocker status` tells who owns it"
            )
        if not folder.live.is_dir():
            raise PoolError(f"the pool has no writable copy of volume {claim.volume_id}")
        return folder.live

    def has_writable(self, volume_id: str) -> bool:
        return self._folders.folder(volume_id).live.is_dir()

    def snapshots(self, volume_id: str) -> list[Snapshot]:
        return [snapshot for snapshot, _ in self._folders.folder(volume_id).snapshots()]

    def problem(self, volume_id: str) -> str | None:
        live = self._folders.folder(volume_id).live
        folders = _folders_inside(live) if live.is_dir() else []
        return str(LeavesBehind(folders)) if folders else None

    @works_when_full
    def take_snapshot(self, claim: Claim, *, is_whole: bool = False) -> Snapshot:
        with self._folders.locked(claim.volume_id) as folder:
            live = self.writable_path(claim)
            if is_whole and (folders := _folders_inside(live)):
                raise LeavesBehind(folders)
            make_ordinary(live)
            # Writes in memory have not moved the generation yet: "unchanged" is true only after
            # a flush. "Changed" needs none, and so saves a commit.
            if not self._changes.has_changed(claim.volume_id):
                self._live.flush(claim.volume_id)
                if not self._changes.has_changed(claim.volume_id):
                    return self._sizes.measured(folder, folder.snapshots()[-1][0])
            number = folder.next_number()
            folder.write_snapshot_epoch(number, claim.epoch)
            # The kernel writes the subvolume's data and commits the transaction before it answers,
            # but it does not say whether the disk took all of it.
            subvolume.snapshot(live, folder.snapshot(number), readonly=True)
            try:
                self._live.flush(claim.volume_id)
            except PoolError:
                folder.delete_snapshot(number)
                raise
            taken = subvolume.look(folder.snapshot(number))
            if taken.received_uuid is not None:  # given to the volume this very moment
                folder.delete_snapshot(number)
                raise PoolError(f"volume {claim.volume_id} was given another identity; try again")
            return self._sizes.measured(folder, Snapshot(number, taken.identity, claim.epoch))

    def stream_bytes(self, volume_id: str, number: int, parent: int | None) -> int:
        return btrfs_stream.data_bytes(*self._stream_ends(volume_id, number, parent))

    def send(self, volume_id: str, number: int, parent: int | None) -> Generator[bytes, None, None]:
        return btrfs_stream.send(*self._stream_ends(volume_id, number, parent))

    def small_stream(
        self, volume_id: str, number: int, parent: int, most_bytes: int
    ) -> bytes | None:
        folder = self._folders.folder(volume_id)
        return btrfs_stream.small(folder.snapshot(number), folder.snapshot(parent), most_bytes)

    @works_when_full
    def digest(self, volume_id: str, number: int, bytes_per_second: int) -> Digest:
        return digest.of(self._folders.folder(volume_id).snapshot(number), bytes_per_second)

    def prune(self, volume_id: str, keep: Callable[[], Collection[int]]) -> None:
        pruned = set()
        with self._folders.locked(volume_id) as folder:
            kept = keep()
            for snapshot, facts in folder.snapshots()[:-SNAPSHOTS_KEPT]:
                if snapshot.number in kept:
                    continue
                try:
                    folder.delete_snapshot(snapshot.number)
                except PoolError as error:  # one that is being sent; the next time will do
                    log.info("%s", error)
                else:
                    pruned.add(facts.id)
        if pruned and self._sizes.are_counted:
            self._changes.note_pruned(volume_id, pruned)
            subvolume.sync(self._folders.top)  # also has the kernel begin to delete
        self._sizes.recount()

    @works_when_full
    def adopt(self, claim: Claim, snapshot: Snapshot, size_bytes: int | None = None) -> None:
        with self._folders.locked(claim.volume_id) as folder:
            self._taking_away.refuse_if_wanted(folder, claim.epoch)
            # Its content is no reason to refuse: it may be more here than where it was written,
            # and the volume must be writable somewhere.
            if size_bytes is not None:
                self._sizes.begin()
            excess = self._sizes.excess(folder.find(snapshot), snapshot)
            self._live.build(folder, folder.find(snapshot), more(size_bytes, excess))
            self._live.put_in_place(folder, "conflict")
            write_excess(folder, excess)
            folder.write_epoch(claim.epoch)
            subvolume.sync(self._folders.top)

    def set_size(self, claim: Claim, size_bytes: int | None) -> None:
        with self._folders.locked(claim.volume_id) as folder:
            live = self.writable_path(claim)
            subvolume.sync(self._folders.top)  # what is only in memory is not counted yet
            limit = more(size_bytes, excess_of(folder))
            self._sizes.refuse_if_larger(live, limit)
            self._sizes.limit(live, limit)
            if size_bytes is None:
                for inner in nested.inside(live):
                    self._sizes.limit(inner, None)

    def used_bytes(self, volume_id: str) -> int | None:
        try:
            return self._sizes.held_bytes(self._folders.folder(volume_id).newest())
        except PoolError:
            return None

    def contain(self, claim: Claim) -> None:
        for inner in nested.inside(self.writable_path(claim)):
            self._sizes.limit(inner, NOTHING_MORE)

    def prepare_sizes(self) -> None:
        self._sizes.begin()

    @works_when_full
    def restore(self, claim: Claim, snapshot: Snapshot, size_bytes: int | None) -> None:
        with self._folders.locked(claim.volume_id) as folder:
            self.writable_path(claim)
            source = folder.find(snapshot)
            excess = self._sizes.excess(source, snapshot)
            self._sizes.refuse_if_larger(source, more(size_bytes, excess))
            self._live.build(folder, source, more(size_bytes, excess))
            self._live.put_in_place(folder, "restored")
            write_excess(folder, excess)

    def clone(
        self, source_id: str, snapshot: Snapshot, claim: Claim, size_bytes: int | None
    ) -> None:
        source = self._folders.folder(source_id).find(snapshot)
        self._make(claim, source, size_bytes, self._sizes.excess(source, snapshot))

    def asides(self) -> list[Aside]:
        return [entry.aside for entry in self._trash.entries()]

    def clone_aside(self, reference: str, claim: Claim, size_bytes: int | None) -> None:
        content = self._trash.find(reference).content
        source = content if subvolume.exists(content) else VolumeFolder(content).newest()
        self._make(claim, source, size_bytes)

    @works_when_full
    def readmit(self, claim: Claim) -> None:
        with self._folders.locked(claim.volume_id) as folder:
            stored = folder.epoch()
            if stored is None or not folder.live.is_dir():
                raise PoolError(f"the pool has no writable copy of volume {claim.volume_id}")
            if stored > claim.epoch:
                raise PoolError(
                    f"volume {claim.volume_id} is at epoch {stored} in this node's pool, "
                    f"which is later than {claim.epoch}"
                )
            folder.write_epoch(claim.epoch)
            subvolume.sync(self._folders.top)

    def keep_record(self, volume: Volume) -> None:
        with self._folders.locked(volume.id) as folder:
            if folder.path.is_dir():
                folder.write_record(volume)

    def record(self, volume_id: str) -> Volume | None:
        return self._folders.folder(volume_id).record()

    def await_deletions(self, seconds: float) -> None:
        subvolume.await_deletions(self.root, seconds)

    def make_reserve(self) -> None:
        self.reserve.make()

    def usage(self) -> Usage:
        usage = shutil.disk_usage(self._folders.top)
        room = metadata(self._folders.top)
        outside = free_outside(self.root, usage.used)
        free = usage.free if outside is None else min(usage.free, outside)
        return Usage(usage.used, usage.total, free, room.used_bytes, room.free_bytes)

    def check_writable(self) -> None:
        descriptor = os.open(self.root / "written", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, now().encode(), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def trouble(self) -> str | None:
        loss = self._writeback.last_loss
        if loss is None:
            return None
        return (
            f"at {loss.at} the disk below the pool refused writes ({loss.reason}): files written "
            "then may be incomplete; it is forgotten when the daemon starts again"
        )

    def _stream_ends(
        self, volume_id: str, number: int, parent: int | None
    ) -> tuple[Path, Path | None]:
        folder = self._folders.folder(volume_id)
        return folder.snapshot(number), None if parent is None else folder.snapshot(parent)

    def _make(
        self, claim: Claim, source: Path | None, size_bytes: int | None, excess: int = 0
    ) -> None:
        """A volume that is new to this pool, empty or as `source`; nothing is left of a failure."""
        with self._folders.locked(claim.volume_id) as folder:
            if folder.has_data:
                raise PoolError(f"volume {claim.volume_id} is here already")
            limit = more(size_bytes, excess)
            if source is not None:
                self._sizes.refuse_if_larger(source, limit)
            folder.make()
            self._live.note_new(claim.volume_id)
            try:
                self._live.build(folder, source, limit)
                write_excess(folder, excess)
                folder.write_epoch(claim.epoch)
                self._live.put_in_place(folder, "conflict")
            except BaseException:
                if folder.next.is_dir():
                    subvolume.delete(folder.next)
                if not folder.has_data:
                    shutil.rmtree(folder.path)
                raise

    def put_away(self, volume: Volume, node: str, confirm: Callable[[], None]) -> Aside | None:
        return self._taking_away.put_away(volume, node, confirm)

    def discard(
        self,
        volume_id: str,
        volume: str,
        node: str,
        belief: Belief,
        *,
        unless_writable: bool = False,
    ) -> None:
        self._taking_away.discard(volume_id, volume, node, belief, unless_writable=unless_writable)

    def reclaim(self, volume_id: str, confirm: Callable[[], None]) -> bool:
        return self._taking_away.reclaim(volume_id, confirm)

    def purge_aside(self, reference: str) -> None:
        self._taking_away.purge_aside(reference)

    def drop_if_empty(self, volume_id: str, confirm: Callable[[], None]) -> bool:
        return self._taking_away.drop_if_empty(volume_id, confirm)

    def changed_volumes(self, claims: Collection[Claim]) -> list[Claim]:
        return self._changes.changed_volumes(claims)

    def is_held_back(self, volume_id: str) -> bool:
        return self._changes.is_held_back(volume_id)

    def holder(self, volume_id: str) -> str | None:
        return self._changes.holder(volume_id)

    def receive(
        self, volume_id: str, snapshot: Snapshot, parent: Snapshot | None, stream: Iterable[bytes]
    ) -> None:
        self._incoming.receive(volume_id, snapshot, parent, stream)

    def stage(
        self, volume_id: str, snapshot: Snapshot, parent: Snapshot | None, stream: bytes
    ) -> Staged:
        return self._incoming.stage(volume_id, snapshot, parent, stream)

    def settle(self, staged: Sequence[Staged]) -> list[FlockerError | None]:
        return self._incoming.settle(staged)

    def volume_ids(self) -> list[str]:
        return self._folders.ids()

    def writable_ids(self) -> set[str]:
        return self._folders.writable_ids()

    def _recover(self) -> None:
        """Clear away what a crash left."""
        for folder in self._folders.all():
            try:
                self._live.finish(folder)
                folder.close()
            except (PoolError, OSError) as error:  # must not keep the other volumes away
                log.warning("volume %s: %s", folder.path.name, error)


def _folders_inside(live: Path) -> list[str]:
    """The subvolumes inside of a writable copy, as paths in the volume."""
    return [str(each.relative_to(live)) for each in nested.inside(live)]
