"""Ownership kept in etcd: every change is one compare-and-swap transaction.

What a change depends on is read first, compared with what it is meant to be, and the
change is made only if none of it has changed since. If something has, all of that is done
again, and so it is when an answer got lost on the way: a change that was made already is
then found to be made.

A transaction may be executed twice, or long after it was asked: a member that gave no answer
continues when it can. So each transaction changes something that it compares, and cannot succeed
again after that. Mounts and moves come and go, so their absence is not enough: the volume's record
is then written again unchanged.

Longer than 300 lines because it implements the whole interface of ownership.py.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from flocker.base.config import Certificates
from flocker.base.errors import (
    ControlPlaneAway,
    InUse,
    MoveCancelled,
    MoveUnderWay,
    Refused,
    StaleEpoch,
)
from flocker.base.records import (
    ClusterState,
    Copy,
    Event,
    Look,
    Move,
    NamedSnapshot,
    Node,
    Removed,
    Snapshot,
    Volume,
    now,
)
from flocker.consensus import etcd_watch
from flocker.consensus.etcd_wire import (
    LEASE_OVER,
    Entry,
    Json,
    Members,
    bound_to,
    delete,
    delete_below,
    key_of,
    newest_keys,
    none_newer,
    put,
    read,
    read_below,
    voters,
)
from flocker.consensus.keyspace import (
    CREATIONS,
    copy_key,
    event_key,
    look_key,
    machine_key,
    mount_key,
    move_key,
    node_key,
    refused_key,
    removed_key,
    retired_key,
    seen_key,
    snapshot_key,
    volume_key,
)
from flocker.consensus.naming import not_admitted, was_retired
from flocker.consensus.ownership import is_news

log = logging.getLogger(__name__)

EVENTS_KEPT = 100  # of one volume
# Etcd takes 128 questions, conditions or changes in a transaction.
COPIES_AT_ONCE = 100
TOLD_AT_ONCE = 60  # each with its volume's record and the copy known before

Record = TypeVar("Record")


class EtcdOwnership:
    """Ownership as one node sees it, through any of `endpoints` that answers.

    Args:
        endpoints: `http(s)://host:port`, the nearest first.
        lease_seconds: how long the node counts as alive after its last `announce`.
        certificates: for https; None for plain http.
    """

    def __init__(
        self, endpoints: list[str], lease_seconds: int, certificates: Certificates | None
    ) -> None:
        self._members = Members(endpoints, certificates)
        self._lease_seconds = lease_seconds
        self._lease: int | None = None
        self._announced: int | None = None  # the lease of the last announcement
        self._name: Entry | None = None  # says that the node's name belongs to this machine
        self._announcing = threading.Lock()
        self._creating = threading.Lock()  # each creation makes all others look again

    def state(self) -> ClusterState:
        return etcd_watch.read_tables(self._members)[0].state()

    def follow(self, stopping: threading.Event) -> Iterator[ClusterState]:
        return etcd_watch.follow(self._members, stopping)

    def volume(self, name: str) -> Volume | None:
        [record] = self._look(volume_key(name))
        return _as(Volume.from_json, record)

    def removed(self, volume_id: str) -> Removed | None:
        [record] = self._look(removed_key(volume_id))
        return _as(Removed.from_json, record)

    def move(self, volume_id: str) -> Move | None:
        [record] = self._look(move_key(volume_id))
        return _as(Move.from_json, record)

    def create(self, volume: Volume, event: Event) -> Volume:
        with self._creating:
            while True:
                record, left, last = self._look(
                    volume_key(volume.name), removed_key(volume.id), CREATIONS
                )
                there = _as(Volume.from_json, record) or self._twin(volume)
                if there is not None:
                    return there
                if left.value is not None:
                    raise Refused(f"volume '{volume.name}' was removed; `flocker trash` lists it")
                changes = [put(record.key, volume.to_json()), put(last.key, {"id": volume.id})]
                if self._commit([record, left, last], changes, event):
                    return volume

    def end_creations(self) -> None:
        with self._creating:
            ended = {"token": str(uuid.uuid4())}
            while True:
                [last] = self._look(CREATIONS)
                if last.value == ended or self._commit([last], [put(last.key, ended)]):
                    return

    def _twin(self, volume: Volume) -> Volume | None:
        """The record that the volume has under another name; a new volume has none."""
        if volume.epoch == 1:
            return None
        volumes = self.state().volumes.values()
        return next((each for each in volumes if each.id == volume.id), None)

    def change(self, volume: Volume, changed: Volume, event: Event) -> None:
        while True:
            [record] = self._look(volume_key(volume.name))
            if _as(Volume.from_json, record) == changed:
                return
            _check_current(record, volume)
            if self._commit([record], [put(record.key, changed.to_json())], event):
                return

    def advance(self, volume: Volume, newer: Volume, event: Event) -> None:
        while True:
            record, mount, move = self._look(
                volume_key(volume.name), mount_key(volume.id), move_key(volume.id)
            )
            if _as(Volume.from_json, record) == newer:
                return
            _check_current(record, volume)
            if mount.value is not None and mount.value["node"] != newer.owner:
                _check_unused(mount, volume)
            _check_unmoved(move, volume)
            if self._commit([record, mount, move], [put(record.key, newer.to_json())], event):
                return

    def remove(self, volume: Volume, event: Event) -> None:
        removed = Removed(volume, event.at)
        while True:
            record, mount, move, left = self._look(
                volume_key(volume.name),
                mount_key(volume.id),
                move_key(volume.id),
                removed_key(volume.id),
            )
            if _as(Removed.from_json, left) == removed:
                return
            _check_current(record, volume)
            _check_unused(mount, volume)
            _check_unmoved(move, volume)
            changes = [delete(record.key), put(left.key, removed.to_json())]
            if self._commit([record, mount, move, left], changes, event):
                return

    def undelete(self, removed: Removed, volume: Volume, event: Event) -> None:
        while True:
            record, left = self._look(volume_key(volume.name), removed_key(removed.volume.id))
            if left.value is None and _as(Volume.from_json, record) == volume:
                return
            if _as(Removed.from_json, left) != removed:
                raise Refused(
                    f"volume '{removed.volume.name}' is not among the removed ones any more; "
                    "`flocker trash` lists them"
                )
            if record.value is not None:
                raise Refused(
                    f"there is a volume '{volume.name}' already; remove that first, then try again"
                )
            changes = [put(record.key, volume.to_json()), delete(left.key)]
            if self._commit([record, left], changes, event):
                return

    def purge(self, removed: Removed) -> None:
        volume_id = removed.volume.id
        while True:
            [left] = self._look(removed_key(volume_id))
            if _as(Removed.from_json, left) != removed:
                return
            below = (f"{kind}/{volume_id}/" for kind in ("copies", "snapshots", "history"))
            if self._commit([left], [delete(left.key), *map(delete_below, below)]):
                return

    def mount(self, volume: Volume) -> None:
        lease = self._current_lease()
        alive = bound_to(node_key(volume.owner), lease)
        # Each call makes another mount of it, which a late unmount of an earlier one does not end.
        token = str(uuid.uuid4())
        value = {"id": volume.id, "node": volume.owner, "name": volume.name, "token": token}
        while True:
            record, mount, move, node = self._look(
                volume_key(volume.name),
                mount_key(volume.id),
                move_key(volume.id),
                node_key(volume.owner),
            )
            if mount.value == value:
                return
            _check_current(record, volume)
            if _is_locked(move):
                _check_unmoved(move, volume)
            if node.lease != lease:  # others take this node for lost
                raise ControlPlaneAway(LEASE_OVER)
            changes = [put(mount.key, value, lease), _again(record)]
            if self._commit([record, mount, move], changes, also=[alive]):
                return

    def unmount(self, volume: Volume) -> None:
        while True:
            [mount] = self._look(mount_key(volume.id))
            if mount.value is None or mount.value["node"] != volume.owner:
                return
            if self._commit([mount], [delete(mount.key)]):
                return

    def begin_move(self, volume: Volume, target: str) -> Move:
        return self._reserve(volume, target, is_locked=False)

    def start_move(self, volume: Volume, target: str) -> Move:
        return self._reserve(volume, target, is_locked=True)

    def _reserve(self, volume: Volume, target: str, *, is_locked: bool) -> Move:
        # The lease that is alive now is part of the move: a later one is another move.
        lease = self._current_lease()
        token = str(uuid.uuid4())
        move = Move(volume.id, volume.owner, target, token, is_locked=is_locked)
        while True:
            record, mount, current = self._look(
                volume_key(volume.name), mount_key(volume.id), move_key(volume.id)
            )
            if _is_of(current, move):
                return move
            _check_current(record, volume)
            if is_locked:
                _check_unused(mount, volume)
            if current.value is None or current.value["target"] != target:
                _check_unmoved(current, volume)
            changes = [put(current.key, move.to_json(), lease), _again(record)]
            if self._commit([record, mount, current], changes):
                return move

    def lock_move(self, volume: Volume, move: Move) -> Move:
        lease = self._current_lease()
        locked = replace(move, is_locked=True)
        while True:
            record, mount, current = self._look(
                volume_key(volume.name), mount_key(volume.id), move_key(volume.id)
            )
            _check_current(record, volume)
            if not _is_of(current, move):
                raise MoveCancelled(volume.name, move.target)
            if _is_locked(current):
                return locked
            _check_unused(mount, volume)
            if self._commit([record, mount, current], [put(current.key, locked.to_json(), lease)]):
                return locked

    def report_move(self, move: Move) -> bool:
        [current] = self._look(move_key(move.volume_id))
        if not _is_of(current, move):
            return False
        said = replace(move, is_locked=_is_locked(current))
        self._commit([current], [put(current.key, said.to_json(), self._current_lease())])
        return True

    def finish_move(self, volume: Volume, move: Move, base: Snapshot, event: Event) -> Volume:
        moved = volume.owned_by(move.target, base)
        while True:
            record, mount, current = self._look(
                volume_key(volume.name), mount_key(volume.id), move_key(volume.id)
            )
            there = _as(Volume.from_json, record)
            if there == moved:
                return moved
            is_current = _is_of(current, move) and _is_locked(current)
            if there != volume or mount.value is not None or not is_current:
                raise StaleEpoch(f"the move of volume '{volume.name}' has expired; try again")
            ends = [Copy(volume.id, node, base, event.at) for node in (move.source, move.target)]
            changes = [
                put(record.key, moved.to_json()),
                delete(current.key),
                *_put_copies(volume, *ends),
            ]
            if self._commit([record, mount, current], changes, event):
                return moved

    def abandon_move(self, move: Move) -> None:
        while True:
            [current] = self._look(move_key(move.volume_id))
            if not _is_of(current, move) or self._commit([current], [delete(current.key)]):
                return

    def promote(self, volume: Volume, copy: Copy, event: Event) -> Volume:
        promoted = volume.promoted_on(copy.node, copy.snapshot)
        while True:
            record, owner, mount = self._look(
                volume_key(volume.name), node_key(volume.owner), mount_key(volume.id)
            )
            if _as(Volume.from_json, record) == promoted:
                return promoted
            _check_current(record, volume)
            gives_up = volume.failover == "auto" and (owner.value or {}).get("gives_up")
            if owner.value is not None and volume.owner != copy.node and not gives_up:
                raise Refused(
                    f"volume '{volume.name}' is owned by {volume.owner}, which is there; "
                    f"`flocker move {volume.name}` brings it without losing anything"
                )
            if mount.value is not None and mount.value["node"] != copy.node:
                _check_unused(mount, volume)  # so the lease that it ends with is alive
            changes = [
                put(record.key, promoted.to_json()),
                delete(mount.key),  # of an owner that lost its copy
                delete(move_key(volume.id)),
                *_put_copies(volume, copy),
            ]
            if self._commit([record, owner, mount], changes, event):
                return promoted

    def publish(self, told: Sequence[tuple[Volume, Copy]], look: Look | None = None) -> None:
        for first in range(0, len(told) or 1, TOLD_AT_ONCE):
            is_last = first + TOLD_AT_ONCE >= len(told)
            self._publish(told[first : first + TOLD_AT_ONCE], look if is_last else None)

    def _publish(self, told: Sequence[tuple[Volume, Copy]], look: Look | None) -> None:
        keys = [
            key
            for volume, copy in told
            for key in (volume_key(volume.name), copy_key(copy.volume_id, copy.node))
        ]
        own = [] if look is None else [look_key(look.node)]
        while True:
            entries = self._look(*keys, *own)
            # The look's own entry is compared too: an older one must not come after a newer.
            seen, changes = entries[len(keys) :], [put(key, look.to_json()) for key in own if look]
            first_ones: dict[str, Json] = {}  # once withdrawn they could be told of again
            for (volume, copy), record, held in zip(
                told, entries[: len(keys) : 2], entries[1 : len(keys) : 2], strict=True
            ):
                present, known = _as(Volume.from_json, record), _as(Copy.from_json, held)
                if is_news(volume, copy, present, known):
                    seen += [record, held]
                    changes.append(_put_copy(copy))
                    if held.revision == 0:
                        first_ones[record.key] = _again(record)
            if not changes or self._commit(seen, [*changes, *first_ones.values()]):
                return

    def withdraw(self, copies: Sequence[Copy]) -> None:
        for first in range(0, len(copies), COPIES_AT_ONCE):
            chunk = copies[first : first + COPIES_AT_ONCE]
            is_made = False
            while not is_made:
                entries = self._look(*(copy_key(copy.volume_id, copy.node) for copy in chunk))
                gone = [
                    entry
                    for copy, entry in zip(chunk, entries, strict=True)
                    if _as(Copy.from_json, entry) == copy
                ]
                is_made = not gone or self._commit(gone, [delete(each.key) for each in gone])

    def keep_snapshot(self, volume: Volume, snapshot: NamedSnapshot, event: Event) -> None:
        while True:
            record, kept = self._look(
                volume_key(volume.name), snapshot_key(volume.id, snapshot.snapshot)
            )
            there = _as(NamedSnapshot.from_json, kept)
            if there == snapshot:
                return
            _check_same(record, volume)
            if there is not None and there.snapshot != snapshot.snapshot:
                raise StaleEpoch(f"volume '{volume.name}' has another such snapshot; try again")
            changes = [put(kept.key, snapshot.to_json()), _again(record)]
            if self._commit([record, kept], changes, event):
                return

    def drop_snapshot(self, snapshot: NamedSnapshot, event: Event) -> None:
        while True:
            [kept] = self._look(snapshot_key(snapshot.volume_id, snapshot.snapshot))
            there = _as(NamedSnapshot.from_json, kept)
            if there is None or there.snapshot != snapshot.snapshot:
                return
            if self._commit([kept], [delete(kept.key)], event):
                return

    def voters(self) -> int:
        answer = self._members.ask("/cluster/member/list", {})
        return voters(answer)

    def history(self, volume_id: str | None) -> list[Event]:
        below = "history/" if volume_id is None else f"history/{volume_id}/"
        _, [found] = self._transact([], [read_below(below)])
        events = [_as(Event.from_json, Entry.of(stored)) for stored in _stored(found)]
        return sorted((event for event in events if event), key=lambda event: event.at)

    def record(self, event: Event) -> None:
        while True:
            record, left, told = self._look(
                volume_key(event.volume), removed_key(event.volume_id), event_key(event)
            )
            is_removed = record.value is None or record.value["id"] != event.volume_id
            its = left if is_removed else record
            if told.value is not None or its.value is None:
                return  # nothing is told of a volume that was purged
            if self._commit([record, left, told], [_again(its)], event):
                return

    def forget_volume(self, volume: Volume, event: Event) -> None:
        while True:
            record, owner = self._look(volume_key(volume.name), seen_key(volume.owner))
            if record.value is None:
                return
            _check_current(record, volume)
            held, revision = self._copies(volume.id)
            if owner.value is not None or any(it.node != volume.owner for _, it in held):
                raise Refused(f"volume '{volume.name}' may still be had; nothing was forgotten")
            changes = [
                delete(record.key),
                delete(mount_key(volume.id)),
                delete(move_key(volume.id)),
                *(delete_below(f"{kind}/{volume.id}/") for kind in ("copies", "snapshots")),
            ]
            no_other = none_newer(f"copies/{volume.id}/", revision)
            if self._commit([record, owner], changes, event, also=[no_other]):
                return

    def forget_node(self, name: str) -> None:
        while True:
            alive, seen, machine, retired = self._look(
                node_key(name), seen_key(name), machine_key(name), retired_key(name)
            )
            if alive.value is not None:
                raise Refused(f"{name} is up; only a node that is gone can be forgotten")
            held = [entry for entry, copy in self._copies()[0] if copy.node == name]
            now_gone = held[:COPIES_AT_ONCE]
            changes = [delete(entry.key) for entry in now_gone]
            if not held[COPIES_AT_ONCE:]:  # last: until then a repetition finds the rest
                changes += [delete(key) for key in (seen.key, machine.key, look_key(name))]
                changes.append(put(retired.key, retired.value or {"at": self._now()}))
                changes += self._refuse(name, _authority(machine))
            is_made = self._commit([alive, seen, machine, retired, *now_gone], changes)
            if is_made and not held[COPIES_AT_ONCE:]:
                break
        self._remove_member(name)

    def _refuse(self, node: str, authority: str) -> list[Json]:
        """Have etcd let in nobody who shows an authority that signed for a node, if it is known."""
        refusal = {"node": node, "at": self._now()}
        return [put(refused_key(authority), refusal)] if authority else []

    def _remove_member(self, name: str) -> None:
        """Take away a node's member of etcd: the others would go on sending it all records."""
        for member in self._members_of(name):
            try:
                self._members.ask("/cluster/member/remove", {"ID": member["ID"]})
            except ControlPlaneAway as error:
                if self._members_of(name):  # unless it was done, and only the answer got lost
                    raise Refused(
                        f"{name} is retired, but is still a member of etcd: {error}; "
                        f"type `flocker forget {name}` again"
                    ) from error

    def _members_of(self, name: str) -> list[Json]:
        answer = self._members.ask("/cluster/member/list", {})
        return [member for member in answer["members"] if member.get("name") == name]

    def _copies(self, volume_id: str = "") -> tuple[list[tuple[Entry, Copy]], int]:
        """The copies of one volume or of all, and the revision they are of."""
        below = f"copies/{volume_id}/" if volume_id else "copies/"
        question = {"compare": [], "success": [read_below(below)]}
        answer = self._members.ask("/kv/txn", question)
        entries = [Entry.of(stored) for stored in _stored(answer["responses"][0])]
        copies = [(entry, copy) for entry in entries if (copy := _as(Copy.from_json, entry))]
        return copies, int(answer["header"]["revision"])

    def announce(self, node: Node, look: Look | None = None, *, may_replace: bool = False) -> bool:
        with self._announcing:
            while True:
                name = self._name or self._take_name(node, may_replace=may_replace)
                if self._lease is None or not self._renew(self._lease):
                    question = {"TTL": self._lease_seconds}
                    self._lease = int(self._members.ask("/lease/grant", question)["ID"])
                alive = put(node_key(node.name), node.to_json(), self._lease)
                seen = put(seen_key(node.name), {"at": self._now()})
                # A look that comes late says less than the newest, and nothing that is not so.
                looked = [] if look is None else [put(look_key(look.node), look.to_json())]
                if self._commit([name], [alive, seen, *looked]):
                    break
                self._name = None  # the node was forgotten, or another machine has replaced it
            self._name = name
            is_new = self._lease != self._announced
            self._announced = self._lease
            return is_new

    def _now(self) -> str:
        """This node's time."""
        return now()

    def _take_name(self, node: Node, *, may_replace: bool) -> Entry:
        """The record by which the node's name belongs to this machine; made if it may be."""
        while True:
            name, alive, retired = self._look(
                machine_key(node.name), node_key(node.name), retired_key(node.name)
            )
            if retired.value is not None:
                self._lease = None
                raise was_retired(node.name, retired.value["at"])
            is_ours = name.value is not None and name.value["id"] == node.machine
            is_free = name.value is None or may_replace
            if not is_ours and (alive.value is not None or not is_free):
                self._lease = None
                known = alive.value or name.value
                raise not_admitted(node, known["address"], is_up=alive.value is not None)
            # Of this machine: another one, whose place it takes, has to read in etcd that it did.
            former = _authority(name) if is_ours else ""
            authority = node.authority or former
            mine = {"id": node.machine, "address": node.address, "authority": authority}
            if name.value == mine:
                return name
            changes = [put(name.key, mine)]
            if former != authority:
                changes += self._refuse(node.name, former)
            self._commit([name, alive, retired], changes)

    def _renew(self, lease: int) -> bool:
        """Whether the lease goes on; it does not once it has run out."""
        return int(self._members.ask("/lease/keepalive", {"ID": lease}).get("TTL", 0)) > 0

    def _current_lease(self) -> int:
        if self._lease is None:
            raise ControlPlaneAway(
                "this node is not part of the cluster at the moment: it has no lease in etcd; "
                "`systemctl status etcd` on the nodes tells more"
            )
        return self._lease

    def _look(self, *keys: str) -> list[Entry]:
        """Read keys as they are at one instant."""
        _, found = self._transact([], [read(key) for key in keys])
        return [
            next((Entry.of(stored) for stored in _stored(answer)), Entry(key, None, 0))
            for key, answer in zip(keys, found, strict=True)
        ]

    def _commit(
        self,
        seen: Sequence[Entry],
        changes: Sequence[Json],
        event: Event | None = None,
        *,
        also: Sequence[Json] = (),
    ) -> bool:
        """Make all changes if what was seen is still so; whether it was.

        Args:
            also: more conditions.
        """
        conditions = [*(entry.unchanged for entry in seen), *also]
        if event is None:
            return self._transact(conditions, changes)[0]
        below = f"history/{event.volume_id}/"
        told = [put(event_key(event), event.to_json()), newest_keys(below, EVENTS_KEPT + 1)]
        is_made, answers = self._transact(conditions, [*changes, *told])
        if is_made:
            self._trim(below, _stored(answers[-1]))
        return is_made

    def _trim(self, below: str, newest: list[Json]) -> None:
        """Delete events that are too many; `newest` are those to keep, and one more."""
        if len(newest) > EVENTS_KEPT:
            last = Entry(key_of(newest[-1]), None, int(newest[-1]["mod_revision"]))
            try:
                self._commit([last], [delete_below(below, up_to=last.key)])
            except ControlPlaneAway as error:
                # The change itself is made; the next one trims.
                log.info("old events were not deleted: %s", error)

    def _transact(
        self, conditions: Sequence[Json], operations: Sequence[Json]
    ) -> tuple[bool, list[Json]]:
        question = {"compare": list(conditions), "success": list(operations)}
        answer = self._members.ask("/kv/txn", question)
        return bool(answer.get("succeeded")), answer.get("responses", [])


