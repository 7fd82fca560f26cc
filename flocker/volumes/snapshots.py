"""The snapshots that people ask for: take, list, give up and restore them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

from flocker.base.answered_records import volume_record
from flocker.base.answers import Pruned, Restored, SnapshotList, TakenSnapshot
from flocker.base.errors import (
    BadRequest,
    FlockerError,
    HoldsMore,
    LeavesBehind,
    MoveUnderWay,
    Refused,
    VolumeNotFound,
)
from flocker.base.options import read_reference
from flocker.base.records import ClusterState, NamedSnapshot, Snapshot, Volume, now
from flocker.consensus.ownership import SNAPSHOTS_AT_ONCE, existing
from flocker.moving.publisher import Publisher
from flocker.node.context import NodeContext
from flocker.volumes.moves import PeerOperations
from flocker.volumes.requests import PruneRequest, RestoreRequest, SnapshotRequest

log = logging.getLogger(__name__)

Paused = Callable[[list[str]], AbstractContextManager[None]]


class Snapshots:
    """The snapshots of one node's volumes, and of others' through it.

    Each call returns what can be JSON.

    Args:
        paused: pauses the containers that use any of the volumes while it is entered.
    """

    def __init__(
        self, context: NodeContext, *, publisher: Publisher, peers: PeerOperations, paused: Paused
    ) -> None:
        self._context = context
        self._node = context.node
        self._ownership = context.ownership
        self._pool = context.pool
        self._pools = context.pools
        self._use = context.use
        self._retention = context.retention
        self._publisher = publisher
        self._peers = peers
        self._paused = paused

    def snapshot(self, volumes: list[str], label: str) -> SnapshotList:
        """Take a snapshot of each volume, all at one instant.

        Raises:
            Refused: they are on different nodes, where no instant is the same; or too many.
        """
        records = [existing(self._ownership, name) for name in dict.fromkeys(volumes)]
        if len(records) > SNAPSHOTS_AT_ONCE:
            raise Refused(
                f"at most {SNAPSHOTS_AT_ONCE} volumes can be frozen at one instant, and these are "
                f"{len(records)}"
            )
        owners = {volume.owner for volume in records}
        if len(owners) > 1:
            where = ", ".join(f"'{volume.name}' on {volume.owner}" for volume in records)
            raise Refused(f"only volumes of one node can be frozen at one instant: {where}")
        if owners != {self._node}:
            return self._peers.operate(owners.pop(), SnapshotRequest(volumes=volumes, label=label))
        with self._publisher.holding(records):
            # One volume is frozen at one instant as it is; several only while nothing writes.
            with self._paused(volumes) if len(records) > 1 else nullcontext():
                taken = [(volume, *self._freeze(volume)) for volume in records]
            kept = self._keep(taken, label)
        return {"snapshots": kept}

    def snapshots(self, volume: str | None) -> SnapshotList:
        """The snapshots people asked for, of one volume or of all."""
        state = self._ownership.state()
        if volume is not None and volume not in state.volumes:
            raise VolumeNotFound(volume)
        chosen = [each for each in state.volumes.values() if volume in (None, each.name)]
        return {
            "snapshots": [
                _snapshot(each, named, _holding(each, named, state))
                for each in chosen
                for named in state.named(each)
            ]
        }

    def prune(self, reference: str) -> Pruned:
        """Give up a snapshot somebody took; what was made from it stays.

        Raises:
            Refused: nobody took such a snapshot.
        """
        wanted = read_reference(reference)
        if wanted.number is None:
            raise BadRequest(
                f"'{reference}' names no snapshot: say `flocker prune {wanted.volume}@3`"
            )
        volume = existing(self._ownership, wanted.volume)
        if volume.owner != self._node:
            return self._peers.operate(volume.owner, PruneRequest(reference=reference))
        kept = {each.snapshot.number: each for each in self._ownership.state().named(volume)}
        if wanted.number not in kept:
            raise Refused(
                f"nobody took a snapshot {wanted.number} of volume '{volume.name}'; "
                f"`flocker snapshots {volume.name}` lists its snapshots"
            )
        if volume.is_shared:  # first: if Ceph does not answer, the command can be repeated
            snapshot = kept[wanted.number].snapshot
            self._pools.sharing(volume).drop_snapshot(volume.id, snapshot)
        event = volume.event(self._node, "pruned", reference)
        self._ownership.drop_snapshot(kept[wanted.number], event)
        self._retention.not_wanted(volume.id, wanted.number)
        if not volume.is_shared:  # the other nodes prune theirs when they fetch the next change
            self._pool.prune(
                volume.id, lambda: self._retention.numbers(volume, self._ownership.state())
            )
        return {"reference": reference}

    def restore(self, reference: str) -> Restored:
        """Make a volume what it was; what it is now is kept as a snapshot.

        Raises:
            InUse: a container uses it.
            MoveUnderWay: another node is fetching it.
        """
        wanted = read_reference(reference)
        if wanted.number is None:
            raise BadRequest(
                f"'{reference}' names no snapshot: say `flocker restore {wanted.volume}@3`, or "
                f"`flocker clone {reference} NEW-NAME` for a copy that was put aside"
            )
        volume = existing(self._ownership, wanted.volume)
        if volume.owner != self._node:
            return self._peers.operate(volume.owner, RestoreRequest(reference=reference))
        with self._use.locked(volume):
            self._use.refuse_if_any(volume)
            state = self._ownership.state()
            if move := state.moves.get(volume.id):  # its last snapshot may be taken already
                raise MoveUnderWay(volume.name, move.target)
            snapshot = self._find(volume, wanted.number, state)
            before, taken_at = self._freeze(volume)
            if before not in [named.snapshot for named in state.named(volume)]:
                self._keep([(volume, before, taken_at)], f"before it became {reference}")
            try:
                self._pools.owned(volume).restore(volume.claim, snapshot, volume.size_bytes)
            except HoldsMore as error:
                raise Refused(f"'{reference}' cannot be restored: {error}") from error
        kept_as = f"{volume.name}@{before.number}"
        self._context.record(volume, "restored", f"to {reference}; its former state is {kept_as}")
        return {"volume": volume_record(volume), "kept_as": kept_as}

    def _freeze(self, volume: Volume) -> tuple[Snapshot, str]:
        taken_at = now()
        try:
            snapshot = self._pools.owned(volume).take_snapshot(volume.claim, is_whole=True)
        except LeavesBehind as error:
            raise Refused(f"no snapshot of volume '{volume.name}' was taken: {error}") from error
        self._retention.asked_for(volume.id, snapshot.number)
        return snapshot, taken_at

    def _keep(
        self, taken: Iterable[tuple[Volume, Snapshot, str]], label: str
    ) -> list[TakenSnapshot]:
        """Record all of them or none, and tell the replicas."""
        kept = []
        for volume, snapshot, taken_at in taken:
            why = f"as {volume.name}@{snapshot.number}" + (f": {label}" if label else "")
            named = NamedSnapshot(volume.id, snapshot, taken_at, label)
            kept.append((volume, named, volume.event(self._node, "snapshot", why)))
        self._ownership.keep_snapshots(kept)
        for volume, _, _ in kept:
            self._tell_replicas(volume)
        return [_snapshot(volume, named, [self._node]) for volume, named, _ in kept]

    def _tell_replicas(self, volume: Volume) -> None:
        if volume.replicas:
            try:
                self._publisher.publish(volume)
            except FlockerError as error:  # it is kept, and the next round tells the replicas
                log.warning("snapshots of volume '%s' are late: %s", volume.name, error)

    def _find(self, volume: Volume, number: int, state: ClusterState) -> Snapshot:
        here = self._pools.of(volume).snapshots(volume.id)
        if snapshot := state.numbered(volume, number, here):
            return snapshot
        raise Refused(
            f"{self._node} has no snapshot {number} of volume '{volume.name}'; "
            f"`flocker snapshots {volume.name}` lists its snapshots"
        )


def _holding(volume: Volume, named: NamedSnapshot, state: ClusterState) -> Iterable[str]:
    """The nodes that have it: the owner, and whoever's newest copy came later."""
    copies = state.copies_of(volume)
    later = (node for node, copy in copies.items() if copy.snapshot.number >= named.snapshot.number)
    return sorted({volume.owner, *later})


def _snapshot(volume: Volume, named: NamedSnapshot, nodes: Iterable[str]) -> TakenSnapshot:
    return {
        "volume": volume.name,
        "number": named.snapshot.number,
        "taken_at": named.taken_at,
        "label": named.label,
        "nodes": list(nodes),
    }
