"""The parts that all subjects of a pool on btrfs work with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from flocker.base import private
from flocker.base.errors import PoolError, StillWanted
from flocker.base.records import Claim
from flocker.btrfs import subvolume
from flocker.btrfs.quotas import Quotas
from flocker.btrfs.writeback import Writeback
from flocker.pool.change_watch import ChangeWatch
from flocker.pool.folders import Folders
from flocker.pool.incoming import Incoming
from flocker.pool.live_copies import LiveCopies
from flocker.pool.protocol import check_epoch
from flocker.pool.references import Names
from flocker.pool.reserve import Reserve
from flocker.pool.sends import Sends
from flocker.pool.sizes import Sizes, more, write_excess
from flocker.pool.trash import Trash
from flocker.pool.volume_folder import VOLUMES, VolumeFolder


class BtrfsParts:
    """The folders, the trash and the counts of one pool; btrfs_pool.py makes the pool of it."""

    def __init__(
        self,
        root: Path,
        is_mounted: Callable[[str], bool] = lambda _: False,
        names: Names | None = None,
    ) -> None:
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
            names=names or Names(),
        )
        self._sends = Sends()
        self._is_mounted = is_mounted

    def writable_path(self, claim: Claim) -> Path:
        folder = self._folders.folder(claim.volume_id)
        stored = folder.epoch()
        if stored is None:
            raise PoolError(f"the pool has no copy of volume {claim.volume_id}")
        check_epoch(claim, stored, "this node's pool")
        if not folder.live.is_dir():
            raise PoolError(f"the pool has no writable copy of volume {claim.volume_id}")
        return folder.live

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
