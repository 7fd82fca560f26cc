"""The cluster's volumes that a node's containers cannot get, because a local volume has the name.

The engine looks for a name among the volumes it has, and takes the first. So a container on that
node gets the local volume, whatever driver its command names, and an app that moved there starts
empty. Compose only warns that the volume exists already.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from functools import partial

from flocker.base.background import attempt
from flocker.base.errors import EngineAway, Refused
from flocker.base.troubles import Troubles

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0


class Hidden:
    """Finds them by asking the engine now and then; it must not be asked within its own calls.

    Args:
        read: names of the engine's local volumes; may raise EngineAway.
        known: names of the cluster's volumes.
        troubles: where the hidden ones are listed.
    """

    def __init__(
        self,
        read: Callable[[], Collection[str]],
        known: Callable[[], Collection[str]],
        troubles: Troubles,
    ) -> None:
        self._read = read
        self._known = known
        self._troubles = troubles

    def start(self, stopping: threading.Event) -> None:
        """Look in the background until `stopping` is set."""
        threading.Thread(target=self._look_for_ever, args=(stopping,), daemon=True).start()

    def look(self) -> None:
        """Ask the engine; while it does not answer, its last answer counts."""
        try:
            local = self._read()
        except EngineAway as error:
            log.debug("%s", error)
            return
        with self._troubles.round("local volumes") as this:
            for name in sorted(set(local).intersection(self._known())):
                this.attempt(f"volume '{name}'", partial(_refuse, name))

    def _look_for_ever(self, stopping: threading.Event) -> None:
        while True:
            attempt(log, "the engine's local volumes could not be listed", self.look)
            if stopping.wait(LOOK_SECONDS):
                return


def _refuse(name: str) -> None:
    raise Refused(
        "containers on this node get a local volume of that name instead; `docker volume ls` there "
        "shows its DRIVER. Remove the containers that use the local volume, then type there once: "
        f"docker volume rm {name}"
    )
