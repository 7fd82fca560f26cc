"""Snapshots of the pool in memory."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from flocker.base.errors import LeavesBehind
from flocker.base.records import Claim, Snapshot
from tests.twins.memory_content import refuse_if_larger
from tests.twins.memory_parts import MemoryParts


class MemorySnapshots(MemoryParts):
    """See PoolSnapshots and PoolChanges."""

    def take_snapshot(self, claim: Claim, *, is_whole: bool = False) -> Snapshot:
        self._change()
        with self._lock:
            self.writable_path(claim)
            inside = self._contents.subvolumes(claim.volume_id)
            if is_whole and inside:
                raise LeavesBehind(inside)
            volume = self._volumes[claim.volume_id]
            self._flush()
            if not self._has_changed(claim.volume_id):
                return volume.known()[-1]
            number = max(volume.snapshots, default=0) + 1
            snapshot = Snapshot(number, str(uuid.uuid4()), claim.epoch)
            volume.snapshots[number] = (snapshot, self._contents.frozen(claim.volume_id))
            return snapshot

    def restore(self, claim: Claim, snapshot: Snapshot, size_bytes: int | None) -> None:
        self._change()
        with self._lock:
            self.writable_path(claim)
            self._refuse_if_wanted(claim.volume_id, claim.epoch)
            held_bytes = self._contents.held_bytes(self._find(claim.volume_id, snapshot))
            refuse_if_larger(held_bytes, size_bytes)
            self._replace_live(claim.volume_id, snapshot, "restored")
            self.limits[claim.volume_id] = size_bytes

    def clone(
        self, source_id: str, snapshot: Snapshot, claim: Claim, size_bytes: int | None
    ) -> None:
        with self._lock:
            self._make(claim, self._find(source_id, snapshot), size_bytes)

    def snapshot_content(self, volume_id: str, number: int) -> bytes:
        """Have a test look into a snapshot."""
        with self._lock:
            return self._content(volume_id, number)[1]

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
