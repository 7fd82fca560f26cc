"""Whether anything on this node uses a volume, and making it stop.

Counts come from the engine's calls; the kernel's mount table has the last word,
because a killed engine, a killed daemon and a lost answer leave counts behind or
leave uses uncounted (docs/decisions/0001).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from flocker.errors import EngineAway, InUse, Refused, StillNeeded
from flocker.holders import Holders
from flocker.records import Volume

log = logging.getLogger(__name__)

STOP_SECONDS = 10.0


class Containers(Protocol):
    """The containers of this node's engine. Every call may raise EngineAway."""

    def containers_using(self, volume: str) -> list[str]:
        """Names of the running ones that use the volume of that name."""

    def containers_with(self, volume: str) -> list[str]:
        """Names of all that were made with the volume of that name, running or not."""

    def stop_using(self, volume: str, within: float) -> list[str]:
        """Stop those, for good; their names."""


class Mounts(Protocol):
    """The kernel's view: which processes have a volume mounted."""

    def is_mounted(self, volume_id: str) -> bool:
        """Whether any process on this node has it mounted."""

    def kill_users(self, volume_id: str) -> None:
        """End every process that has it mounted, and wait until none has."""


class Uses:
    """What uses this node's volumes."""

    def __init__(self, node: str, holders: Holders, containers: Containers, mounts: Mounts) -> None:
        self._node = node
        self._holders = holders
        self._containers = containers
        self._mounts = mounts

    @contextmanager
    def locked(self, volume: Volume, within: float = -1) -> Iterator[None]:
        """Let no other thread change what this node does with the volume meanwhile.

        Args:
            within: seconds to wait for the others; without end if negative.

        Raises:
            Refused: they were not done in time.
        """
        try:
            with self._holders.locked(volume.id, within):
                yield
        except TimeoutError:
            raise Refused(
                f"volume '{volume.name}' is busy on {self._node}; run the command again"
            ) from None

    def any(self, volume: Volume) -> bool:
        """Whether a use is counted."""
        return self._holders.any(volume.id)

    def refuse_if_any(self, volume: Volume) -> None:
        """For whoever wants the volume to himself; to be called with the volume locked.

        Raises:
            InUse: containers here use it; the message names them.
        """
        self._holders.reconcile(volume.id, self._mounts.is_mounted(volume.id))
        if self._holders.any(volume.id):
            raise InUse(volume.name, self._node, self._names(volume.name))

    def refuse_if_needed(self, volume: Volume) -> None:
        """For a removal that another node's engine asks for: it knows its own containers only.

        Raises:
            StillNeeded: containers here were made with it; the message names them.
            Refused: the engine here does not answer.
        """
        try:
            containers = self._containers.containers_with(volume.name)
        except EngineAway as error:
            raise Refused(
                f"volume '{volume.name}' is not removed: stopped containers on {self._node} may "
                f"need it, and {error}; try again when it does"
            ) from error
        if containers:
            raise StillNeeded(volume.name, self._node, containers)

    def reconcile(self, volume: Volume) -> None:
        """Drop counts that a former engine left, and count uses that nobody counted."""
        with self._holders.locked(volume.id):
            self._holders.reconcile(volume.id, self._mounts.is_mounted(volume.id))

    def end(self, volume: Volume) -> None:
        """Stop what uses a volume that this node has lost. Not with the volume locked: the engine
        unmounts meanwhile."""
        if not self._mounts.is_mounted(volume.id):
            return
        try:
            for name in self._containers.stop_using(volume.name, STOP_SECONDS):
                log.warning(
                    "stopped container '%s': volume '%s' is owned by %s now",
                    name, volume.name, volume.owner,
                )  # fmt: skip
        except EngineAway as error:
            log.warning("containers on volume '%s' are ended by force: %s", volume.name, error)
        self._mounts.kill_users(volume.id)

    def _names(self, name: str) -> list[str]:
        try:
            return self._containers.containers_using(name)
        except EngineAway as error:
            log.warning("containers that use volume '%s' cannot be named: %s", name, error)
            return []
