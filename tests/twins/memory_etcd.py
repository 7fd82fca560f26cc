"""An etcd in memory, for tests only: transactions, leases and revisions as the real one has them.

It takes the same questions, so the rules in etcd.py run on it unchanged. A question may be
executed late or twice, as when a member that was asked in vain goes on after a pause.
"""

from __future__ import annotations

import bisect
import itertools
import threading
from binascii import a2b_base64
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from flocker.base.errors import ControlPlaneAway
from flocker.base.records import ClusterState
from flocker.consensus.etcd_wire import LEASE_OVER, Json, Members, key_of, value_of
from flocker.consensus.keyspace import Tables


@dataclass(frozen=True)
class Stored:
    """A key as etcd keeps it."""

    key: str  # base64, as it came
    value: str
    mod_revision: int
    lease: int

    def answer(self, *, keys_only: bool) -> dict[str, Any]:
        there = {
            "key": self.key,
            "mod_revision": str(self.mod_revision),
            "lease": str(self.lease),
        }
        return there if keys_only else there | {"value": self.value}


ABSENT = Stored("", "", 0, 0)


class MemoryEtcd(Members):
    """One table of keys; any number of threads may ask.

    Attributes:
        executed: every transaction so far that may change something, to be executed again.
        before: called with a question's path and content before it is executed; a test has it
            fail, or lets other things happen first.
        members: as etcd lists them.
    """

    def __init__(self) -> None:
        super().__init__([], None)
        self.changed = threading.Condition(threading.RLock())
        self.executed: list[Json] = []
        self.before: Callable[[str, Json], None] | None = None
        self.members: list[Json] = []
        self._keys: dict[str, Stored] = {}
        self._order: list[str] = []  # the keys, sorted
        self._revision = 1
        self._leases: set[int] = set()
        self._ids = itertools.count(1)
        self._state: ClusterState | None = None

    def ask(self, path: str, question: Json) -> Json:
        if self.before is not None:
            self.before(path, question)
        with self.changed:
            match path:
                case "/lease/grant":
                    lease = next(self._ids)
                    self._leases.add(lease)
                    return {"ID": str(lease)}
                case "/lease/keepalive":
                    return {"TTL": "1"} if question["ID"] in self._leases else {}
                case "/cluster/member/list":
                    return {"members": self.members}
                case "/cluster/member/remove":
                    self.members = [it for it in self.members if it["ID"] != question["ID"]]
                    return {"members": self.members}
                case _:
                    if is_change(question):
                        self.executed.append(question)
                    return self.execute(question)

    def execute(self, question: Json) -> Json:
        """Execute a transaction, whenever it was asked."""
        with self.changed:
            operations = question["success"]
            _check_leases(operations, self._leases)
            is_so = all(self._holds(each) for each in question.get("compare", ()))
            changes = is_so and is_change(question)
            self._revision += changes
            responses = [self._do(each) for each in operations] if is_so else []
            if changes:
                self._state = None
                self.changed.notify_all()
            header = {"revision": str(self._revision)}
            return {"succeeded": is_so, "responses": responses, "header": header}

    def end_lease(self, lease: int) -> None:
        """Delete what is bound to a lease, in one step."""
        with self.changed:
            self._leases.discard(lease)
            for key in [key for key, it in self._keys.items() if it.lease == lease]:
                self._delete(key)
            self._revision += 1
            self._state = None
            self.changed.notify_all()

    def keys(self) -> dict[str, str]:
        """Everything that is stored, as text."""
        return {key: _text(it.value) for key, it in sorted(self._keys.items())}

    def backup(self) -> dict[str, Stored]:
        """All keys that are bound to no lease, as in a saved snapshot of etcd that is restored."""
        return {key: it for key, it in deepcopy(self._keys).items() if not it.lease}

    def restore(self, backup: dict[str, Stored]) -> None:
        """Go back to a backup."""
        with self.changed:
            self._keys = dict(backup)
            self._order = sorted(backup)
            self._revision += 1
            self._leases.clear()
            self._state = None
            self.changed.notify_all()

    def state(self) -> ClusterState:
        """The state that the keys make up; read anew only after a change."""
        with self.changed:
            if self._state is None:
                tables = Tables()
                for it in self._keys.values():
                    stored = it.answer(keys_only=False)
                    tables.put(key_of(stored), value_of(stored))
                self._state = tables.state()
            return self._state

    def _holds(self, condition: Json) -> bool:
        found = self._range(condition) or [ABSENT]
        field = condition["target"].lower().replace("mod", "mod_revision")
        wanted = int(condition[field])
        if condition["result"] == "LESS":
            return all(getattr(each, field) < wanted for each in found)
        return all(getattr(each, field) == wanted for each in found)

    def _do(self, operation: Json) -> Json:
        match operation:
            case {"request_put": change}:
                key = _text(change["key"])
                if key not in self._keys:
                    bisect.insort(self._order, key)
                self._keys[key] = Stored(
                    change["key"], change["value"], self._revision, change.get("lease", 0)
                )
                return {"response_put": {}}
            case {"request_delete_range": change}:
                for each in self._range(change):
                    self._delete(_text(each.key))
                return {"response_delete_range": {}}
            case {"request_range": wanted}:
                found = self._range(wanted)
                if wanted.get("sort_order") == "DESCEND":
                    found.reverse()
                found = found[: wanted.get("limit") or None]
                keys_only = wanted.get("keys_only", False)
                return {"response_range": {"kvs": [it.answer(keys_only=keys_only) for it in found]}}
        raise ValueError(operation)

    def _range(self, wanted: Json) -> list[Stored]:
        """The keys that are meant, in their order."""
        first = _text(wanted["key"])
        if "range_end" not in wanted:
            return [self._keys[first]] if first in self._keys else []
        end = _text(wanted["range_end"])
        order = self._order
        return [
            self._keys[key]
            for key in order[bisect.bisect_left(order, first) : bisect.bisect_left(order, end)]
        ]

    def _delete(self, key: str) -> None:
        del self._keys[key]
        del self._order[bisect.bisect_left(self._order, key)]


def is_change(question: Json) -> bool:
    return any("request_range" not in each for each in question["success"])


def _check_leases(operations: list[Json], alive: set[int]) -> None:
    for each in operations:
        lease = each.get("request_put", {}).get("lease", 0)
        if lease and lease not in alive:
            raise ControlPlaneAway(LEASE_OVER)


def _text(base64: str) -> str:
    return a2b_base64(base64).decode()
