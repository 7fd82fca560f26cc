"""Writable volumes of the pool in memory, and their sizes."""

from __future__ import annotations

from flocker.base.errors import LeavesBehind
from flocker.base.records import Claim, Volume
from tests.twins.memory_content import refuse_if_larger
from tests.twins.memory_parts import MemoryParts


class MemoryVolumes(MemoryParts):
    """See PoolVolumes."""

    def create(self, claim: Claim, size_bytes: int | None = None) -> None:
        with self._lock:
            self._make(claim, None, size_bytes)

    def writable_ids(self) -> set[str]:
        return {each for each in self.volume_ids() if self.has_writable(each)}

    def volume_ids(self) -> list[str]:
        with self._lock:
            return sorted(self._volumes)

    def problem(self, volume_id: str) -> str | None:
        inside = self._contents.subvolumes(volume_id)
        return str(LeavesBehind(inside)) if inside else None

    def set_size(self, claim: Claim, size_bytes: int | None) -> None:
        with self._lock:
            self.writable_path(claim)
            refuse_if_larger(self._held_bytes(claim.volume_id), size_bytes)
            self.limits[claim.volume_id] = size_bytes

    def used_bytes(self, volume_id: str) -> int | None:
        with self._lock:
            if not self._counts:
                return None
            if self.has_writable(volume_id):
                return self._held_bytes(volume_id)
            known = self.snapshots(volume_id)
            if not known:
                return None
            return self._contents.held_bytes(self._content(volume_id, known[-1].number)[1])

    def contain(self, claim: Claim) -> None:
        self.writable_path(claim)

    def prepare_sizes(self) -> None:
        self._counts = True

    def keep_record(self, volume: Volume) -> None:
        self._change()
        with self._lock:
            self._records[volume.id] = volume

    def record(self, volume_id: str) -> Volume | None:
        return self._records.get(volume_id)

    def _held_bytes(self, volume_id: str) -> int:
        return self._contents.held_bytes(self._contents.frozen(volume_id))
