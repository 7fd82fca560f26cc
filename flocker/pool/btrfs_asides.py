"""Take a volume's data out of its place in a pool on btrfs, and bring it back.

Nothing is taken that a process has mounted, or that is of a later epoch than the caller knows.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable

from flocker.base.belief import Belief
from flocker.base.errors import BeingSent
from flocker.base.records import Claim
from flocker.btrfs import subvolume
from flocker.pool.btrfs_parts import BtrfsParts
from flocker.pool.live_copies import make_ordinary
from flocker.pool.protocol import Aside
from flocker.pool.reserve import works_when_full
from flocker.pool.volume_folder import VolumeFolder


class BtrfsAsides(BtrfsParts):
    """See PoolAsides."""

    def asides(self) -> list[Aside]:
        return [entry.aside for entry in self._trash.entries()]

    def clone_aside(self, reference: str, claim: Claim, size_bytes: int | None) -> None:
        content = self._trash.find(reference).content
        source = content if subvolume.exists(content) else VolumeFolder(content).newest()
        self._make(claim, source, size_bytes)

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
        with self._folders.locked(volume_id) as folder:
            if not folder.path.is_dir() or (unless_writable and folder.live.is_dir()):
                return
            self._refuse_if_wanted(folder, belief.epoch)
            belief.confirm()
            self._incoming.call_off(volume_id, lambda _: True)
            if folder.has_data:
                if folder.live.is_dir():
                    make_ordinary(folder.live)
                with self._trash.place(volume_id, volume, node, "removed") as entry:
                    folder.path.rename(entry.content)
                # Nobody waits for the data any more, so a loss is no error of the removal. But it
                # is counted, and shown as the pool's trouble.
                self._writeback.write_out()
            else:  # only an epoch to remember
                shutil.rmtree(folder.path)

    @works_when_full
    def reclaim(self, volume_id: str, confirm: Callable[[], None]) -> bool:
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
        volume_id = self._trash.find(reference).aside.volume_id
        with self._folders.locked(volume_id):  # not while a removed volume is taken back
            entry = self._trash.find(reference)
            try:
                self._trash.drop(entry)
            except BeingSent:  # nobody has a use for what another node still reads of it
                self._sends.end(volume_id)
                self._trash.drop(entry)

    def drop_if_empty(self, volume_id: str, confirm: Callable[[], None]) -> bool:
        with self._folders.locked(volume_id) as folder:
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
