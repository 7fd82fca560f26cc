"""The transactions that say by which clients owners reach volumes on a shared storage."""

from __future__ import annotations

from flocker.base.records import Claim, Volume
from flocker.consensus.etcd_wire import Entry, delete, put, read_below
from flocker.consensus.keyspace import session_key, sessions_of, volume_key
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
            changes = [put(held.key, {"addresses": [*known, address]}), again(record)]
            if self._commit([record, held], changes):
                return

    def end_session(self, claim: Claim, address: str) -> None:
        while True:
            [held] = self._read(session_key(claim))
            known = _addresses(held)
            if address not in known:
                return
            left = [each for each in known if each != address]
            change = put(held.key, {"addresses": left}) if left else delete(held.key)
            if self._commit([held], [change]):
                return

    def sessions(self, volume_id: str) -> dict[int, list[str]]:
        _, [found] = self._transact([], [read_below(sessions_of(volume_id))])
        entries = map(Entry.of, found_in(found))
        return {int(each.key.rpartition("/")[2]): _addresses(each) for each in entries}


def _addresses(held: Entry) -> list[str]:
    return as_record(lambda value: [str(each) for each in value["addresses"]], held) or []
