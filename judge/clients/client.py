"""A client: one request after the other, which its random numbers choose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from judge.clients.cluster import Cluster, Request
from judge.clients.gates import Gates
from judge.clients.passing import PassingVolumes
from judge.history import Action, Outcome
from judge.recorder import Recorder

SIZES = ("64MiB", "1GiB", "none")
TRIES = 60  # of an undelete: a volume that is removed for a moment comes back
TRY_SECONDS = 1.0

WEIGHTS: dict[Action, float] = {
    Action.MOVE: 8,
    Action.START: 8,
    Action.STOP: 8,
    Action.PROMOTE: 1,
    Action.PROMOTE_HERE: 1,
    Action.CANCEL_MOVE: 0.5,
    Action.SNAPSHOT: 1,
    Action.PRUNE: 0.3,
    Action.RESTORE: 0.3,
    Action.REMOVE: 0.5,
    Action.READ: 2,
}
"""Actions that clients choose, each more often the more weight it has."""


@dataclass(frozen=True)
class Shared:
    """The parts that all clients of a run work with.

    Attributes:
        volumes: the names of those that they work with.
        sleep: waits so many seconds.
        weights: as WEIGHTS, without actions that the driver does not have.
    """

    cluster: Cluster
    recorder: Recorder
    volumes: Sequence[str]
    sleep: Callable[[float], object]
    weights: Mapping[Action, float] = field(default_factory=lambda: WEIGHTS)
    gates: Gates = field(default_factory=Gates)


class Client:
    """Does one thing after the other, until nobody calls `step` any more.

    A machine decides when: with threads, or one client after the other in simulated time.
    """

    def __init__(self, name: str, random: Random, shared: Shared) -> None:
        self.name = name
        self._random = random
        self._cluster = shared.cluster
        self._recorder = shared.recorder
        self._volumes = shared.volumes
        self._gates = shared.gates
        self._sleep = shared.sleep
        self._weights = shared.weights
        self._snapshots: dict[str, list[str]] = {}  # by volume
        self._passing = PassingVolumes(name, shared.cluster, shared.recorder, random, shared.sleep)

    def step(self) -> None:
        """Do one thing, with a volume at a node, and return when it is over."""
        node = self._random.choice(self._cluster.nodes)
        volume = self._random.choice(self._volumes)
        [action] = self._random.choices(list(self._weights), list(self._weights.values()))
        special = {
            Action.READ: self._read,
            Action.START: self._start,
            Action.MOVE: self._move_app,
            Action.SNAPSHOT: self._snapshot,
            Action.PRUNE: self._prune,
            Action.RESTORE: self._restore,
            Action.REMOVE: self._remove_for_a_moment,
            Action.CREATE: lambda *_: self._passing.live(None),
            Action.CLONE: self._clone,
            Action.RESIZE: self._resize,
        }
        if action in special:
            special[action](node, volume)
        else:
            self._ask(action, node, volume)

    def _ask(self, action: Action, node: str, volume: str, detail: str = "") -> Outcome:
        return self._done(Request(action=action, node=node, volume=volume, detail=detail))

    def _done(self, request: Request) -> Outcome:
        return self._recorder.do(self.name, self._cluster, request).outcome

    def _read(self, node: str, volume: str) -> None:
        with self._gates.using(volume) as is_there:
            if is_there:
                self._recorder.read(self.name, self._cluster, node, volume)

    def _start(self, node: str, volume: str) -> None:
        with self._gates.using(volume) as is_there:
            if is_there:
                self._ask(Action.START, node, volume)

    def _move_app(self, node: str, volume: str) -> None:
        """Stop the container wherever it runs, and start it on the node."""
        for other in self._cluster.nodes:
            if other != node:
                self._ask(Action.STOP, other, volume)
        self._start(node, volume)

    def _snapshot(self, node: str, volume: str) -> None:
        request = Request(action=Action.SNAPSHOT, node=node, volume=volume)
        answer = self._recorder.do(self.name, self._cluster, request)
        if answer.outcome is Outcome.DONE:
            self._snapshots.setdefault(volume, []).append(answer.reference)

    def _prune(self, node: str, volume: str) -> None:
        if taken := self._snapshots.get(volume):
            reference = self._random.choice(taken)
            if self._ask(Action.PRUNE, node, volume, reference) is not Outcome.REFUSED:
                taken.remove(reference)

    def _restore(self, node: str, volume: str) -> None:
        if taken := self._snapshots.get(volume):
            self._ask(Action.RESTORE, node, volume, self._random.choice(taken))

    def _clone(self, _: str, volume: str) -> None:
        if taken := self._snapshots.get(volume):
            self._passing.live(self._random.choice(taken))

    def _resize(self, node: str, volume: str) -> None:
        self._ask(Action.RESIZE, node, volume, self._random.choice(SIZES))

    def _remove_for_a_moment(self, node: str, volume: str) -> None:
        """Remove a volume that nobody uses, and have it back.

        An engine makes a new volume of a name that is missing, so nobody starts a container then.
        """
        with self._gates.removing(volume) as is_free:
            if not is_free:
                return
            for each in self._cluster.nodes:
                self._ask(Action.STOP, each, volume)
            if self._ask(Action.REMOVE, node, volume) is Outcome.REFUSED:
                return
            for _ in range(TRIES):
                if self._ask(Action.UNDELETE, node, volume) is Outcome.DONE:
                    return
                self._sleep(TRY_SECONDS)
