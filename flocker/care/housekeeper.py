"""Repairs every few seconds what failed before, and catches up after an absence."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from flocker.base.background import attempt
from flocker.base.errors import ControlPlaneAway
from flocker.base.pulse import Pulse
from flocker.care.purging import Purging
from flocker.care.reconciler import Reconciler
from flocker.care.strays import Strays
from flocker.node.context import NodeContext

log = logging.getLogger(__name__)

RETRY_SECONDS = 1  # while etcd is away
PURGE_SECONDS = 3600
USES_SECONDS = 15  # with volume_use.START_SECONDS: what nothing backs ends within a minute


class Pausing(Protocol):
    """The engine, as far as containers may be left paused."""

    def resume(self) -> None:
        """Have containers go on that were left paused."""


class Housekeeper:
    """The care that a node takes of what it has, one task after the other.

    Args:
        pause_seconds: between two rounds.
    """

    def __init__(
        self,
        context: NodeContext,
        *,
        engine: Pausing,
        reconciler: Reconciler,
        purging: Purging,
        strays: Strays,
        pause_seconds: float,
    ) -> None:
        self._mirror = context.mirror
        self._pool = context.pool
        self._observed = context.retention.observed
        self._engine = engine
        self._reconciler = reconciler
        self._purging = purging
        self._strays = strays
        self._usual_pause_seconds = pause_seconds
        self._pause_seconds: float = RETRY_SECONDS  # before the next round of tidying
        self._purge_due = time.monotonic()  # at once: a daemon may never run for an hour
        self._is_caught_up = threading.Event()

    def start(self, stopping: threading.Event, pulse: Pulse) -> None:
        """Run in the background until `stopping` is set, and show in the pulse that it does."""
        beat = pulse.expect_at_disk("tidying")
        threading.Thread(target=self._tidy_for_ever, args=(stopping, beat), daemon=True).start()
        threading.Thread(target=self._end_uses_for_ever, args=(stopping,), daemon=True).start()

    def catch_up_again(self) -> None:
        """Have the next round catch up: this node and the cluster had lost each other."""
        self._is_caught_up.clear()

    def _tidy_for_ever(self, stopping: threading.Event, beat: Callable[[], object]) -> None:
        # Each on its own: trouble with one must not keep the others from being done.
        tasks: dict[str, Callable[[], object]] = {
            "containers could not be resumed": self._engine.resume,
            "room to work on a full pool could not be kept": self._pool.make_reserve,
            "time could not be counted": self._see_time_pass,
            "what was put aside could not be purged": partial(self._if_connected, self._purge_old),
            "this node could not catch up": partial(self._if_connected, self._catch_up),
            "strays could not be looked for": partial(self._if_connected, self._strays.look),
            "this node could not be tidied": partial(self._if_connected, self._reconciler.tidy),
        }
        while not stopping.wait(self._pause_seconds):
            self._pause_seconds = self._usual_pause_seconds
            for failure, task in tasks.items():
                beat()
                if not attempt(log, failure, task):
                    self.catch_up_again()  # what was not done today is still there tomorrow

    def _if_connected(self, task: Callable[[], object]) -> None:
        """Do what needs etcd, or come back soon while that is away, as when a cluster begins."""
        try:
            if self._mirror.is_connected:
                task()
                return
        except ControlPlaneAway:
            pass  # said by the announcements already
        self.catch_up_again()
        self._pause_seconds = RETRY_SECONDS

    def _purge_old(self) -> None:
        if time.monotonic() >= self._purge_due:
            self._purging.purge_old()
            self._purge_due = time.monotonic() + PURGE_SECONDS

    def _catch_up(self) -> None:
        if self._is_caught_up.is_set():
            return
        self._is_caught_up.set()  # first: a new lease meanwhile clears it again
        if not self._reconciler.catch_up():
            self.catch_up_again()

    def _end_uses_for_ever(self, stopping: threading.Event) -> None:
        failure = "uses that nothing backs any more could not be looked for"
        while not stopping.wait(USES_SECONDS):
            attempt(log, failure, self._reconciler.end_unbacked_uses)

    def _see_time_pass(self) -> None:
        self._observed.look(self._mirror.state)
