"""The transactions of mounts and moves: while the one is there, the other is not."""

from __future__ import annotations

import uuid
from dataclasses import replace

from flocker.base.errors import ControlPlaneAway, MoveCancelled, StaleEpoch
from flocker.base.records import Copy, Event, Move, Snapshot, Volume
from flocker.consensus.etcd_wire import LEASE_OVER, bound_to, delete, put
from flocker.consensus.keyspace import mount_key, move_key, node_key, volume_key
from flocker.consensus.transactions import (
    Transactions,
    again,
    as_record,
    check_current,
    check_unmoved,
    check_unused,
    is_locked,
    is_of,
    put_copies,
)


class MoveRecords(Transactions):
    """See Ownership."""

    def move(self, volume_id: str) -> Move | None:
        [record] = self._read(move_key(volume_id))
        return as_record(Move.from_json, record)

    def mount(self, volume: Volume) -> None:
        lease = self._current_lease()
        alive = bound_to(node_key(volume.owner), lease)
        # Each call makes another mount of it, which a late unmount of an earlier one does not end.
        token = str(uuid.uuid4())
        value = {"id": volume.id, "node": volume.owner, "name": volume.name, "token": token}
        while True:
            record, mount, move, node = self._read(
                volume_key(volume.name),
                mount_key(volume.id),
                move_key(volume.id),
                node_key(volume.owner),
            )
            if mount.value == value:
                return
            check_current(record, volume)
            if is_locked(move):
                check_unmoved(move, volume)
            if node.lease != lease:  # others take this node for lost
                raise ControlPlaneAway(LEASE_OVER)
            changes = [put(mount.key, value, lease), again(record)]
            if self._commit([record, mount, move], changes, also=[alive]):
                return

    def unmount(self, volume: Volume) -> None:
        while True:
            [mount] = self._read(mount_key(volume.id))
            if mount.value is None or mount.value["node"] != volume.owner:
                return
            if self._commit([mount], [delete(mount.key)]):
                return

    def begin_move(self, volume: Volume, target: str) -> Move:
        # The lease that is alive now is part of the move: a later one is another move.
        lease = self._current_lease()
        token = str(uuid.uuid4())
        move = Move(volume.id, volume.owner, target, token, is_locked=False)
        while True:
            record, mount, current = self._read(
                volume_key(volume.name), mount_key(volume.id), move_key(volume.id)
            )
            if is_of(current, move):
                return move
            check_current(record, volume)
            if current.value is None or current.value["target"] != target:
                check_unmoved(current, volume)
            changes = [put(current.key, move.to_json(), lease), again(record)]
            if self._commit([record, mount, current], changes):
                return move

    def lock_move(self, volume: Volume, move: Move) -> Move:
        lease = self._current_lease()
        locked = replace(move, is_locked=True)
        while True:
            record, mount, current = self._read(
                volume_key(volume.name), mount_key(volume.id), move_key(volume.id)
            )
            check_current(record, volume)
            if not is_of(current, move):
                raise MoveCancelled(volume.name, move.target)
            if is_locked(current):
                return locked
            check_unused(mount, volume)
            if self._commit([record, mount, current], [put(current.key, locked.to_json(), lease)]):
                return locked

    def report_move(self, move: Move) -> bool:
        [current] = self._read(move_key(move.volume_id))
        if not is_of(current, move):
            return False
        reported = replace(move, is_locked=is_locked(current))
        self._commit([current], [put(current.key, reported.to_json(), self._current_lease())])
        return True

    def finish_move(
        self, volume: Volume, move: Move, base: Snapshot | None, event: Event
    ) -> Volume:
        moved = volume.owned_by(move.target, base)
        while True:
            record, mount, current = self._read(
                volume_key(volume.name), mount_key(volume.id), move_key(volume.id)
            )
            there = as_record(Volume.from_json, record)
            if there == moved:
                return moved
            is_current = is_of(current, move) and is_locked(current)
            if there != volume or mount.value is not None or not is_current:
                raise StaleEpoch(f"the move of volume '{volume.name}' has expired; try again")
            both = (move.source, move.target)
            ends = [Copy(volume.id, node, base, event.at) for node in both] if base else []
            changes = [
                put(record.key, moved.to_json()),
                delete(current.key),
                *put_copies(volume, *ends),
            ]
            if self._commit([record, mount, current], changes, event):
                return moved

    def abandon_move(self, move: Move) -> None:
        while True:
            [current] = self._read(move_key(move.volume_id))
            if not is_of(current, move) or self._commit([current], [delete(current.key)]):
                return
