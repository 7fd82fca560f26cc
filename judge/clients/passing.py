"""Volumes that come and go: made anew or from a snapshot, written to, and removed again."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from judge.clients.cluster import Cluster, Request
from judge.history import Action, Outcome
from judge.recorder import Recorder

WRITING_SECONDS = 15.0  # at most
UNDELETES = 0.5  # of the removals
PURGES = 0.75
OPTIONS = ("{}", '{"failover": "auto"}', '{"replicas": "0"}', '{"size": "64MiB"}')


class PassingVolumes:
    """The passing volumes of one client, one at a time; nobody else knows their names.

    A name comes again as soon as the volume of that name is known to be gone.

    Args:
        name: of the client, with which the names begin.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        name: str,
        cluster: Cluster,
        recorder: Recorder,
        random: Random,
        sleep: Callable[[float], object],
    ) -> None:
        self._client = name
        self._cluster = cluster
        self._recorder = recorder
        self._random = random
        self._sleep = sleep
        self._number = 1
        self._left: list[str] = []  # names of volumes that may be there
        self._is_in_doubt = False  # a request about the present one was not answered
        self._keeps_removed = False  # a removed volume of the present name can be had back

    def live(self, source: str | None) -> None:
        """Have a volume for a while.

        Args:
            source: the reference of the snapshot that it is made from, if it is.
        """
        for name in list(self._left):
            if self._remove(name):
                self._left.remove(name)
        name, self._is_in_doubt = f"{self._client}-{self._number}", False
        if self._make(name, source):
            self._use(name)
        is_gone = self._remove(name) and self._come_back_and_go(name)
        if self._is_in_doubt or not is_gone:
            self._left.append(name)
            self._number += 1
            self._keeps_removed = False

    def _make(self, name: str, source: str | None) -> bool:
        if source is None:
            made = self._ask(Action.CREATE, name, self._random.choice(OPTIONS))
        else:
            made = self._ask(Action.CLONE, name, source)
        return made is Outcome.DONE

    def _use(self, name: str) -> None:
        self._read(name)
        self._ask(Action.START, name)
        self._sleep(self._random.uniform(0, WRITING_SECONDS))

    def _remove(self, name: str) -> bool:
        for node in self._cluster.nodes:
            self._ask_on(node, Action.STOP, name)
        return self._ask(Action.REMOVE, name) is Outcome.DONE

    def _come_back_and_go(self, name: str) -> bool:
        """Have it back in some cases, and purge it in some; true if it is gone."""
        is_gone = True
        # Of two that were removed, nobody knows which one comes back.
        if not self._keeps_removed and self._random.random() < UNDELETES:
            if self._ask(Action.UNDELETE, name) is Outcome.DONE:
                self._read(name)
            is_gone = self._remove(name)
        self._keeps_removed = True
        if is_gone and self._random.random() < PURGES:
            self._keeps_removed = self._ask(Action.PURGE, name) is not Outcome.DONE
        return is_gone

    def _read(self, name: str) -> None:
        self._recorder.read(self._client, self._cluster, self._some_node(), name)

    def _ask(self, action: Action, name: str, detail: str = "") -> Outcome:
        return self._ask_on(self._some_node(), action, name, detail)

    def _ask_on(self, node: str, action: Action, name: str, detail: str = "") -> Outcome:
        request = Request(action=action, node=node, volume=name, detail=detail)
        outcome = self._recorder.do(self._client, self._cluster, request).outcome
        self._is_in_doubt |= outcome is Outcome.UNKNOWN
        return outcome

    def _some_node(self) -> str:
        return self._random.choice(self._cluster.nodes)