def _stored(answer: Json) -> list[Json]:
    """What a read among the operations of a transaction has found."""
    found: list[Json] = answer["response_range"].get("kvs", [])
    return found


def _as(reader: Callable[[Json], Record], entry: Entry) -> Record | None:
    """The record at a key; None when there is none."""
    if entry.revision == 0:
        return None
    try:
        return reader(entry.value)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ControlPlaneAway(
            f"etcd holds a record that this version of flocker cannot read, {entry.key}: {error!r}"
        ) from error


def _authority(machine: Entry) -> str:
    """The authority that signs for a machine; empty if it has told none."""
    return str((machine.value or {}).get("authority", ""))


def _again(record: Entry) -> Json:
    """The same record, so that its revision is another."""
    return put(record.key, record.value)


def _put_copy(copy: Copy) -> Json:
    return put(copy_key(copy.volume_id, copy.node), copy.to_json())


def _put_copies(volume: Volume, *copies: Copy) -> list[Json]:
    """Not for a volume without replicas, whose owner never says when they are out of date."""
    return [_put_copy(copy) for copy in copies] if volume.replicas > 0 else []


def _is_of(current: Entry, move: Move) -> bool:
    there = _as(Move.from_json, current)
    return there is not None and there.token == move.token


def _is_locked(current: Entry) -> bool:
    there = _as(Move.from_json, current)
    return there is not None and there.is_locked


def _check_current(record: Entry, volume: Volume) -> None:
    if _as(Volume.from_json, record) != volume:
        raise StaleEpoch(f"volume '{volume.name}' has changed; try again")


def _check_same(record: Entry, volume: Volume) -> None:
    """That the volume is there and has the same owner."""
    there = _as(Volume.from_json, record)
    if there is None or (there.id, there.epoch) != (volume.id, volume.epoch):
        raise StaleEpoch(f"volume '{volume.name}' has changed; try again")


def _check_unused(mount: Entry, volume: Volume) -> None:
    if mount.value is not None:
        raise InUse(volume.name, mount.value["node"], [])


def _check_unmoved(move: Entry, volume: Volume) -> None:
    if move.value is not None:
        raise MoveUnderWay(volume.name, move.value["target"])
