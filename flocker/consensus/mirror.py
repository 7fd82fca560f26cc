"""The cluster's agreed state, mirrored on this node: quick to read, and readable without etcd.

The engine purges what it knows of a volume when it is told "not found"
(docs/decisions/0001), so an answer that is only unknown must never say that:
that a volume is not there is only ever said when etcd says so.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any

from flocker.base import private
from flocker.base.background import attempt
from flocker.base.errors import ControlPlaneAway
from flocker.base.records import ClusterState, Volume
from flocker.consensus.keyspace import Tables, keyed
from flocker.consensus.ownership import Ownership

log = logging.getLogger(__name__)

RETRY_SECONDS = 1
WRITE_SECONDS = 1  # at least, between two writes of the file
# Likewise, when only copies have changed: those of busy volumes do all the time, and to write 900
# of them takes 45 ms. Nothing is decided by them while etcd is away.
COPIES_SECONDS = 10
SETTLE_SECONDS = 2


class Mirror:
    """The ClusterState as this node knows it, kept in `file` for the time before etcd answers.

    `start` makes it follow every change. Until then each read asks `ownership`, which is how
    tests see each other's changes at once.
    """

    def __init__(self, ownership: Ownership, file: Path) -> None:
        self._ownership = ownership
        self._file = file
        self._changed = threading.Condition()
        self._refreshing = threading.Lock()
        self._state = self._written = self._load()
        self._is_following = False
        self._is_connected = False

    def start(self, stopping: threading.Event) -> list[threading.Thread]:
        """Follow in the background until `stopping` is set; the threads that then end."""
        self._is_following = True
        threads = [
            threading.Thread(target=task, args=(stopping,), name=name, daemon=True)
            for name, task in (("mirror", self._follow), ("mirror-file", self._keep_written))
        ]
        for thread in threads:
            thread.start()
        return threads

    @property
    def state(self) -> ClusterState:
        """The cluster's state; the last one read, while etcd is away. The object never changes."""
        if not self._is_following:
            self.refresh()
        return self._state

    @property
    def is_connected(self) -> bool:
        """True while etcd answers, so that the mirror is current."""
        if not self._is_following:
            self.refresh()
        return self._is_connected

    def volumes(self) -> list[Volume]:
        """All volumes, by name."""
        return sorted(self.state.volumes.values(), key=lambda volume: volume.name)

    def volume(self, name: str) -> Volume | None:
        """The volume of that name; None only when etcd says that there is none.

        Raises:
            ControlPlaneAway: etcd is away and the name was never heard of here.
        """
        known = self.state.volumes.get(name)
        return known if known is not None else self._ownership.volume(name)

    def name_of(self, volume_id: str) -> str:
        """The name of a volume that is there or was removed, as last heard; else its id."""
        state = self._state
        removed = [each.volume for each in state.removed.values()]
        known = {each.id: each.name for each in (*removed, *state.volumes.values())}
        return known.get(volume_id, volume_id)

    def settle(self, holds: Callable[[ClusterState], bool]) -> None:
        """Wait until what this node has just written is seen here too, 2 s at most."""
        if not self._is_following:
            self.refresh()
        with self._changed:
            waits = SETTLE_SECONDS if self._is_following else 0
            if not self._changed.wait_for(lambda: holds(self._state), waits):
                log.info("what was just written is not seen here yet")

    def changes(self, last: ClusterState | None, within: float) -> ClusterState:
        """The state as soon as it differs from `last`, or after `within` seconds.

        Args:
            last: what the call before has returned; None for the first.
        """
        if not self._is_following:
            self.refresh()
        with self._changed:
            self._changed.wait_for(lambda: self._state is not last, within)
            return self._state

    def refresh(self) -> None:
        """Ask once how it is; nothing is forgotten while etcd is away."""
        with self._refreshing:  # or an older answer might come after a newer one
            try:
                self._take(self._ownership.state())
            except ControlPlaneAway:
                self._is_connected = False
            else:
                self._write()

    def _take(self, state: ClusterState) -> None:
        with self._changed:
            self._is_connected = True
            if state != self._state:
                self._state = state
                self._changed.notify_all()

    def _follow(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            failure = "what the cluster agrees about could not be followed"
            if not attempt(log, failure, lambda: self._follow_once(stopping)):
                self._is_connected = False  # a mirror that stands still must not be believed
            stopping.wait(RETRY_SECONDS)

    def _follow_once(self, stopping: threading.Event) -> None:
        try:
            for state in self._ownership.follow(stopping):
                if not self._is_connected:
                    log.info("what the cluster agrees about is followed")
                self._take(state)
        except ControlPlaneAway as error:
            if self._is_connected:
                log.warning("volumes are listed as they were last known: %s", error)
            self._is_connected = False

    def _keep_written(self, stopping: threading.Event) -> None:
        state: ClusterState | None = None
        copies_due = 0.0
        while not stopping.is_set():
            state = self.changes(state, within=WRITE_SECONDS)
            if time.monotonic() >= copies_due or not _differ_in_copies(state, self._written):
                self._write()
                copies_due = time.monotonic() + COPIES_SECONDS
            stopping.wait(WRITE_SECONDS)
        self._write()

    def _write(self) -> None:
        state = self._state
        if _lasting(state) == _lasting(self._written):
            self._written = state  # of the same records, and so quick to compare with the next
            return
        try:
            private.write(self._file, json.dumps(keyed(state)))
        except OSError as error:  # a full disk must not turn a right answer into an error
            log.warning("what volumes there are was not written down: %s", error)
        else:
            self._written = state

    def _load(self) -> ClusterState:
        tables = Tables()
        try:
            for key, value in dict(json.loads(self._file.read_text())).items():
                tables.put(key, json.dumps(value))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError) as error:
            log.warning("%s cannot be read, begun anew: %s", self._file, error)
        return tables.state()


def _differ_in_copies(one: ClusterState, other: ClusterState) -> bool:
    """Tell whether two states are the same but for copies, and what is not written down."""
    return _seldom_changed(one) == _seldom_changed(other)


def _tables_but(*names: str) -> Callable[[ClusterState], tuple[Any, ...]]:
    """A reader of all tables of a state but some."""
    return attrgetter(*(each.name for each in fields(ClusterState) if each.name not in names))


_REPORTED = ("nodes", "seen", "looks")  # every few seconds
_lasting = _tables_but(*_REPORTED)  # worth writing down
_seldom_changed = _tables_but(*_REPORTED, "copies")
