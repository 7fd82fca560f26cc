"""Snapshots of the pool in memory."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from flocker.base.errors import LeavesBehind
from flocker.base.records import Claim, Snapshot
from tests.twins.memory_content import (
    frozen,
    held_bytes,
    refuse_if_larger,
    subvolumes,
)
from tests.twins.memory_parts import MemoryParts


class MemorySnapshots(MemoryParts):
    """See PoolSnapshots and PoolChanges."""

    def take_snapshot(self, claim: Claim, *, is_whole: bool = False) -> Snapshot:
        self._change()
        with self._lock:
            inside = subvolumes(self.writable_path(claim))
            if is_whole and inside:
                raise LeavesBehind(inside)
            volume = self._volumes[claim.volume_id]
            self._flush()
            if not self._has_changed(claim.volume_id):
                return volume.known()[-1]
            number = max(volume.snapshots, default=0) + 1
            snapshot = Snapshot(number, str(uuid.uuid4()), claim.epoch)
            volume.snapshots[number] = (snapshot, frozen(self._live(claim.volume_id)))
            return snapshot

    def restore(self, claim: Claim, snapshot: Snapshot, size_bytes: int | None) -> None:
        self._change()
        with self._lock:
            self.writable_path(claim)
            refuse_if_larger(held_bytes(self._find(claim.volume_id, snapshot)), size_bytes)
            self._replace_live(claim.volume_id, snapshot, "restored")

    def clone(
        self, source_id: str, snapshot: Snapshot, claim: Claim, size_bytes: int | None
    ) -> None:
        with self._lock:
            self._make(claim, self._find(source_id, snapshot), size_bytes)

    def changed_volumes(self, claims: Collection[Claim]) -> list[Claim]:
        with self._lock:
            return [claim for claim in claims if self._has_changed(claim.volume_id)]

    def is_held_back(self, volume_id: str) -> bool:  # noqa: ARG002 - no deletion takes time here
        return False

    def holder(self, volume_id: str) -> str | None:
        with self._lock:
            known = self.snapshots(volume_id)
            if not known or not self.has_writable(volume_id) or self._has_changed(volume_id):
                return None
            return known[-1].identity
