"""A pool kept in one btrfs file system.

    volumes/<id>/   one volume: see volume_folder.py
    trash/          what was removed or put aside: see trash.py
    reserve/        room for that when the pool is full: see reserve.py

A received snapshot is never made writable: that would drop the identity which
increments are matched by (kdave/btrfs-progs#419). `live` is a snapshot of it.

What takes the place of something is made beside it, flushed, and then renamed;
the file system keeps the order of renames. So a crash leaves the one or the
other, whole, and what it left over is cleared away when the pool is opened.

Longer than 300 lines because it implements the whole interface of pool.py; everything that works
without the state of the pool is in modules of its own.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

from flocker.base import private
from flocker.base.belief import Belief
from flocker.base.errors import (
    FlockerError,
    HoldsMore,
    LeavesBehind,
    LostWrites,
    PoolError,
    StaleEpoch,
    StillWanted,
    StreamRefused,
    TransferFailed,
)
from flocker.base.records import Claim, Snapshot, Volume, now
from flocker.base.volume_id import check_id
from flocker.btrfs import nested, subvolume
from flocker.btrfs.backing import free_outside
from flocker.btrfs.quotas import Quotas
from flocker.btrfs.space import metadata
from flocker.btrfs.writeback import Writeback
from flocker.pool import digest
from flocker.pool.digest import Digest
from flocker.pool.divergence import divergence
from flocker.pool.protocol import Aside, Staged, Usage
from flocker.pool.reserve import Reserve, works_when_full
from flocker.pool.trash import Trash
from flocker.pool.volume_folder import VOLUMES, VolumeFolder
from flocker.streams import applier, btrfs_stream, send_stream
from flocker.streams.send_stream import SMALL_BYTES

log = logging.getLogger(__name__)

# The newest is what the next increment builds on. Older ones serve nodes that missed a move or two.
SNAPSHOTS_KEPT = 3
EMPTY_MODE = 0o755  # of a new volume, as the engine's own have it: its containers may be anybody
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
        self._is_mounted = is_mounted
        self._volumes = root / VOLUMES
        for folder in (root, self._volumes):
            private.make_folder(folder)
        self.reserve = Reserve(root / "reserve")
        self._trash = Trash(root / "trash")
        self._quotas = Quotas(root)
        self._writeback = Writeback(self._volumes)
        # Volume id -> the mark of the writeback up to which its writes are known to be on disk.
        self._flushed: dict[str, int] = {}
        self._locks: dict[str, threading.RLock] = {}
        # Volume id -> `live` and its stamp when it was last found equal to the newest snapshot, and
        # the identity of that.
        self._unchanged: dict[str, tuple[str, bytes, str]] = {}
        self._held_back: set[str] = set()  # volume ids; see changed_volumes
        # The pool's generation and the volumes asked about, when none of them had changed.
        self._all_unchanged: tuple[int, frozenset[Claim]] | None = None
        # What is being received, by volume id and number, and which of that is not wanted any more.
        self._arriving: dict[tuple[str, int], Snapshot] = {}
        self._called_off: set[tuple[str, int]] = set()
        # Volume id -> ids of pruned snapshots that the kernel may still be deleting; see
        # changed_volumes.
        self._pruned: dict[str, set[int]] = {}
        self._recover()

    def create(self, claim: Claim, size_bytes: int | None = None) -> None:
        self._make(claim, None, size_bytes)

    def open(self, claim: Claim) -> Path:
        folder = self._folder(claim.volume_id)
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

    def is_open(self, volume_id: str) -> bool:
        return self._folder(volume_id).live.is_dir()

    def changed_volumes(self, claims: Collection[Claim]) -> list[Claim]:
        """Leaves out those whose pruned snapshots are still being deleted while volumes have sizes.

        With quota groups the kernel looks at every file to delete a snapshot (45 us for
        each). New snapshots must not come faster than old ones go: the more there
        are, the longer each deletion takes.
        """
        if not claims:
            self._held_back = set()
            return []
        # Brings writes that are only in memory to disk, mapped memory's too: then the generation
        # tells of every write that was made before this call.
        generation = subvolume.pool_generation(self._volumes)
        subvolume.sync(self._volumes)
        # An idle pool is looked at once, not each of its volumes every second. The generation is
        # that of the last transaction which was begun: only if none was begun since before the
        # sync, all of it is on disk, and a later write needs another.
        looked_at = (subvolume.pool_generation(self._volumes), frozenset(claims))
        if looked_at == self._all_unchanged:
            return []
        changed = [claim for claim in claims if self._has_changed(claim.volume_id)]
        is_at_rest = not changed and looked_at[0] == generation
        self._all_unchanged = looked_at if is_at_rest else None
        held_back = {each.volume_id for each in changed if self._is_pruning(each.volume_id)}
        self._held_back = held_back
        return [claim for claim in changed if claim.volume_id not in held_back]

    def is_held_back(self, volume_id: str) -> bool:
        return volume_id in self._held_back

    def holder(self, volume_id: str) -> str | None:
        known = self._unchanged.get(volume_id)
        return known and known[2]

    def snapshots(self, volume_id: str) -> list[Snapshot]:
        return [snapshot for snapshot, _ in self._folder(volume_id).snapshots()]

    def problem(self, volume_id: str) -> str | None:
        live = self._folder(volume_id).live
        folders = _folders_inside(live) if live.is_dir() else []
        return str(LeavesBehind(folders)) if folders else None

    @works_when_full
    def take_snapshot(self, claim: Claim, *, is_whole: bool = False) -> Snapshot:
        with self._locked(claim.volume_id) as folder:
            live = self.open(claim)
            if is_whole and (folders := _folders_inside(live)):
                raise LeavesBehind(folders)
            _make_ordinary(live)
            # What is only in memory has not moved the generation: "unchanged" is true only after
            # a flush. "Changed" needs none, and so saves a commit.
            if not self._has_changed(claim.volume_id):
                self._flush(claim.volume_id)
                if not self._has_changed(claim.volume_id):
                    return self._measured(folder, folder.snapshots()[-1][0])
            number = folder.next_number()
            folder.write_snapshot_epoch(number, claim.epoch)
            # The kernel writes the subvolume's data and commits the transaction before it answers,
            # but it does not say whether the disk took all of it.
            subvolume.snapshot(live, folder.snapshot(number), readonly=True)
            try:
                self._flush(claim.volume_id)
            except PoolError:
                folder.delete_snapshot(number)
                raise
            taken = subvolume.look(folder.snapshot(number))
            if taken.received_uuid is not None:  # given to the volume this very moment
                folder.delete_snapshot(number)
                raise PoolError(f"volume {claim.volume_id} was given another identity; try again")
            return self._measured(folder, Snapshot(number, taken.identity, claim.epoch))

    def stream_bytes(self, volume_id: str, number: int, parent: int | None) -> int:
        return btrfs_stream.data_bytes(*self._stream_ends(volume_id, number, parent))

    def send(self, volume_id: str, number: int, parent: int | None) -> Generator[bytes, None, None]:
        return btrfs_stream.send(*self._stream_ends(volume_id, number, parent))

    def receive(
        self, volume_id: str, snapshot: Snapshot, parent: Snapshot | None, stream: Iterable[bytes]
    ) -> None:
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

    def small_stream(
        self, volume_id: str, number: int, parent: int, most_bytes: int
    ) -> bytes | None:
        folder = self._folder(volume_id)
        return btrfs_stream.small(folder.snapshot(number), folder.snapshot(parent), most_bytes)

    def stage(
        self, volume_id: str, snapshot: Snapshot, parent: Snapshot | None, stream: bytes
    ) -> Staged:
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
            with self._locked(volume_id) as folder:
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
        # The program does not flush: a crash could leave a snapshot that looks complete and
        # has empty files. So would a disk that refuses what the kernel accepted.
        errors: list[FlockerError | None] = []
        try:
            self._writeback.write_out()
            errors = [self._settle(each) for each in staged]
            subvolume.sync(self._volumes)  # or a crash would bring the marks back
        finally:
            for each in staged[len(errors) :]:
                self._drop(each)
        return errors

    def _settle(self, staged: Staged) -> FlockerError | None:
        number = staged.snapshot.number
        try:
            self._writeback.check(staged.mark)
            with self._locked(staged.volume_id) as folder:
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
        with self._locked(staged.volume_id) as folder:
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

    @works_when_full
    def digest(self, volume_id: str, number: int, bytes_per_second: int) -> Digest:
        return digest.of(self._folder(volume_id).snapshot(number), bytes_per_second)

    def prune(self, volume_id: str, keep: Callable[[], Collection[int]]) -> None:
        pruned = set()
        with self._locked(volume_id) as folder:
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
        if pruned and self._quotas.are_on:
            self._pruned.setdefault(volume_id, set()).update(pruned)
            subvolume.sync(self._volumes)  # also has the kernel begin to delete
        self._quotas.recount()

    @works_when_full
    def adopt(self, claim: Claim, snapshot: Snapshot, size_bytes: int | None = None) -> None:
        with self._locked(claim.volume_id) as folder:
            self._refuse_if_wanted(folder, claim.epoch)
            # Its content is no reason to refuse: it may be more here than where it was written,
            # and the volume must be writable somewhere.
            if size_bytes is not None:
                self._quotas.turn_on()
            excess = self._excess(folder.find(snapshot), snapshot)
            self._build(folder, folder.find(snapshot), _more(size_bytes, excess))
            self._put_in_place(folder, "conflict")
            folder.write_excess(excess)
            folder.write_epoch(claim.epoch)
            subvolume.sync(self._volumes)

    @works_when_full
    def put_away(self, volume: Volume, node: str, confirm: Callable[[], None]) -> Aside | None:
        with self._locked(volume.id) as folder:
            try:
                stored = folder.epoch() or 0
            except PoolError as error:
                log.warning("%s", error)
                stored = 0  # whatever it was, it is over
            if stored > volume.epoch:
                return None
            if (
                stored == volume.epoch
                and not folder.live.is_dir()
                and self._is_part(folder, volume)
            ):
                return None
            self._refuse_if_wanted(folder, None)
            confirm()
            folder.make()
            self._call_off(volume.id, lambda snapshot: not volume.includes(snapshot))
            aside = self._step_back(folder, volume, node)
            # Last: until all is done, the next call has to finish it.
            folder.write_epoch(volume.epoch)
            subvolume.sync(self._volumes)
            return aside

    def set_size(self, claim: Claim, size_bytes: int | None) -> None:
        with self._locked(claim.volume_id) as folder:
            live = self.open(claim)
            subvolume.sync(self._volumes)  # what is only in memory is not counted yet
            limit = _more(size_bytes, folder.excess())
            self._refuse_if_larger(live, limit)
            self._limit(live, limit)
            if size_bytes is None:
                for inner in nested.inside(live):
                    self._limit(inner, None)

    def used_bytes(self, volume_id: str) -> int | None:
        try:
            return self._held_bytes(self._folder(volume_id).newest())
        except PoolError:
            return None

    def contain(self, claim: Claim) -> None:
        for inner in nested.inside(self.open(claim)):
            self._limit(inner, NOTHING_MORE)

    def prepare_sizes(self) -> None:
        self._quotas.turn_on()

    @works_when_full
    def restore(self, claim: Claim, snapshot: Snapshot, size_bytes: int | None) -> None:
        with self._locked(claim.volume_id) as folder:
            self.open(claim)
            source = folder.find(snapshot)
            excess = self._excess(source, snapshot)
            self._refuse_if_larger(source, _more(size_bytes, excess))
            self._build(folder, source, _more(size_bytes, excess))
            self._put_in_place(folder, "restored")
            folder.write_excess(excess)

    def clone(
        self, source_id: str, snapshot: Snapshot, claim: Claim, size_bytes: int | None
    ) -> None:
        source = self._folder(source_id).find(snapshot)
        self._make(claim, source, size_bytes, self._excess(source, snapshot))

    def asides(self) -> list[Aside]:
        return [entry.aside for entry in self._trash.entries()]

    def clone_aside(self, reference: str, claim: Claim, size_bytes: int | None) -> None:
        content = self._trash.find(reference).content
        source = content if subvolume.exists(content) else VolumeFolder(content).newest()
        self._make(claim, source, size_bytes)

    @works_when_full
    def discard(
        self, volume_id: str, volume: str, node: str, belief: Belief, *, unless_open: bool = False
    ) -> None:
        with self._locked(volume_id) as folder:
            if not folder.path.is_dir() or (unless_open and folder.live.is_dir()):
                return
            self._refuse_if_wanted(folder, belief.epoch)
            belief.confirm()
            self._call_off(volume_id, lambda _: True)
            if folder.has_data:
                if folder.live.is_dir():
                    _make_ordinary(folder.live)
                entry = self._trash.prepare(volume_id, volume, node, "removed")
                folder.path.rename(entry.content)
                subvolume.sync(self._volumes)
            else:  # only an epoch to remember
                shutil.rmtree(folder.path)

    @works_when_full
    def reclaim(self, volume_id: str, confirm: Callable[[], None]) -> bool:
        with self._locked(volume_id) as folder:
            # Asked of each volume that is followed, so what costs less comes first.
            if folder.has_data or not (removed := self._trash.removed(volume_id)):
                return False
            confirm()
            # The newest; but what arrived of the volume after it was removed, and so has no
            # epoch, lies there as well.
            entry = max(removed, key=lambda each: VolumeFolder(each.content).epoch() or 0)
            if folder.path.is_dir():
                shutil.rmtree(folder.path)
            entry.content.rename(folder.path)
            subvolume.sync(self._volumes)
            self._finish(folder)
            self._trash.drop(entry)
            return True

    @works_when_full
    def readmit(self, claim: Claim) -> None:
        with self._locked(claim.volume_id) as folder:
            stored = folder.epoch()
            if stored is None or not folder.live.is_dir():
                raise PoolError(f"the pool has no writable copy of volume {claim.volume_id}")
            if stored > claim.epoch:
                raise PoolError(
                    f"volume {claim.volume_id} is at epoch {stored} in this node's pool, "
                    f"which is later than {claim.epoch}"
                )
            folder.write_epoch(claim.epoch)
            subvolume.sync(self._volumes)

    @works_when_full
    def purge_aside(self, reference: str) -> None:
        volume_id = self._trash.find(reference).aside.volume_id
        with self._locked(volume_id):  # not while a removed volume is taken back
            self._trash.drop(self._trash.find(reference))

    def keep_record(self, volume: Volume) -> None:
        with self._locked(volume.id) as folder:
            if folder.path.is_dir():
                folder.write_record(volume)

    def record(self, volume_id: str) -> Volume | None:
        return self._folder(volume_id).record()

    def drop_if_empty(self, volume_id: str, confirm: Callable[[], None]) -> bool:
        with self._locked(volume_id) as folder:
            if folder.next.is_dir() or folder.has_snapshots:
                return False
            if folder.live.is_dir() and any(folder.live.iterdir()):
                return False
            self._refuse_if_wanted(folder, None)
            confirm()
            if folder.live.is_dir():
                subvolume.delete(folder.live)
            shutil.rmtree(folder.path)
            return True

    def await_deletions(self, seconds: float) -> None:
        subvolume.await_deletions(self.root, seconds)

    def make_reserve(self) -> None:
        self.reserve.make()

    def volume_ids(self) -> list[str]:
        # Without a Path for each: it is asked every few seconds, of hundreds.
        return sorted(os.listdir(self._volumes))  # noqa: PTH208

    def open_ids(self) -> set[str]:
        # Without a Path for each: of 300 volumes that takes 0.6 ms instead of 8.
        volumes = os.open(self._volumes, os.O_RDONLY)
        try:
            return {
                each
                for each in os.listdir(volumes)  # noqa: PTH208
                if os.access(f"{each}/live", os.F_OK, dir_fd=volumes)
            }
        finally:
            os.close(volumes)

    def usage(self) -> Usage:
        usage = shutil.disk_usage(self._volumes)
        room = metadata(self._volumes)
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

    def _folder(self, volume_id: str) -> VolumeFolder:
        # Ids come from etcd and from peers; only a UUID may become part of a path.
        return VolumeFolder(self._volumes / check_id(volume_id))

    @contextmanager
    def _locked(self, volume_id: str) -> Iterator[VolumeFolder]:
        """One at a time changes what is here of a volume."""
        folder = self._folder(volume_id)
        with self._locks.setdefault(volume_id, threading.RLock()):
            yield folder

    def _refuse_if_wanted(self, folder: VolumeFolder, epoch: int | None) -> None:
        """Take no writable copy away that is mounted, or at a later epoch than the caller knows."""
        volume_id = folder.path.name
        stored = folder.epoch() if epoch is not None else None
        if epoch is not None and stored is not None and stored > epoch:
            raise StillWanted(
                f"volume {volume_id} is at epoch {stored} in this node's pool, later than {epoch}: "
                "nothing of it is taken away"
            )
        if folder.live.is_dir() and self._is_mounted(volume_id):
            raise StillWanted(
                f"processes have volume {volume_id} mounted, which "
                f"`grep -l {volume_id} /proc/[0-9]*/mountinfo` lists: nothing of it is taken away"
            )

    def _flush(self, volume_id: str) -> None:
        """Have on disk what was written to a volume.

        Raises:
            LostWrites: since the last flush the disk refused something; said once, as nothing
                can be done about it here.
        """
        try:
            self._writeback.flush(self._flushed.get(volume_id, 0))
        except LostWrites:
            self._flushed[volume_id] = self._writeback.mark
            raise

    def _stream_ends(
        self, volume_id: str, number: int, parent: int | None
    ) -> tuple[Path, Path | None]:
        folder = self._folder(volume_id)
        return folder.snapshot(number), None if parent is None else folder.snapshot(parent)

    def _has_changed(self, volume_id: str) -> bool:
        """Whether `live` differs from the newest snapshot, by what is on disk."""
        # Snapshots are only taken here, so what was equal to the newest stays so until a write.
        seen = self._unchanged.get(volume_id)
        if seen and subvolume.stamp(seen[0]) == seen[1]:
            return False
        folder = self._folder(volume_id)
        # Before it is compared: a write in between only makes the next call compare again.
        stamp = subvolume.stamp(str(folder.live))
        try:
            live = subvolume.look(folder.live)
        except PoolError:
            self._unchanged.pop(volume_id, None)
            return False  # not writable here
        try:
            known = folder.snapshots()
        except PoolError:
            return True  # the attempt to take a snapshot tells why, and of this volume alone
        is_known = live.is_ordinary and known and live.is_held_by(known[-1][1])
        if stamp is None or not is_known:
            return True
        self._unchanged[volume_id] = (str(folder.live), stamp, known[-1][0].identity)
        return False

    def _is_pruning(self, volume_id: str) -> bool:
        pruned = self._pruned.get(volume_id, set())
        for each in list(pruned):
            if subvolume.is_gone(self._volumes, each):
                pruned.discard(each)
        return bool(pruned)

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
        with self._locked(volume_id) as folder:
            try:
                path = folder.find(parent)
            except PoolError as error:
                raise TransferFailed(f"snapshot {number} cannot be built: {error}") from error
            # The kernel gives what is made from a snapshot the snapshot's limit, which is that
            # of the volume when it was taken here.
            self._limit(path, None)
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

    def _call_off(self, volume_id: str, is_unwanted: Callable[[Snapshot], bool]) -> None:
        """Let nothing of that kind arrive any more."""
        for key, snapshot in list(self._arriving.items()):
            if key[0] == volume_id and is_unwanted(snapshot):
                self._called_off.add(key)

    def _make(
        self, claim: Claim, source: Path | None, size_bytes: int | None, excess: int = 0
    ) -> None:
        """A volume that is new to this pool, empty or as `source`; nothing is left of a failure."""
        with self._locked(claim.volume_id) as folder:
            if folder.has_data:
                raise PoolError(f"volume {claim.volume_id} is here already")
            limit = _more(size_bytes, excess)
            if source is not None:
                self._refuse_if_larger(source, limit)
            folder.make()
            self._flushed[claim.volume_id] = self._writeback.mark
            try:
                self._build(folder, source, limit)
                folder.write_excess(excess)
                folder.write_epoch(claim.epoch)
                self._put_in_place(folder, "conflict")
            except BaseException:
                if folder.next.is_dir():
                    subvolume.delete(folder.next)
                if not folder.has_data:
                    shutil.rmtree(folder.path)
                raise

    def _build(self, folder: VolumeFolder, source: Path | None, size_bytes: int | None) -> None:
        """Make a writable copy beside `live`, with its limit."""
        self._finish(folder)
        if source is None:
            subvolume.create(folder.next)
            folder.next.chmod(EMPTY_MODE)
        else:
            nested.snapshot(source, folder.next)
        self._limit(folder.next, size_bytes)

    def _put_in_place(self, folder: VolumeFolder, why: str) -> None:
        """Make `next` the writable copy, on disk; what it replaces is kept if need be."""
        if not folder.live.is_dir():
            subvolume.sync(self._volumes)
            folder.next.rename(folder.live)
            subvolume.sync(self._volumes)
            return
        self._flush(folder.path.name)
        _make_ordinary(folder.live)
        subvolume.exchange(folder.next, folder.live)
        subvolume.sync(self._volumes)
        self._retire(folder, why)

    def _retire(self, folder: VolumeFolder, why: str) -> None:
        """Delete `next`, which was replaced, if a snapshot holds all of it; else put it aside.

        Neither the volume's name nor the node's is known here: the id and the
        host's name stand for them.
        """
        if folder.holders(folder.next):
            subvolume.delete(folder.next)
        else:
            volume_id = folder.path.name
            entry = self._trash.prepare(volume_id, volume_id, os.uname().nodename, why)
            folder.next.rename(entry.content)
            log.warning(
                "what was written to volume %s is kept as %s", volume_id, entry.aside.reference
            )

    def _is_part(self, folder: VolumeFolder, volume: Volume) -> bool:
        return all(volume.includes(snapshot) for snapshot, _ in folder.snapshots())

    def _step_back(self, folder: VolumeFolder, volume: Volume, node: str) -> Aside | None:
        """Leave nothing but what the volume includes; the newest of the rest is put aside.

        Whatever stops this half-way, the newest state is still here, and the next call finds it.
        """
        self._flush(volume.id)
        is_open = folder.live.is_dir()
        found = divergence(
            [snapshot for snapshot, _ in folder.snapshots()],
            volume,
            folder.holders(folder.live) if is_open else None,
        )
        for snapshot in found.snapshots:
            if snapshot != found.newest:
                folder.delete_snapshot(snapshot.number)
        if is_open:
            _make_ordinary(folder.live)
        if found.keeps_live:
            entry = self._trash.prepare(volume.id, volume.name, node, "conflict")
            folder.live.rename(entry.content)
            return entry.aside
        if is_open:
            subvolume.delete(folder.live)
        if found.newest is None:
            return None
        # Copied, not moved: the kernel does not let a read-only one leave its folder.
        newest = folder.snapshot(found.newest.number)
        entry = self._trash.prepare(volume.id, volume.name, node, "conflict")
        subvolume.snapshot(newest, entry.content)
        try:
            folder.delete_snapshot(found.newest.number)
        except PoolError:  # it is being sent; the next call does this again
            self._trash.drop(entry)
            raise
        return entry.aside

    def _limit(self, path: Path, size_bytes: int | None) -> None:
        if size_bytes is not None:
            self._quotas.turn_on()
        if self._quotas.are_on:
            self._quotas.limit(path, size_bytes)

    def _held_bytes(self, path: Path) -> int | None:
        """Bytes held by a subvolume and those inside it; None while nothing is counted."""
        held = [self._quotas.held_bytes(each) for each in (path, *nested.inside(path))]
        return None if held[0] is None else sum(each or 0 for each in held)

    def _measured(self, folder: VolumeFolder, snapshot: Snapshot) -> Snapshot:
        """The snapshot, saying what it holds of its volume's size."""
        held = self._quotas.held_bytes(folder.snapshot(snapshot.number))
        return replace(snapshot, held_bytes=held and max(0, held - folder.excess()))

    def _excess(self, here: Path, snapshot: Snapshot) -> int:
        """Bytes that a received snapshot holds more than where it was taken.

        btrfs frees an extent only as a whole, and how large extents are depends on how the data
        was written: a stream writes much at once.
        """
        held = self._quotas.held_bytes(here)
        if held is None or snapshot.held_bytes is None:
            return 0
        return max(0, held - snapshot.held_bytes)

    def _refuse_if_larger(self, path: Path, size_bytes: int | None) -> None:
        if size_bytes is None:
            return
        self._quotas.turn_on()
        held = self._held_bytes(path) or 0
        if held > size_bytes:
            raise HoldsMore(held, size_bytes)

    def _recover(self) -> None:
        """Clear away what a crash left."""
        for path in self._volumes.iterdir():
            folder = VolumeFolder(path)
            try:
                self._finish(folder)
                folder.close()
            except (PoolError, OSError) as error:  # must not keep the other volumes away
                log.warning("volume %s: %s", path.name, error)

    def _finish(self, folder: VolumeFolder) -> None:
        """Clear away what was never finished, and what was replaced but not yet put aside."""
        for number in folder.arriving():
            if (folder.path.name, number) not in self._arriving:
                folder.drop_unfinished(number)
        if not folder.next.is_dir():
            return
        if not folder.live.is_dir() and subvolume.look(folder.next).is_untouched:
            subvolume.delete(folder.next)  # nobody has ever seen it
        else:
            self._retire(folder, "conflict")


def _more(size_bytes: int | None, excess: int) -> int | None:
    return None if size_bytes is None else size_bytes + excess


def _folders_inside(live: Path) -> list[str]:
    """The subvolumes inside of a writable copy, as paths in the volume."""
    return [str(each.relative_to(live)) for each in nested.inside(live)]


def _make_ordinary(live: Path) -> None:
    if subvolume.make_ordinary(live):
        log.warning("%s had been made read-only, fixed or another's double; undone", live)
