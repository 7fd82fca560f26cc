"""Take a volume's data out of its place, and bring it back: what only this node has is kept.

Nothing is taken that a process has mounted, or that is of a later epoch than the caller knows.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable

from flocker.base.belief import Belief
from flocker.base.errors import (
    PoolError,
    StillWanted,
)
from flocker.base.records import Volume
from flocker.btrfs import subvolume
from flocker.pool.divergence import divergence
from flocker.pool.folders import Folders
from flocker.pool.incoming import Incoming
from flocker.pool.live_copies import LiveCopies, make_ordinary
from flocker.pool.protocol import Aside
from flocker.pool.reserve import Reserve, works_when_full
from flocker.pool.trash import Trash
from flocker.pool.volume_folder import VolumeFolder

log = logging.getLogger(__name__)


class TakingAway:
    """Data that leaves its place in one pool, for the trash or for good."""

    def __init__(
        self,
        folders: Folders,
        *,
        trash: Trash,
        reserve: Reserve,
        live: LiveCopies,
        incoming: Incoming,
        is_mounted: Callable[[str], bool],
    ) -> None:
        self._folders = folders
        self._trash = trash
        self.reserve = reserve  # works_when_full spends it
        self._live = live
        self._incoming = incoming
        self._is_mounted = is_mounted

    @works_when_full
    def put_away(self, volume: Volume, node: str, confirm: Callable[[], None]) -> Aside | None:
        """See Pool.put_away."""
        with self._folders.locked(volume.id) as folder:
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
            self.refuse_if_wanted(folder, None)
            confirm()
            folder.make()
            self._incoming.call_off(volume.id, lambda snapshot: not volume.includes(snapshot))
            aside = self._step_back(folder, volume, node)
            # Last: until all is done, the next call has to finish it.
            folder.write_epoch(volume.epoch)
            subvolume.sync(self._folders.top)
            return aside

    @works_when_full
    def discard(
        self,
        volume_id: str,
        volume: str,
        node: str,
        belief: Belief,
        *,
        unless_writable: bool = False,
    ) -> None:
        """See Pool.discard."""
        with self._folders.locked(volume_id) as folder:
            if not folder.path.is_dir() or (unless_writable and folder.live.is_dir()):
                return
            self.refuse_if_wanted(folder, belief.epoch)
            belief.confirm()
            self._incoming.call_off(volume_id, lambda _: True)
            if folder.has_data:
                if folder.live.is_dir():
                    make_ordinary(folder.live)
                entry = self._trash.prepare(volume_id, volume, node, "removed")
                folder.path.rename(entry.content)
                subvolume.sync(self._folders.top)
            else:  # only an epoch to remember
                shutil.rmtree(folder.path)

    @works_when_full
    def reclaim(self, volume_id: str, confirm: Callable[[], None]) -> bool:
        """See Pool.reclaim."""
        with self._folders.locked(volume_id) as folder:
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
            subvolume.sync(self._folders.top)
            self._live.finish(folder)
            self._trash.drop(entry)
            return True

    @works_when_full
    def purge_aside(self, reference: str) -> None:
        """See Pool.purge_aside."""
        volume_id = self._trash.find(reference).aside.volume_id
        with self._folders.locked(volume_id):  # not while a removed volume is taken back
            self._trash.drop(self._trash.find(reference))

    def drop_if_empty(self, volume_id: str, confirm: Callable[[], None]) -> bool:
        """See Pool.drop_if_empty."""
        with self._folders.locked(volume_id) as folder:
            if folder.next.is_dir() or folder.has_snapshots:
                return False
            if folder.live.is_dir() and any(folder.live.iterdir()):
                return False
            self.refuse_if_wanted(folder, None)
            confirm()
            if folder.live.is_dir():
                subvolume.delete(folder.live)
            shutil.rmtree(folder.path)
            return True

    def refuse_if_wanted(self, folder: VolumeFolder, epoch: int | None) -> None:
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

    def _step_back(self, folder: VolumeFolder, volume: Volume, node: str) -> Aside | None:
        """Leave nothing but what the volume includes; the newest of the rest is put aside.

        If anything stops this half-way, the newest state is still here, and the next call finds it.
        """
        self._live.flush(volume.id)
        is_writable = folder.live.is_dir()
        found = divergence(
            [snapshot for snapshot, _ in folder.snapshots()],
            volume,
            folder.holders(folder.live) if is_writable else None,
        )
        for snapshot in found.snapshots:
            if snapshot != found.newest:
                folder.delete_snapshot(snapshot.number)
        if is_writable:
            make_ordinary(folder.live)
        if found.keeps_live:
            entry = self._trash.prepare(volume.id, volume.name, node, "conflict")
            folder.live.rename(entry.content)
            return entry.aside
        if is_writable:
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

    def _is_part(self, folder: VolumeFolder, volume: Volume) -> bool:
        return all(volume.includes(snapshot) for snapshot, _ in folder.snapshots())
