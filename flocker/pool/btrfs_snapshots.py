"""Snapshots in a pool on btrfs: taken, restored, cloned, and compared with what is written."""

from __future__ import annotations

from collections.abc import Collection

from flocker.base.errors import LeavesBehind, PoolError
from flocker.base.records import Claim, Snapshot
from flocker.btrfs import nested, subvolume
from flocker.pool.btrfs_parts import BtrfsParts
from flocker.pool.live_copies import make_ordinary
from flocker.pool.reserve import works_when_full
from flocker.pool.sizes import more, write_excess
from flocker.pool.volume_folder import VolumeFolder


class BtrfsSnapshots(BtrfsParts):
    """See PoolSnapshots and PoolChanges."""

    def snapshots(self, volume_id: str) -> list[Snapshot]:
        return self._folders.folder(volume_id).snapshots()

    @works_when_full
    def take_snapshot(self, claim: Claim, *, is_whole: bool = False) -> Snapshot:
        with self._folders.locked(claim.volume_id) as folder:
            live = self.writable_path(claim)
            if is_whole and (folders := nested.names_inside(live)):
                raise LeavesBehind(folders)
            make_ordinary(live)
            # Writes in memory have not moved the generation yet: "unchanged" is true only after
            # a flush. "Changed" needs none, and so saves a commit.
            if not self._changes.has_changed(claim.volume_id):
                self._live.flush(claim.volume_id)
                if (holder := self._holder(folder)) is not None:
                    return self._sizes.measured(folder, holder)
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

    def _holder(self, folder: VolumeFolder) -> Snapshot | None:
        """The snapshot that holds all of the writable copy, by what is on disk; None if none does.

        It need not be the newest: a former owner's may arrive after this node has taken over.
        """
        if self._changes.has_changed(folder.path.name):
            return None
        identity = self._changes.holder(folder.path.name)
        return next((each for each in folder.snapshots() if each.identity == identity), None)

    @works_when_full
    def restore(self, claim: Claim, snapshot: Snapshot, size_bytes: int | None) -> None:
        with self._folders.locked(claim.volume_id) as folder:
            self.writable_path(claim)
            self._refuse_if_wanted(folder, claim.epoch)
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

    def changed_volumes(self, claims: Collection[Claim]) -> list[Claim]:
        return self._changes.changed_volumes(claims)

    def is_held_back(self, volume_id: str) -> bool:
        return self._changes.is_held_back(volume_id)

    def holder(self, volume_id: str) -> str | None:
        return self._changes.holder(volume_id)
