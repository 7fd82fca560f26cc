"""The cluster's volumes that a node's containers cannot get, because a local volume has the name.

The engine looks for a name among the volumes it has, and takes the first. So a container on that
node gets the local volume, whatever driver its command names, and an app that moved there starts
empty. Compose only warns that the volume exists already.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection

from flocker.background import attempt
from flocker.errors import EngineAway

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0


class Hidden:
    """Finds them by asking the engine now and then; it must not be asked within its own calls.

    Args:
        node: this node's name.
        read: names of the engine's local volumes; may raise EngineAway.
        known: names of the cluster's volumes.
    """

    def __init__(
        self, node: str, read: Callable[[], Collection[str]], known: Callable[[], Collection[str]]
    ) -> None:
        self._node = node
        self._read = read
        self._known = known
        self._local: Collection[str] = ()

    def start(self, stopping: threading.Event) -> None:
        """Look in the background until `stopping` is set."""
        threading.Thread(target=self._look_for_ever, args=(stopping,), daemon=True).start()

    def look(self) -> None:
        """Ask the engine; while it does not answer, its last answer counts."""
        try:
            self._local = frozenset(self._read())
        except EngineAway as error:
            log.debug("%s", error)

    def names(self) -> list[str]:
        """The hidden volumes, sorted."""
        return sorted(set(self._local).intersection(self._known()))

    def problem(self, name: str) -> str | None:
        """How to tell and what to do, if the volume of that name is hidden; else None."""
        if name not in self._local:
            return None
        return (
            f"containers on {self._node} get a local volume of that name instead (`docker volume "
            "ls` there shows its DRIVER); remove those that use it, then type there once: "
            f"docker volume rm {name}"
        )

    def _look_for_ever(self, stopping: threading.Event) -> None:
        while True:
            attempt(log, "the engine's local volumes could not be listed", self.look)
            if stopping.wait(LOOK_SECONDS):
                return
