"""Snapshots of the pool in memory on their way between nodes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Generator, Iterable, Sequence

from flocker.base.errors import (
    FlockerError,
    LostWrites,
    StreamRefused,
    TransferFailed,
)
from flocker.base.records import Snapshot
from flocker.pool.digest import Digest
from flocker.pool.local_pool import Staged
from tests.twins.memory_parts import MemoryParts, StoredVolume

SNAPSHOTS_KEPT = 3


class MemoryShipping(MemoryParts):
    """See PoolShipping."""

    def stream_bytes(self, volume_id: str, number: int, parent: int | None) -> int:
        against = len(self._content(volume_id, parent)[1]) if parent is not None else 0
        return abs(len(self._content(volume_id, number)[1]) - against)

    def send(self, volume_id: str, number: int, parent: int | None) -> Generator[bytes, None, None]:
        sent, content = self._content(volume_id, number)
        against = "-" if parent is None else self._content(volume_id, parent)[0].identity
        yield f"{sent.identity} {against} {len(content)}\n".encode()
        yield content

    def receive(
        self, volume_id: str, snapshot: Snapshot, parent: Snapshot | None, stream: Iterable[bytes]
    ) -> None:
        [error] = self.settle([self.stage(volume_id, snapshot, parent, b"".join(stream))])
        if error is not None:
            raise error

    def small_stream(
        self, volume_id: str, number: int, parent: int, most_bytes: int
    ) -> bytes | None:
        stream = b"".join(self.send(volume_id, number, parent))
        return stream if len(stream) <= most_bytes else None

    def stage(
        self, volume_id: str, snapshot: Snapshot, parent: Snapshot | None, stream: bytes
    ) -> Staged:
        self._add()
        here = self.snapshots(volume_id)
        if parent is not None and parent not in here:
            raise TransferFailed(f"snapshot {snapshot.number} cannot be built: no such parent")
        if any(each.number == snapshot.number for each in here):
            raise TransferFailed(f"another snapshot {snapshot.number} is here already")
        head, _, content = stream.partition(b"\n")
        expected = f"{snapshot.identity} {parent.identity if parent else '-'} {len(content)}"
        if head.decode(errors="replace") != expected:
            raise TransferFailed(f"the stream is not snapshot {snapshot.number}")
        if self.refuses_all or (self.refuses_increments and parent is not None):
            raise StreamRefused(f"snapshot {snapshot.number} cannot be applied here")
        staged = Staged(volume_id, snapshot)
        self._staged[volume_id, snapshot.number] = content
        return staged

    def settle(self, staged: Sequence[Staged]) -> list[FlockerError | None]:
        arrived = [
            (each, self._staged.pop((each.volume_id, each.snapshot.number))) for each in staged
        ]
        try:
            self._flush()
        except LostWrites as error:
            return [error] * len(arrived)
        with self._lock:
            for each, content in arrived:
                volume = self._volumes.setdefault(each.volume_id, StoredVolume())
                volume.snapshots[each.snapshot.number] = (each.snapshot, content)
        return [None] * len(arrived)

    def digest(self, volume_id: str, number: int, bytes_per_second: int) -> Digest:  # noqa: ARG002
        content = self._content(volume_id, number)[1]
        return Digest(hashlib.sha256(content).hexdigest(), 1, len(content))

    def damage(self, volume_id: str, content: bytes = b"damaged") -> None:
        """Have the newest snapshot hold something else, as a disk that lies does."""
        known = self._volumes[volume_id].snapshots
        known[max(known)] = (known[max(known)][0], content)

    def prune(self, volume_id: str, keep: Callable[[], Collection[int]]) -> None:
        with self._lock:
            kept = keep()
            held = self._holders(volume_id) if self.has_writable(volume_id) else []
            for snapshot in self.snapshots(volume_id)[:-SNAPSHOTS_KEPT]:
                if snapshot.number not in kept and snapshot not in held:
                    del self._volumes[volume_id].snapshots[snapshot.number]
