"""An etcd whose leases run out by themselves, and a node's way to it."""

from __future__ import annotations

import bisect
import json
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from random import Random

from flocker.base.errors import ControlPlaneAway, FlockerError
from flocker.consensus.etcd import EtcdOwnership
from flocker.consensus.etcd_wire import FIRST_SECONDS, PATIENCE_SECONDS, Json, Members
from tests.simulated.network import ETCD, Network
from tests.simulated.scheduler import Scheduler
from tests.simulated.tasks import Process, Task
from tests.twins.memory_etcd import MemoryEtcd, is_change

EXPIRY_SECONDS = 0.5  # between two looks of etcd's leader at its leases
EVENTS_KEPT = 5000  # changes that a watch can begin with; etcd has forgotten earlier ones
LATE_SECONDS = 25.0  # at most, by which a member that was paused executes what it was asked


class SimulatedEtcd(MemoryEtcd):
    """Keeps changes for those who watch.

    Attributes:
        troubles: faults by which members execute changes late or twice, and lose answers.
    """

    def __init__(self, nodes: Sequence[str], running: Scheduler, random: Random) -> None:
        super().__init__()
        self.members = [{"ID": str(id_), "name": name} for id_, name in enumerate(nodes, start=1)]
        self._running = running
        self._random = random
        self._ends: dict[int, tuple[float, float]] = {}  # lease -> when, and how long it lasts
        self._changes: list[Json] = []
        self._revisions: list[int] = []  # of each change
        self._forgotten = 0  # revision up to which changes are not kept any more
        self._watching: list[Task] = []
        self._told: list[tuple[str, str]] = []  # keys and values that were just put
        self.on_put: Callable[[str, str], object] = lambda *_: None  # a key, and base64
        self.process = Process(ETCD)
        self.troubles = 0
        self._late = 0  # questions that are executed at some later time
        self.is_down = 0  # faults by which no member has a leader
        running.spawn("leases", self._expire_for_ever, self.process)

    def ask(self, path: str, question: Json) -> Json:
        answer = super().ask(path, question)
        if path == "/lease/grant":
            seconds = float(question["TTL"])
            self._ends[int(answer["ID"])] = (self._running.now + seconds, seconds)
        elif path == "/lease/keepalive" and answer:
            seconds = self._ends[question["ID"]][1]
            self._ends[question["ID"]] = (self._running.now + seconds, seconds)
        if path == "/kv/txn" and is_change(question):
            del self.executed[:-1]
            self._wake_watching()
        return answer

    def execute_later(self, question: Json) -> None:
        """Have a member that was paused execute a question, nobody knows when."""
        seconds = self._random.uniform(0, LATE_SECONDS)
        self._late += 1
        self._running.spawn("late", lambda: self._execute_after(seconds, question), self.process)

    def await_late(self) -> None:
        """Wait until all that was asked is executed."""
        while self._late:
            self._running.sleep(1)

    def leave(self) -> None:
        self.is_down += 1

    def come_back(self) -> None:
        """A new leader gives all leases their full time."""
        self.is_down -= 1
        if not self.is_down:
            now = self._running.now
            self._ends = {lease: (now + each[1], each[1]) for lease, each in self._ends.items()}

    def listen_from(self, revision: int, silence_seconds: float) -> Iterator[list[Json]]:
        """The changes from a revision on, those of one transaction together.

        Ends when etcd has forgotten them, or nothing came for so long.
        """
        while True:
            place = bisect.bisect_left(self._revisions, revision)
            if revision <= self._forgotten:
                return
            if place == len(self._changes):
                if not self._running.wait_among(self._watching, silence_seconds):
                    return
                continue
            revision = self._revisions[-1] + 1
            yield self._changes[place:]

    def end_lease(self, lease: int) -> None:
        bound = [it for it in self._keys.values() if it.lease == lease]
        super().end_lease(lease)
        self._ends.pop(lease, None)
        for each in bound:
            self._note({"type": "DELETE", "kv": {"key": each.key}})
        self._wake_watching()

    def _do(self, operation: Json) -> Json:
        match operation:
            case {"request_delete_range": change}:
                for each in self._range(change):
                    self._note({"type": "DELETE", "kv": {"key": each.key}})
        answer = super()._do(operation)
        match operation:
            case {"request_put": change}:
                [stored] = self._range({"key": change["key"]})
                self._note({"kv": stored.answer(keys_only=False)})
                self._told.append((change["key"], change["value"]))
        return answer

    def execute(self, question: Json) -> Json:
        answer = super().execute(question)
        told, self._told = self._told, []
        for key, value in told:
            self.on_put(b64decode(key).decode(), value)
        return answer

    def record(self, volume: str) -> Json | None:
        """The record of a volume; None if there is none."""
        stored = self._keys.get(f"flocker/volumes/{volume}")
        return None if stored is None else json.loads(b64decode(stored.value))

    def _note(self, change: Json) -> None:
        self._changes.append(change)
        self._revisions.append(self._revision)
        if len(self._changes) > 2 * EVENTS_KEPT:
            self._forgotten = self._revisions[EVENTS_KEPT - 1]
            del self._changes[:EVENTS_KEPT], self._revisions[:EVENTS_KEPT]

    def _wake_watching(self) -> None:
        for task in self._watching:
            self._running.wake(task)
        self._watching.clear()

    def _execute_after(self, seconds: float, question: Json) -> None:
        self._running.sleep(seconds)
        self._late -= 1
        try:
            self.execute(question)
        except FlockerError:  # its lease is over
            return
        self._wake_watching()

    def _expire_for_ever(self) -> None:
        while True:
            self._running.sleep(EXPIRY_SECONDS)
            if self.is_down:
                continue
            for lease, (ends, _) in list(self._ends.items()):
                if ends <= self._running.now:
                    self.end_lease(lease)


