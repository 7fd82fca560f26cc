"""Gives this node's auto volumes up while its pool cannot write, so that others take them over.

First nothing uses them here any more and nothing can be mounted, then the node's record says so. A
promotion compares that record and that nothing is recorded as mounted, in its transaction.

A process that waits for a dead disk cannot be ended, and who looks at one may have to wait as well.
Then only the end of this node's lease leaves the volumes to others, so the node falls silent.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from flocker.base.background import attempt
from flocker.base.errors import ControlPlaneAway, FlockerError, Refused
from flocker.base.records import Volume
from flocker.node.context import NodeContext

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
LOCK_SECONDS = 5.0  # whoever has the volume may wait for the pool
TRY_SECONDS = 30.0  # the engine has 10 s to stop containers and 10 to tell of them, a kill 5 s
FAILED_TRIES = 2  # each has ended what uses the volumes by force; then they cannot be ended


class GivingUp:
    """The auto volumes of one node.

    Args:
        problem: why the pool cannot be written to; None if it can.
    """

    def __init__(self, context: NodeContext, problem: Callable[[], str | None]) -> None:
        self._node = context.node
        self._ownership = context.ownership
        self._mirror = context.mirror
        self._use = context.use
        self._problem = problem
        self._why: str | None = None
        self._trouble = ""
        self._failed_tries = 0
        self._began: float | None = None  # the try that goes on
        self._tried: dict[str, Volume] = {}  # by id; those of the failed tries
        self.is_done = False

    @property
    def is_silent(self) -> bool:
        """True if this node must not renew its lease."""
        began = self._began
        hangs = began is not None and time.monotonic() - began > TRY_SECONDS
        return hangs or self._failed_tries >= FAILED_TRIES

    def start(self, stopping: threading.Event) -> None:
        """Run in the background until `stopping` is set."""
        threading.Thread(target=self._run, args=(stopping,), daemon=True).start()

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(LOOK_SECONDS):
            attempt(log, "auto volumes could not be given up", self.look)

    def look(self) -> None:
        """Give up what is to be given up; `is_done` says that nothing is used any more."""
        self._set(self._problem())
        if self._why is None or self.is_done:
            return
        # Others may own some of those that were tried before, and processes here still have them.
        volumes = {**self._tried, **self._own()}
        self._began = time.monotonic()
        try:
            self._use.end(volumes.values())
            for volume in volumes.values():
                self._check_unused(volume)
        except (FlockerError, OSError) as error:
            self._trouble, self._tried = str(error), volumes
            if not isinstance(error, ControlPlaneAway):  # that tells nothing of what uses them
                self._failed_tries += 1
            log.warning("auto volumes are not given up yet: %s", error)
            return
        finally:
            self._began = None
        self._forget_tries()
        self.is_done = self._problem() is not None

    def refuse(self, volume: Volume) -> None:
        """To be called with the volume locked, by whoever is about to use or own it here.

        Raises:
            Refused: it is given up, or would be at once.
        """
        why = self._why or self._problem()
        if volume.is_fenced and why is not None:
            raise Refused(
                f"volume '{volume.name}' has failover=auto and cannot be used on {self._node}: "
                f"{why}; start its container on another node, or try again when that has ended"
            )

    def problems(self) -> list[str]:
        """Describe what is given up and why, for people."""
        why = self._why or self._problem()
        if why is None:
            return []
        if self.is_silent:
            return [
                f"{why}; this node lets its lease end, so that others take over its volumes with "
                "failover=auto, because what uses them does not end: "
                + (self._trouble or "the look for it hangs")
            ]
        if self._trouble:
            return [f"{why}; volumes with failover=auto are not given up yet: {self._trouble}"]
        return [f"{why}; other nodes take over its volumes with failover=auto"]

    def _set(self, why: str | None) -> None:
        if (why is None) != (self._why is None):
            log.warning("auto volumes %s", f"are given up: {why}" if why else "can be owned again")
        self._why = why
        if why is None:
            self.is_done = False
            self._forget_tries()

    def _forget_tries(self) -> None:
        self._trouble, self._failed_tries, self._tried = "", 0, {}

    def _own(self) -> dict[str, Volume]:
        """This node's auto volumes on its own pool, by id."""
        return {
            volume.id: volume
            for volume in self._mirror.state.volumes.values()
            if volume.owner == self._node and volume.is_fenced
        }

    def _check_unused(self, volume: Volume) -> None:
        with self._use.locked(volume, LOCK_SECONDS):
            self._use.refuse_if_any(volume)
            self._ownership.unmount(volume)
