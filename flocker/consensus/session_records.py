"""The transactions that say by which clients nodes reach volumes on a shared storage."""

from __future__ import annotations

from flocker.base.records import Claim, Volume
from flocker.consensus.etcd_wire import Entry, Json, delete, put, read_below
from flocker.consensus.keyspace import (
    NODES,
    ROOTS,
    root_key,
    session_key,
    sessions_of,
    volume_key,
)
from flocker.consensus.transactions import Transactions, again, as_record, check_same, found_in


class SessionRecords(Transactions):
    """See AgreedSessions."""

    def begin_session(self, volume: Volume, address: str) -> None:
        while True:
            record, held = self._read(volume_key(volume.name), session_key(volume.claim))
            check_same(record, volume)
            known = _addresses(held)
            if address in known:
                return
            changes = [_with(held, address), again(record)]
            if self._commit([record, held], changes):
                return

    def end_session(self, claim: Claim, address: str) -> None:
        while True:
            [held] = self._read(session_key(claim))
            known = _addresses(held)
            if address not in known:
                return
            change = delete(held.key) if known == [address] else _without(held, address)
            if self._commit([held], [change]):
                return

    def sessions(self, volume_id: str) -> dict[int, list[str]]:
        _, [found] = self._transact([], [read_below(sessions_of(volume_id))])
        entries = map(Entry.of, found_in(found))
        return {int(_last(each)): _addresses(each) for each in entries}

    def begin_root(self, node: str, address: str) -> None:
        while True:
            [held] = self._read(root_key(node))
            if address in _addresses(held) or self._commit([held], [_with(held, address)]):
                return

    def end_root(self, node: str, address: str) -> None:
        while True:  # the key stays: an absence that comes again would let a late `begin` in
            [held] = self._read(root_key(node))
            if address not in _addresses(held) or self._commit([held], [_without(held, address)]):
                return

    def root(self, node: str) -> list[str]:
        [held] = self._read(root_key(node))
        return _addresses(held)

    def lost_roots(self) -> dict[str, list[str]]:
        _, [roots, alive] = self._transact([], [read_below(ROOTS), read_below(NODES)])
        up = {_last(Entry.of(each)) for each in found_in(alive)}
        held = {_last(entry): _addresses(entry) for entry in map(Entry.of, found_in(roots))}
        return {node: known for node, known in held.items() if known and node not in up}


def _last(entry: Entry) -> str:
    """The last part of a key."""
    return entry.key.rpartition("/")[2]


def _with(held: Entry, address: str) -> Json:
    """Record one more address at a key."""
    return put(held.key, {"addresses": [*_addresses(held), address]})


def _without(held: Entry, address: str) -> Json:
    """Record one address less at a key."""
    return put(held.key, {"addresses": [each for each in _addresses(held) if each != address]})


def _addresses(held: Entry) -> list[str]:
    return as_record(lambda value: [str(each) for each in value["addresses"]], held) or []
