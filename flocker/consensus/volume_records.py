"""The transactions that make, change and take away the records of volumes; promotions, too."""

from __future__ import annotations

import threading
import uuid

from flocker.base.errors import Refused
from flocker.base.records import Copy, Event, Removed, Volume
from flocker.consensus.etcd_wire import Members, delete, delete_below, none_newer, put
from flocker.consensus.keyspace import (
    CREATIONS,
    mount_key,
    move_key,
    node_key,
    removed_key,
    seen_key,
    volume_key,
)
from flocker.consensus.transactions import (
    Transactions,
    as_record,
    check_current,
    check_stays,
    check_unmoved,
    check_unused,
    put_copies,
)

_IS_THERE = (
    "volume '{volume.name}' is owned by {volume.owner}, which is there; "
    "`flocker move {volume.name}` brings it without losing anything"
)


class VolumeRecords(Transactions):
    """See Ownership."""

    def __init__(self, members: Members, lease_seconds: int) -> None:
        super().__init__(members, lease_seconds)
        self._creating = threading.Lock()  # each creation makes all others look again

    def volume(self, name: str) -> Volume | None:
        [record] = self._read(volume_key(name))
        return as_record(Volume.from_json, record)

    def removed(self, volume_id: str) -> Removed | None:
        [record] = self._read(removed_key(volume_id))
        return as_record(Removed.from_json, record)

    def create(self, volume: Volume, event: Event) -> Volume:
        with self._creating:
            while True:
                record, left, last, owner = self._read(
                    volume_key(volume.name),
                    removed_key(volume.id),
                    CREATIONS,
                    node_key(volume.owner),
                )
                there = as_record(Volume.from_json, record) or self._twin(volume)
                if there is not None:
                    return there
                if left.value is not None:
                    raise Refused(f"volume '{volume.name}' was removed; `flocker trash` lists it")
                if not _is_new(volume):
                    check_stays(owner, volume)
                changes = [put(record.key, volume.to_json()), put(last.key, {"id": volume.id})]
                if self._commit([record, left, last, owner], changes, event):
                    return volume

    def end_creations(self) -> None:
        with self._creating:
            ended = {"token": str(uuid.uuid4())}
            while True:
                [last] = self._read(CREATIONS)
                if last.value == ended or self._commit([last], [put(last.key, ended)]):
                    return

    def _twin(self, volume: Volume) -> Volume | None:
        """The record that the volume has under another name; a new volume has none."""
        if _is_new(volume):
            return None
        volumes = self.state().volumes.values()
        return next((each for each in volumes if each.id == volume.id), None)

    def change(self, volume: Volume, changed: Volume, event: Event) -> None:
        while True:
            [record] = self._read(volume_key(volume.name))
            if as_record(Volume.from_json, record) == changed:
                return
            check_current(record, volume)
            if self._commit([record], [put(record.key, changed.to_json())], event):
                return

    def advance(self, volume: Volume, newer: Volume, event: Event) -> None:
        while True:
            record, mount, move, owner = self._read(
                volume_key(volume.name),
                mount_key(volume.id),
                move_key(volume.id),
                node_key(newer.owner),
            )
            if as_record(Volume.from_json, record) == newer:
                return
            check_current(record, volume)
            if mount.value is not None and mount.value["node"] != newer.owner:
                check_unused(mount, volume)
            check_unmoved(move, volume)
            check_stays(owner, newer)
            seen = [record, mount, move, owner]
            if self._commit(seen, [put(record.key, newer.to_json())], event):
                return

    def remove(self, volume: Volume, event: Event) -> None:
        removed = Removed(volume, event.at)
        while True:
            record, mount, move, left = self._read(
                volume_key(volume.name),
                mount_key(volume.id),
                move_key(volume.id),
                removed_key(volume.id),
            )
            if as_record(Removed.from_json, left) == removed:
                return
            check_current(record, volume)
            check_unused(mount, volume)
            check_unmoved(move, volume)
            changes = [delete(record.key), put(left.key, removed.to_json())]
            if self._commit([record, mount, move, left], changes, event):
                return

    def undelete(self, removed: Removed, volume: Volume, event: Event) -> None:
        while True:
            record, left, owner = self._read(
                volume_key(volume.name), removed_key(removed.volume.id), node_key(volume.owner)
            )
            if left.value is None and as_record(Volume.from_json, record) == volume:
                return
            if as_record(Removed.from_json, left) != removed:
                raise Refused(
                    f"volume '{removed.volume.name}' is not among the removed ones any more; "
                    "`flocker trash` lists them"
                )
            if record.value is not None:
                raise Refused(
                    f"there is a volume '{volume.name}' already; remove that first, then try again"
                )
            check_stays(owner, volume)
            changes = [put(record.key, volume.to_json()), delete(left.key)]
            if self._commit([record, left, owner], changes, event):
                return

    def purge(self, removed: Removed) -> None:
        volume_id = removed.volume.id
        while True:
            [left] = self._read(removed_key(volume_id))
            if as_record(Removed.from_json, left) != removed:
                return
            below = (
                f"{kind}/{volume_id}/" for kind in ("copies", "snapshots", "sessions", "history")
            )
            if self._commit([left], [delete(left.key), *map(delete_below, below)]):
                return

    def promote(self, volume: Volume, copy: Copy, event: Event) -> Volume:
        promoted = volume.promoted_on(copy.node, copy.snapshot)
        while True:
            record, owner, mount = self._read(
                volume_key(volume.name), node_key(volume.owner), mount_key(volume.id)
            )
            if as_record(Volume.from_json, record) == promoted:
                return promoted
            check_current(record, volume)
            gives_up = volume.failover == "auto" and (owner.value or {}).get("gives_up")
            if owner.value is not None and volume.owner != copy.node and not gives_up:
                raise Refused(_IS_THERE.format(volume=volume))
            if mount.value is not None and mount.value["node"] != copy.node:
                check_unused(mount, volume)  # so the lease that it ends with is alive
            changes = [
                put(record.key, promoted.to_json()),
                delete(mount.key),  # of an owner that lost its copy
                delete(move_key(volume.id)),
                *put_copies(volume, copy),
            ]
            if self._commit([record, owner, mount], changes, event):
                return promoted

    def promote_shared(self, volume: Volume, node: str, event: Event) -> Volume:
        promoted = volume.owned_by(node, None)
        while True:
            record, owner, mount = self._read(
                volume_key(volume.name), node_key(volume.owner), mount_key(volume.id)
            )
            if as_record(Volume.from_json, record) == promoted:
                return promoted
            check_current(record, volume)
            if owner.value is not None:
                raise Refused(_IS_THERE.format(volume=volume))
            changes = [
                put(record.key, promoted.to_json()),
                delete(mount.key),
                delete(move_key(volume.id)),
            ]
            if self._commit([record, owner, mount], changes, event):
                return promoted

    def forget_volume(self, volume: Volume, event: Event) -> None:
        while True:
            record, owner = self._read(volume_key(volume.name), seen_key(volume.owner))
            if record.value is None:
                return
            check_current(record, volume)
            held, revision = self._copies(volume.id)
            if owner.value is not None or any(it.node != volume.owner for _, it in held):
                raise Refused(
                    f"the data of volume '{volume.name}' may come back; nothing was forgotten"
                )
            changes = [
                delete(record.key),
                delete(mount_key(volume.id)),
                delete(move_key(volume.id)),
                *(delete_below(f"{kind}/{volume.id}/") for kind in ("copies", "snapshots")),
            ]
            no_other = none_newer(f"copies/{volume.id}/", revision)
            if self._commit([record, owner], changes, event, also=[no_other]):
                return


def _is_new(volume: Volume) -> bool:
    """Tell whether nobody can have a copy of it yet."""
    return volume.epoch == 1
