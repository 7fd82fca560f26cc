"""A storage in memory that all nodes of a test reach, for tests only.

Late writes of a former owner's client are not stopped here, because they go to a real
directory. A test asks whether its address is blocked. A node whose own client is blocked mounts
anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import count
from pathlib import Path
from typing import Any, cast

from flocker.base.belief import Belief
from flocker.base.errors import ControlPlaneAway, PoolError, PoolHangs, StaleEpoch
from flocker.base.records import Claim, Snapshot
from flocker.pool.in_time import ASKS_NOBODY
from flocker.pool.protocol import Usage
from flocker.pool.references import Names
from flocker.pool.remote_pool import RecordedSessions, RemotePool
from tests.twins.memory_asides import MemoryAsides
from tests.twins.memory_snapshots import MemorySnapshots
from tests.twins.memory_volumes import MemoryVolumes


class MemoryStorage(MemoryVolumes, MemorySnapshots, MemoryAsides):
    """The data of all volumes.

    Attributes:
        blocked: the addresses of clients that can write no more.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.blocked: set[str] = set()
        self.prepare_sizes()

    def way(
        self, names: Names, records: RecordedSessions, is_mounted: Callable[[str], bool]
    ) -> RemotePool:
        """A node's way to it, see WayToStorage."""
        return cast(RemotePool, WayToStorage(MemoryRemotePool(names, self, records, is_mounted)))

    def _has_changed(self, volume_id: str) -> bool:  # noqa: ARG002 - each snapshot is a new one
        return True


class MemoryRemotePool(MemoryVolumes, MemorySnapshots, MemoryAsides):
    """One node's way to the storage, with its clients.

    Attributes:
        root_address: of the node's own client; None before the first call.
        unflushed: ids of the volumes whose clients cannot be ended.
    """

    _addresses = count(1)

    def __init__(
        self,
        names: Names,
        storage: MemoryStorage,
        records: RecordedSessions,
        is_mounted: Callable[[str], bool],
    ) -> None:
        super().__init__(storage.root, is_mounted)
        own = {"_is_mounted": is_mounted, "_names": names}
        vars(self).update({**vars(storage), **own})
        self._storage = storage
        self._clients: dict[str, tuple[Claim, str]] = {}
        self._client_records = records
        self.root_address: str | None = None
        self.unflushed: set[str] = set()

    def mount_root(self) -> None:
        """Have the node's own client, which is recorded before it is used."""
        if self.root_address is not None and self.root_address not in self._storage.blocked:
            return
        try:
            for former in self._client_records.root():
                self._storage.blocked.add(former)
                self._client_records.end_root(former)
            address = f"{self._names.node}:{next(self._addresses)}"
            self._client_records.begin_root(address)
        except ControlPlaneAway as error:
            raise PoolError(f"this node's mount of Ceph cannot be recorded: {error}") from error
        self.root_address = address

    def address(self, volume_id: str) -> str:
        """The address of this node's client of a volume."""
        return self._clients[volume_id][1]

    def writable_path(self, claim: Claim) -> Path:
        path = super().writable_path(claim)
        if claim.volume_id in self._clients and self._clients[claim.volume_id][0] != claim:
            self.close(claim.volume_id)
        if claim.volume_id not in self._clients:
            address = f"{self._names.node}:{next(self._addresses)}"
            self._client_records.begin(claim, address)
            self._clients[claim.volume_id] = claim, address
        return path

    def problem(self, volume_id: str) -> str | None:
        return None if self.has_writable(volume_id) else "it is not there"

    def epoch(self, volume_id: str) -> int | None:
        return self._volume(volume_id).epoch if self.has_writable(volume_id) else None

    def keep_out(self, addresses: Collection[str]) -> None:
        self._storage.blocked.update(addresses)

    def take_over(self, claim: Claim, former: Mapping[int, Collection[str]]) -> None:
        stored = self.epoch(claim.volume_id)
        if stored is not None and stored > claim.epoch:
            raise StaleEpoch(f"volume {claim.volume_id} is at epoch {stored} already")
        for epoch, addresses in former.items():
            if epoch < claim.epoch:
                self._storage.blocked.update(addresses)
        if stored is not None:
            self._volumes[claim.volume_id].epoch = claim.epoch

    def mountpoint(self, volume_id: str) -> Path | None:
        return self._contents.path(volume_id) if volume_id in self._clients else None

    def opened(self) -> list[Claim]:
        return [claim for claim, _ in self._clients.values()]

    def close(self, volume_id: str) -> None:
        if volume_id in self.unflushed:
            raise PoolError("the storage takes nothing")
        if volume_id in self._clients:
            claim, address = self._clients.pop(volume_id)
            self._client_records.end(claim, address)

    def discard(
        self,
        volume_id: str,
        volume: str,
        node: str,
        belief: Belief,
        *,
        unless_writable: bool = False,
    ) -> None:
        super().discard(volume_id, volume, node, belief, unless_writable=unless_writable)
        self.close(volume_id)

    def cut_off(self, volume_id: str) -> None:
        self.unflushed.discard(volume_id)

    def drop_snapshot(self, volume_id: str, snapshot: Snapshot) -> None:
        self._volume(volume_id).snapshots.pop(snapshot.number, None)

    def usage(self) -> Usage:
        return Usage(used_bytes=0, total_bytes=1 << 30, free_bytes=1 << 30)

    def await_deletions(self, seconds: float) -> None:
        pass

    def make_reserve(self) -> None:
        pass

    def trouble(self) -> str | None:
        return None

    def _has_changed(self, volume_id: str) -> bool:  # noqa: ARG002 - each snapshot is a new one
        return True

    def _holders(self, volume_id: str) -> list[Snapshot]:  # noqa: ARG002 - it is never asked
        return []


class WayToStorage:
    """A node's way to the storage, which a test can cut."""

    def __init__(self, pool: MemoryRemotePool) -> None:
        self.pool = pool
        self.is_away = False

    def __getattr__(self, call: str) -> Any:
        if call not in ASKS_NOBODY:
            if self.is_away:
                raise PoolHangs(f"Ceph does not answer ({call})")
            self.pool.mount_root()
        return getattr(self.pool, call)
