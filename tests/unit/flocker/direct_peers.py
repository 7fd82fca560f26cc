"""Other nodes in memory, called instead of asked over the network."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any

from flocker.base.errors import FlockerError, OwnerAway, TransferFailed
from flocker.base.records import Move, Removed, Snapshot, Volume
from flocker.moving.increments import Increment, Increments, Wanted, decode, encode
from flocker.pool.digest import Digest
from flocker.pool.protocol import Aside
from flocker.volumes.requests import Forwarded

if TYPE_CHECKING:
    from tests.unit.flocker.cluster import Machine, MemoryCluster


class DirectPeers:
    """Peers that are called instead of asked over the network, and refuse the same.

    Args:
        node: who asks them.
    """

    def __init__(self, cluster: MemoryCluster, node: str) -> None:
        self._cluster = cluster
        self._node = node

    def _at(self, node: str, volume: str) -> Machine:
        machine = self._cluster[node]
        if not machine.is_up:
            raise OwnerAway(volume, node, "connection refused")
        return machine

    def _read(self, node: str, volume_id: str) -> Machine:
        machine = self._at(node, volume_id)
        machine.rights.check_reader(volume_id, self._node)
        return machine

    def retired_at(self, node: str) -> str | None:
        return self._at(node, "").rights.retired_at(self._node)

    def check_unused(self, volume: Volume) -> None:
        self._at(volume.owner, volume.name).departures.check_unused(volume.name)

    def prepare(self, volume: Volume) -> Snapshot:
        owner = self._at(volume.owner, volume.name)
        owner.rights.check_target(volume.name, self._node)
        return owner.departures.prepare(volume.name)

    def release(self, volume: Volume, move: Move) -> Snapshot:
        owner = self._at(volume.owner, volume.name)
        owner.rights.check_target(volume.name, self._node)
        return owner.departures.release(volume.name, volume.epoch, move.token)

    def put_away(self, volume: Volume, source: str) -> None:
        if self._cluster[source].is_up:
            with suppress(FlockerError):  # it looks for itself
                self._cluster[source].rights.check_owner(volume.name, self._node)
                self._cluster[source].departures.put_away(volume.name)

    def create(self, node: str, name: str, options: dict[str, str]) -> None:
        self._at(node, name).driver.create(name, options)

    def remove(self, volume: Volume) -> None:
        self._at(volume.owner, volume.name).driver.remove_for_peer(volume.name)

    def discard(self, volume: Volume) -> None:
        for machine in self._cluster.machines.values():
            if machine.is_up and machine.name != volume.owner:
                with suppress(FlockerError):  # nobody waits for the answer
                    machine.rights.check_remover(volume.id, self._node)
                    machine.removed_copies.discard(volume.id)

    def operate(self, node: str, request: Forwarded) -> dict[str, Any]:
        machine = self._at(node, str(request))
        answer: dict[str, Any] = machine.operations.do(request)
        return answer

    def asides(self, node: str) -> list[Aside]:
        return self._at(node, "").operations.recovery.asides()

    def strays(self, node: str) -> list[dict[str, Any]]:
        return self._at(node, "").maintenance.strays_here()

    def purge(self, node: str, removed: list[Removed], references: list[str]) -> dict[str, Any]:
        return self._at(node, "").maintenance.purge_here(removed, references)

    def verify(self, volume: Volume) -> dict[str, Any]:
        return self._at(volume.owner, volume.name).verification.verify(volume.name)

    def digest(
        self, volume_id: str, node: str, snapshot: Snapshot, bytes_per_second: int
    ) -> Digest:
        there = self._read(node, volume_id).verification
        return there.digest_here(volume_id, snapshot, bytes_per_second)

    def snapshots(self, volume_id: str, node: str) -> list[Snapshot]:
        return self._read(node, volume_id).pool.snapshots(volume_id)

    def stream_bytes(
        self, volume_id: str, node: str, wanted: Snapshot, parent: Snapshot | None
    ) -> int:
        pool = self._read(node, volume_id).pool
        return pool.stream_bytes(volume_id, wanted.number, parent.number if parent else None)

    def stream(
        self, volume_id: str, node: str, wanted: Snapshot, parent: Snapshot | None
    ) -> Generator[bytes, None, None]:
        machine = self._read(node, volume_id)
        number = parent.number if parent else None
        for chunk in machine.pool.send(volume_id, wanted.number, number):
            if not machine.is_up:
                raise TransferFailed(f"the stream from {node} broke off")
            yield chunk

    def increments(self, node: str, wanted: Sequence[Wanted]) -> Iterator[Increment]:
        machine = self._at(node, "")
        refusals = machine.rights.refusals([each.volume_id for each in wanted], self._node)
        refused = (Increment(volume_id, error=why) for volume_id, why in refusals.items())
        allowed = [each for each in wanted if each.volume_id not in refusals]
        sending = Increments(machine.pool, machine.retention).send(self._node, allowed)
        for increment in decode(encode(chain(refused, sending)), node, len(wanted)):
            if not machine.is_up:
                raise TransferFailed(f"the stream from {node} broke off")
            yield increment
