"""The transactions by which nodes come, stay and are forgotten."""

from __future__ import annotations

import threading

from flocker.base.errors import ControlPlaneAway, Refused
from flocker.base.records import Look, Node
from flocker.consensus.etcd_wire import Entry, Json, Members, delete, put, voters
from flocker.consensus.keyspace import (
    FORMAT,
    FORMAT_KEY,
    look_key,
    machine_key,
    node_key,
    refused_key,
    retired_key,
    seen_key,
)
from flocker.consensus.naming import not_admitted, too_old, was_retired
from flocker.consensus.transactions import COPIES_AT_ONCE, Transactions, as_record, authority_of


class NodeRecords(Transactions):
    """See Ownership."""

    def __init__(self, members: Members, lease_seconds: int) -> None:
        super().__init__(members, lease_seconds)
        self._announced: int | None = None  # the lease of the last announcement
        # Say that the node's name belongs to this machine, and that it knows the others' records.
        self._admission: tuple[Entry, ...] = ()
        self._announcing = threading.Lock()

    def announce(self, node: Node, look: Look | None = None, *, may_replace: bool = False) -> bool:
        with self._announcing:
            while True:
                admission = self._admission or self._join(node, may_replace=may_replace)
                if self._lease is None or not self._renew(self._lease):
                    question = {"TTL": self._lease_seconds}
                    self._lease = int(self._members.ask("/lease/grant", question)["ID"])
                alive = put(node_key(node.name), node.to_json(), self._lease)
                seen = put(seen_key(node.name), {"at": self._now()})
                # A look that comes late says less than the newest, and nothing that is not so.
                looked = [] if look is None else [put(look_key(look.node), look.to_json())]
                if self._commit(admission, [alive, seen, *looked]):
                    break
                self._admission = ()  # the node was forgotten or replaced, or is too old by now
            self._admission = admission
            is_new = self._lease != self._announced
            self._announced = self._lease
            return is_new

    def _join(self, node: Node, *, may_replace: bool) -> tuple[Entry, ...]:
        """The records by which this machine is part of the cluster; made if they may be."""
        [form] = self._read(FORMAT_KEY)
        number = as_record(lambda value: int(value["number"]), form)
        if number is not None and number > FORMAT:
            self._lease = None
            raise too_old(node, number)
        return self._take_name(node, may_replace=may_replace), form

    def _take_name(self, node: Node, *, may_replace: bool) -> Entry:
        """The record by which the node's name belongs to this machine; made if it may be."""
        while True:
            name, alive, retired = self._read(
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
            former = authority_of(name) if is_ours else ""
            authority = node.authority or former
            mine = {"id": node.machine, "address": node.address, "authority": authority}
            if name.value == mine:
                return name
            changes = [put(name.key, mine)]
            if former != authority:
                changes += self._refuse(node.name, former)
            self._commit([name, alive, retired], changes)

    def _renew(self, lease: int) -> bool:
        """True if the lease was renewed; a lease that has run out cannot be."""
        return int(self._members.ask("/lease/keepalive", {"ID": lease}).get("TTL", 0)) > 0

    def forget_node(self, name: str) -> None:
        while True:
            alive, seen, machine, retired = self._read(
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
                changes += self._refuse(name, authority_of(machine))
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

    def voters(self) -> int:
        answer = self._members.ask("/cluster/member/list", {})
        return voters(answer)
