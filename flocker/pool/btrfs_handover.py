"""Become a volume's owner with what a pool on btrfs has of it, and step back as its owner."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from flocker.base.errors import PoolError
from flocker.base.records import Claim, Snapshot, Volume
from flocker.btrfs import subvolume
from flocker.pool.btrfs_parts import BtrfsParts
from flocker.pool.divergence import divergence
from flocker.pool.live_copies import make_ordinary
from flocker.pool.protocol import Aside
from flocker.pool.reserve import works_when_full
from flocker.pool.sizes import more, write_excess
from flocker.pool.volume_folder import VolumeFolder

log = logging.getLogger(__name__)


class BtrfsHandover(BtrfsParts):
    """See PoolHandover."""

    @works_when_full
    def adopt(self, claim: Claim, snapshot: Snapshot, size_bytes: int | None = None) -> None:
        with self._folders.locked(claim.volume_id) as folder:
            self._refuse_if_wanted(folder, claim.epoch)
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

    @works_when_full
    def put_away(
        self,
        volume: Volume,
        node: str,
        confirm: Callable[[], None],
        kept: Collection[Snapshot] = (),
    ) -> Aside | None:
        with self._folders.locked(volume.id) as folder:
            try:
                stored = folder.epoch() or 0
            except PoolError as error:
                log.warning("%s", error)
                stored = 0  # whatever it was, it is over
            if stored > volume.epoch:
                return None
            if stored == volume.epoch and not folder.live.is_dir() and _is_part(folder, volume):
                return None
            self._refuse_if_wanted(folder, None)
            confirm()
            folder.make()
            self._incoming.call_off(volume.id, lambda snapshot: not volume.includes(snapshot))
            aside = self._step_back(folder, volume, node, kept)
            # Last: until all is done, the next call has to finish it.
            folder.write_epoch(volume.epoch)
            subvolume.sync(self._folders.top)
            return aside

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

    def _step_back(
        self, folder: VolumeFolder, volume: Volume, node: str, kept: Collection[Snapshot]
    ) -> Aside | None:
        """Leave nothing but what the volume includes; the newest of the rest is put aside.

        If anything stops this half-way, the newest state is still here, and the next call finds it.
        """
        self._live.flush(volume.id)
        self._incoming.drop_draft(folder)
        is_writable = folder.live.is_dir()
        found = divergence(
            folder.snapshots(),
            volume,
            folder.holders(folder.live) if is_writable else None,
            kept,
        )
        for snapshot in found.snapshots:
            if snapshot in found.kept:
                self._put_snapshot_aside(folder, volume, node, snapshot)
            elif snapshot != found.newest:
                folder.delete_snapshot(snapshot.number)
        if is_writable:
            make_ordinary(folder.live)
        if found.keeps_live:
            with self._trash.place(volume.id, volume.name, node, "conflict") as entry:
                folder.live.rename(entry.content)
            return entry.aside
        if is_writable:
            subvolume.delete(folder.live)
        if found.newest is None:
            return None
        return self._put_snapshot_aside(folder, volume, node, found.newest)

    def _put_snapshot_aside(
        self, folder: VolumeFolder, volume: Volume, node: str, snapshot: Snapshot
    ) -> Aside:
        # Copied, not moved: the kernel does not let a read-only one leave its folder.
        with self._trash.place(volume.id, volume.name, node, "conflict") as entry:
            subvolume.snapshot(folder.snapshot(snapshot.number), entry.content)
        try:
            folder.delete_snapshot(snapshot.number)
        except PoolError:  # it is being sent; the next call does this again
            self._trash.drop(entry)
            raise
        return entry.aside


def _is_part(folder: VolumeFolder, volume: Volume) -> bool:
    return all(volume.includes(snapshot) for snapshot in folder.snapshots())
