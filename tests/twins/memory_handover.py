"""A pool in memory as owners come and go."""

from __future__ import annotations

from collections.abc import Callable, Collection

from flocker.base.errors import PoolError
from flocker.base.records import Claim, Snapshot, Volume
from flocker.pool.divergence import divergence
from flocker.pool.protocol import Aside
from tests.twins.memory_parts import MemoryParts, StoredVolume


class MemoryHandover(MemoryParts):
    """See PoolHandover."""

    def adopt(self, claim: Claim, snapshot: Snapshot, size_bytes: int | None = None) -> None:
        self._change()
        with self._lock:
            self._refuse_if_wanted(claim.volume_id, claim.epoch)
            self._replace_live(claim.volume_id, snapshot, "conflict")
            self.limits[claim.volume_id] = size_bytes
            self._volumes[claim.volume_id].epoch = claim.epoch

    def put_away(
        self,
        volume: Volume,
        node: str,
        confirm: Callable[[], None],
        kept: Collection[Snapshot] = (),
    ) -> Aside | None:
        self._change()
        with self._lock:
            known = self._volumes.setdefault(volume.id, StoredVolume())
            is_part = all(volume.includes(snapshot) for snapshot in known.known())
            is_there = known.epoch == volume.epoch and not self.has_writable(volume.id) and is_part
            if known.epoch > volume.epoch or is_there:
                return None
            self._refuse_if_wanted(volume.id, None)
            confirm()
            self._flush()
            aside = self._step_back(volume, node, kept)
            known.epoch = volume.epoch
            return aside

    def readmit(self, claim: Claim) -> None:
        self._change()
        with self._lock:
            volume = self._volumes.get(claim.volume_id)
            if volume is None or not self.has_writable(claim.volume_id):
                raise PoolError(f"the pool has no writable copy of volume {claim.volume_id}")
            if volume.epoch > claim.epoch:
                raise PoolError(f"volume {claim.volume_id} is at a later epoch")
            volume.epoch = claim.epoch

    def _step_back(self, volume: Volume, node: str, kept: Collection[Snapshot]) -> Aside | None:
        is_writable = self.has_writable(volume.id)
        known = self._volumes[volume.id]
        here = known.known()
        holders = self._holders(volume.id) if is_writable else None
        found = divergence(here, volume, holders, kept)
        content = None
        if found.newest is not None:
            content = known.snapshots[found.newest.number][1]
        if is_writable:
            live = self._contents.take(volume.id)
            content = live if found.keeps_live else content
        for snapshot in found.snapshots:
            _, was = known.snapshots.pop(snapshot.number)
            if snapshot in found.kept:
                self._put_aside(volume.id, volume.name, node, "conflict", was, None)
        if content is None:
            return None
        return self._put_aside(volume.id, volume.name, node, "conflict", content, None)