class NodesMembers(Members):
    """The members of etcd, as one node reaches them."""

    def __init__(
        self, node: str, etcd: SimulatedEtcd, network: Network, running: Scheduler, random: Random
    ) -> None:
        super().__init__([], None)
        self._node = node
        self._etcd = etcd
        self._network = network
        self._running = running
        self._random = random

    def ask(self, path: str, question: Json) -> Json:
        until = self._running.now + PATIENCE_SECONDS
        while True:
            answer = self._ask_once(path, question)
            if answer is not None:
                return answer
            self._running.sleep(min(FIRST_SECONDS, max(0.0, until - self._running.now)))
            if self._running.now >= until:
                raise ControlPlaneAway("etcd does not answer")

    def _ask_once(self, path: str, question: Json) -> Json | None:
        """Ask a member; None if no answer comes."""
        etcd = self._etcd
        if not self._network.travel(self._node, ETCD) or etcd.is_down:
            return None
        is_troubled = etcd.troubles > 0 and self._random.random() < 0.1
        fate = self._random.choice(("late", "twice", "unheard")) if is_troubled else ""
        if fate == "late" and path == "/kv/txn" and is_change(question):
            etcd.execute_later(question)
            return None
        answer = etcd.ask(path, question)
        if fate == "twice" and path == "/kv/txn" and is_change(question):
            etcd.execute_later(question)
        if not self._network.travel(ETCD, self._node) or fate == "unheard":
            return None
        return answer

    def listen(self, path: str, question: Json, silence_seconds: float) -> Iterator[Json]:  # noqa: ARG002
        revision = int(question["create_request"]["start_revision"])
        if not self._network.travel(self._node, ETCD) or self._etcd.is_down:
            self._running.sleep(silence_seconds)
            raise ControlPlaneAway("etcd does not answer")
        for changes in self._etcd.listen_from(revision, silence_seconds):
            if not self._network.travel(ETCD, self._node) or self._etcd.is_down:
                self._running.sleep(silence_seconds)
                break
            yield {"events": changes}
        raise ControlPlaneAway("the watch has ended")


class NodesOwnership(EtcdOwnership):
    """The agreed records, as one run of a daemon sees them."""

    def __init__(self, members: Members, lease_seconds: int) -> None:
        super().__init__([], lease_seconds, None)
        self._members = members
