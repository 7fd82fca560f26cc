"""The form of every change in etcd: read, compare, and change only what is still the same.

A change first reads the records that it depends on and compares them with what they are meant
to be. It is made only if none of them has changed since. Otherwise, and when an answer got lost
on the way, all of that is done again: a change that was made already is then found to be made.

A transaction may be executed twice, or long after it was asked: a member that gave no answer
continues when it can. So each transaction changes something that it compares, and cannot succeed
again after that. Mounts and moves come and go, so their absence is not enough: the volume's record
is then written again unchanged.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from flocker.base.errors import ControlPlaneAway, InUse, MoveUnderWay, Refused, StaleEpoch
from flocker.base.records import ClusterState, Copy, Event, Move, Volume, now
from flocker.consensus import etcd_watch
from flocker.consensus.etcd_wire import (
    Entry,
    Json,
    Members,
    delete_below,
    key_of,
    newest_keys,
    put,
    read,
    read_below,
)
from flocker.consensus.keyspace import copy_key, event_key

log = logging.getLogger(__name__)

EVENTS_KEPT = 100  # of one volume
# Etcd takes 128 questions, conditions or changes in a transaction.
COPIES_AT_ONCE = 100

Record = TypeVar("Record")


class Transactions:
    """Transactions of one node, through any member that answers.

    Args:
        members: of etcd.
        lease_seconds: how long the node counts as alive after its last `announce`.
    """

    def __init__(self, members: Members, lease_seconds: int) -> None:
        self._members = members
        self._lease_seconds = lease_seconds
        self._lease: int | None = None

    def state(self) -> ClusterState:
        return etcd_watch.read_tables(self._members)[0].state()

    def follow(self, stopping: threading.Event) -> Iterator[ClusterState]:
        return etcd_watch.follow(self._members, stopping)

    def _current_lease(self) -> int:
        if self._lease is None:
            raise ControlPlaneAway(
                "this node is not part of the cluster at the moment: it has no lease in etcd; "
                "`systemctl status etcd` on the nodes tells more"
            )
        return self._lease

    def _copies(self, volume_id: str = "") -> tuple[list[tuple[Entry, Copy]], int]:
        """The copies of one volume or of all, and the revision they are of."""
        below = f"copies/{volume_id}/" if volume_id else "copies/"
        question = {"compare": [], "success": [read_below(below)]}
        answer = self._members.ask("/kv/txn", question)
        entries = [Entry.of(stored) for stored in found_in(answer["responses"][0])]
        copies = [(entry, copy) for entry in entries if (copy := as_record(Copy.from_json, entry))]
        return copies, int(answer["header"]["revision"])

    def _now(self) -> str:
        """This node's time."""
        return now()

    def _read(self, *keys: str) -> list[Entry]:
        """Read keys as they are at one instant."""
        _, found = self._transact([], [read(key) for key in keys])
        return [
            next((Entry.of(stored) for stored in found_in(answer)), Entry(key, None, 0))
            for key, answer in zip(keys, found, strict=True)
        ]

    def _commit(
        self,
        seen: Sequence[Entry],
        changes: Sequence[Json],
        *events: Event,
        also: Sequence[Json] = (),
    ) -> bool:
        """Make all changes if what was seen is still so; whether it was.

        Args:
            events: of different volumes.
            also: more conditions.
        """
        conditions = [*(entry.unchanged for entry in seen), *also]
        below = [f"history/{event.volume_id}/" for event in events]
        told = [put(event_key(event), event.to_json()) for event in events]
        newest = [newest_keys(each, EVENTS_KEPT + 1) for each in below]
        is_made, answers = self._transact(conditions, [*changes, *told, *newest])
        if is_made:
            for each, answer in zip(below, answers[len(changes) + len(told) :], strict=True):
                self._trim(each, found_in(answer))
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


def found_in(answer: Json) -> list[Json]:
    """The result of a read among the operations of a transaction."""
    found: list[Json] = answer["response_range"].get("kvs", [])
    return found


def as_record(reader: Callable[[Json], Record], entry: Entry) -> Record | None:
    """The record at a key; None when there is none."""
    if entry.revision == 0:
        return None
    try:
        return reader(entry.value)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ControlPlaneAway(
            f"etcd holds a record that this version of flocker cannot read, {entry.key}: {error!r}"
        ) from error


def as_readable(reader: Callable[[Json], Record], entry: Entry) -> Record | None:
    """The record at a key; None when there is none that can be read.

    For records of which many are read or written at once: one must not stand in the way of others.
    """
    try:
        return as_record(reader, entry)
    except ControlPlaneAway as error:
        log.warning("%s", error)
        return None


def authority_of(machine: Entry) -> str:
    """The authority that signs for a machine; empty if it has told none."""
    return str((machine.value or {}).get("authority", ""))


def again(record: Entry) -> Json:
    """The same record, so that its revision is another."""
    return put(record.key, record.value)


def put_copy(copy: Copy) -> Json:
    """Record a copy."""
    return put(copy_key(copy.volume_id, copy.node), copy.to_json())


def put_copies(volume: Volume, *copies: Copy) -> list[Json]:
    """Not for a volume without replicas, whose owner never says when they are out of date."""
    return [put_copy(copy) for copy in copies] if volume.replicas > 0 else []


def is_of(current: Entry, move: Move) -> bool:
    """Tell whether the move at a key is that very move."""
    there = as_record(Move.from_json, current)
    return there is not None and there.token == move.token


def is_locked(current: Entry) -> bool:
    """Tell whether the move at a key has its volume locked."""
    there = as_record(Move.from_json, current)
    return there is not None and there.is_locked


def check_current(record: Entry, volume: Volume) -> None:
    """Refuse if the record is not the volume as it is given."""
    if as_record(Volume.from_json, record) != volume:
        raise StaleEpoch(f"volume '{volume.name}' has changed; try again")


def check_same(record: Entry, volume: Volume) -> None:
    """That the volume is there and has the same owner."""
    there = as_record(Volume.from_json, record)
    if there is None or (there.id, there.epoch) != (volume.id, volume.epoch):
        raise StaleEpoch(f"volume '{volume.name}' has changed; try again")


def check_stays(owner: Entry, volume: Volume) -> None:
    """Refuse if others would take the volume over at once, and continue from their own copies.

    Args:
        owner: the record of the volume's owner.
    """
    if not volume.is_fenced:
        return
    if owner.value is None:
        why = "whose lease has ended"
    elif owner.value.get("gives_up"):
        why = "which gives up such volumes"
    else:
        return
    raise Refused(
        f"volume '{volume.name}' has failover=auto, and other nodes would take it over from "
        f"{volume.owner}, {why}; try again in a few seconds"
    )


def check_unused(mount: Entry, volume: Volume) -> None:
    """Refuse if the volume is mounted."""
    if mount.value is not None:
        raise InUse(volume.name, mount.value["node"], [])


def check_unmoved(move: Entry, volume: Volume) -> None:
    """Refuse if the volume is on its way somewhere."""
    if move.value is not None:
        raise MoveUnderWay(volume.name, move.value["target"])
