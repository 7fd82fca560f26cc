"""Writable volumes in a pool on btrfs, and their sizes."""

from __future__ import annotations

from flocker.base.errors import LeavesBehind, PoolError
from flocker.base.records import Claim, Volume
from flocker.btrfs import nested, subvolume
from flocker.pool.btrfs_parts import BtrfsParts
from flocker.pool.sizes import excess_of, more

NOTHING_MORE = 1  # the least that a subvolume can be limited to, in bytes


class BtrfsVolumes(BtrfsParts):
    """See PoolVolumes."""

    def create(self, claim: Claim, size_bytes: int | None = None) -> None:
        self._make(claim, None, size_bytes)

    def has_writable(self, volume_id: str) -> bool:
        return self._folders.folder(volume_id).live.is_dir()

    def writable_ids(self) -> set[str]:
        return self._folders.writable_ids()

    def volume_ids(self) -> list[str]:
        return self._folders.ids()

    def problem(self, volume_id: str) -> str | None:
        live = self._folders.folder(volume_id).live
        folders = nested.names_inside(live) if live.is_dir() else []
        return str(LeavesBehind(folders)) if folders else None

    def set_size(self, claim: Claim, size_bytes: int | None) -> None:
        with self._folders.locked(claim.volume_id) as folder:
            live = self.writable_path(claim)
            limit = more(size_bytes, excess_of(folder))
            if not self._sizes.is_kept_to(live, limit):
                subvolume.sync(self._folders.top)  # what is only in memory is not counted yet
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

    def keep_record(self, volume: Volume) -> None:
        with self._folders.locked(volume.id) as folder:
            if folder.path.is_dir():
                folder.write_record(volume)

    def record(self, volume_id: str) -> Volume | None:
        return self._folders.folder(volume_id).record()
