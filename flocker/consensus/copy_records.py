"""The transactions that say which snapshots are where, and what happened to volumes."""

from __future__ import annotations

from collections.abc import Sequence

from flocker.base.errors import StaleEpoch
from flocker.base.records import Copy, Event, Look, NamedSnapshot, Volume
from flocker.consensus.etcd_wire import Entry, Json, delete, put, read_below
from flocker.consensus.keyspace import (
    copy_key,
    event_key,
    look_key,
    removed_key,
    snapshot_key,
    volume_key,
)
from flocker.consensus.transactions import (
    COPIES_AT_ONCE,
    Transactions,
    again,
    as_readable,
    as_record,
    check_same,
    found_in,
    put_copy,
)

# Etcd takes 128 questions, conditions or changes in a transaction.
TOLD_AT_ONCE = 60  # each with its volume's record and the copy known before


class CopyRecords(Transactions):
    """See Ownership."""

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
            entries = self._read(*keys, *own)
            # The look's own entry is compared too: an older one must not come after a newer.
            seen, changes = entries[len(keys) :], [put(key, look.to_json()) for key in own if look]
            first_ones: dict[str, Json] = {}  # once withdrawn they could be told of again
            for (volume, copy), record, held in zip(
                told, entries[: len(keys) : 2], entries[1 : len(keys) : 2], strict=True
            ):
                present, known = (
                    as_readable(Volume.from_json, record),
                    as_readable(Copy.from_json, held),
                )
                if is_news(volume, copy, present, known):
                    seen += [record, held]
                    changes.append(put_copy(copy))
                    if held.revision == 0:
                        first_ones[record.key] = again(record)
            if not changes or self._commit(seen, [*changes, *first_ones.values()]):
                return

    def withdraw(self, copies: Sequence[Copy]) -> None:
        for first in range(0, len(copies), COPIES_AT_ONCE):
            chunk = copies[first : first + COPIES_AT_ONCE]
            is_made = False
            while not is_made:
                entries = self._read(*(copy_key(copy.volume_id, copy.node) for copy in chunk))
                gone = [
                    entry
                    for copy, entry in zip(chunk, entries, strict=True)
                    if as_readable(Copy.from_json, entry) == copy
                ]
                is_made = not gone or self._commit(gone, [delete(each.key) for each in gone])

    def keep_snapshots(self, kept: Sequence[tuple[Volume, NamedSnapshot, Event]]) -> None:
        keys = [
            key
            for volume, named, _ in kept
            for key in (volume_key(volume.name), snapshot_key(volume.id, named.snapshot))
        ]
        while True:
            entries = self._read(*keys)
            records, places, events = entries[::2], [], []
            for (volume, named, event), record, place in zip(
                kept, records, entries[1::2], strict=True
            ):
                if (there := as_record(NamedSnapshot.from_json, place)) == named:
                    continue
                check_same(record, volume)
                if there is not None and there.snapshot != named.snapshot:
                    raise StaleEpoch(f"volume '{volume.name}' has another such snapshot; try again")
                places.append(put(place.key, named.to_json()))
                events.append(event)
            # One record that is written again keeps all of it from being executed twice.
            if not places or self._commit(entries, [*places, again(records[0])], *events):
                return

    def drop_snapshot(self, snapshot: NamedSnapshot, event: Event) -> None:
        while True:
            [kept] = self._read(snapshot_key(snapshot.volume_id, snapshot.snapshot))
            there = as_record(NamedSnapshot.from_json, kept)
            if there is None or there.snapshot != snapshot.snapshot:
                return
            if self._commit([kept], [delete(kept.key)], event):
                return

    def history(self, volume_id: str | None) -> list[Event]:
        below = "history/" if volume_id is None else f"history/{volume_id}/"
        _, [found] = self._transact([], [read_below(below)])
        events = [as_readable(Event.from_json, Entry.of(stored)) for stored in found_in(found)]
        return sorted((event for event in events if event), key=lambda event: event.at)

    def record(self, event: Event) -> None:
        while True:
            record, left, told = self._read(
                volume_key(event.volume), removed_key(event.volume_id), event_key(event)
            )
            is_removed = record.value is None or record.value["id"] != event.volume_id
            its = left if is_removed else record
            if told.value is not None or its.value is None:
                return  # nothing is told of a volume that was purged
            if self._commit([record, left, told], [again(its)], event):
                return


def is_news(volume: Volume, copy: Copy, recorded: Volume | None, held: Copy | None) -> bool:
    """Tell whether a copy is to be recorded.

    It is not, when the volume was removed or has had another owner since it was looked at. It is
    not either, when the node is known to hold a later part of it: a slow call tells of the past.

    Args:
        volume: its record as it was when the copy was looked at.
        recorded: its record now.
        held: what the node is known to hold now.
    """
    if recorded is None or (recorded.id, recorded.epoch) != (volume.id, volume.epoch):
        return False
    if held is None or not recorded.includes(held.snapshot):
        return True
    return copy != held and copy.snapshot.number >= held.snapshot.number
