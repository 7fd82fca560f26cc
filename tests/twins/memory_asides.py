"""The copies that the pool in memory has put aside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flocker.base.belief import Belief
from flocker.base.errors import PoolError
from flocker.base.records import Claim
from flocker.pool.protocol import Aside
from tests.twins.memory_content import thaw
from tests.twins.memory_parts import Entry, MemoryParts


class MemoryAsides(MemoryParts):
    """See PoolAsides."""

    def asides(self) -> list[Aside]:
        with self._lock:
            return [entry.aside for entry in self._trash]

    def clone_aside(self, reference: str, claim: Claim, size_bytes: int | None) -> None:
        with self._lock:
            self._make(claim, _newest_of(self._entry(reference)), size_bytes)

    def discard(
        self,
        volume_id: str,
        volume: str,
        node: str,
        belief: Belief,
        *,
        unless_writable: bool = False,
    ) -> None:
        self._change()
        with self._lock:
            if unless_writable and self.has_writable(volume_id):
                return
            if volume_id in self._volumes:
                self._refuse_if_wanted(volume_id, belief.epoch)
                belief.confirm()
            removed = self._volumes.pop(volume_id, None)
            if removed is not None and (removed.snapshots or self.has_writable(volume_id)):
                is_writable = self.has_writable(volume_id)
                content = self._contents.take(volume_id) if is_writable else None
                self._put_aside(volume_id, volume, node, "removed", content, removed)

    def reclaim(self, volume_id: str, confirm: Callable[[], None]) -> bool:
        self._change()
        with self._lock:
            here = self._volumes.get(volume_id)
            removed = [
                entry
                for entry in self._trash
                if entry.aside.volume_id == volume_id and entry.volume is not None
            ]
            if not removed or self.has_writable(volume_id) or (here and here.snapshots):
                return False
            confirm()
            entry = max(removed, key=lambda each: each.volume.epoch if each.volume else 0)
            self._trash.remove(entry)
            assert entry.volume is not None
            self._volumes[volume_id] = entry.volume
            if entry.content is not None:
                self._contents.make(volume_id, entry.content)
            return True

    def unpack_aside(self, reference: str, folder: Path) -> None:
        """Have a test look into what was put aside."""
        thaw(self.aside_content(reference), folder)

    def aside_content(self, reference: str) -> bytes:
        """Have a test look into what was put aside, whatever kind of contents it is."""
        with self._lock:
            return _newest_of(self._entry(reference))

    def purge_aside(self, reference: str) -> None:
        with self._lock:
            self._trash.remove(self._entry(reference))

    def drop_if_empty(self, volume_id: str, confirm: Callable[[], None]) -> bool:
        with self._lock:
            if self.snapshots(volume_id) or not self._contents.is_empty(volume_id):
                return False
            self._refuse_if_wanted(volume_id, None)
            confirm()
            if self.has_writable(volume_id):
                self._contents.take(volume_id)
            self._volumes.pop(volume_id, None)
            return True

    def _entry(self, reference: str) -> Entry:
        for entry in self._trash:
            if entry.aside.reference == reference:
                return entry
        raise PoolError(f"no copy {reference} was put aside in this node's pool")


def _newest_of(entry: Entry) -> bytes:
    """The writable copy, or else the newest snapshot."""
    if entry.content is not None:
        return entry.content
    assert entry.volume is not None
    return entry.volume.snapshots[max(entry.volume.snapshots)][1]
