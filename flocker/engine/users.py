"""The users of volumes, as the engine and the kernel show them, and how they are stopped."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Protocol

from flocker.base.errors import EngineAway
from flocker.engine.client import EngineUse, Stopped

log = logging.getLogger(__name__)


class Containers(Protocol):
    """The containers of this node's engine. Every call may raise EngineAway."""

    def containers_using(self, volume: str) -> list[str]:
        """Names of the running ones that use the volume of that name."""

    def containers_with(self, volume: str) -> list[str]:
        """Names of all that were made with the volume of that name, running or not."""

    def uses_of(self, volumes: Collection[str]) -> dict[str, EngineUse]:
        """Tell of each volume whether any container may need it mounted, in a bounded time."""

    def stop_using(self, volumes: Collection[str], within: float) -> Iterator[Stopped]:
        """Stop those of all the volumes side by side, for good; tell of each when it has."""


class Mounts(Protocol):
    """The kernel's view: which processes have a volume mounted."""

    def mounted(self, volume_ids: Collection[str]) -> set[str]:
        """Select the volumes that any process on this node has mounted."""

    def kill_users(self, volume_ids: Collection[str]) -> None:
        """End every process that has any of them mounted, and wait until none has."""


def stop_users(
    containers: Containers,
    mounts: Mounts,
    names: Mapping[str, str],
    why: Callable[[str], str],
    engine_seconds: float,
) -> None:
    """Stop the containers that use volumes, then end by force what still has them mounted.

    Args:
        names: of the volumes, by id.
        why: for the log: what has become of the volume of an id.
        engine_seconds: what the engine may take for the containers.

    Raises:
        PoolError: something does not end.
    """
    by_name = {name: volume_id for volume_id, name in names.items()}
    try:
        for stopped in containers.stop_using(by_name.keys(), engine_seconds):
            for name in sorted(stopped.volumes):
                log.warning(
                    "stopped container '%s': volume '%s' %s",
                    stopped.container, name, why(by_name[name]),
                )  # fmt: skip
    except EngineAway as error:
        named = ", ".join(f"'{name}'" for name in by_name)
        log.warning("containers on volume %s are ended by force: %s", named, error)
    mounts.kill_users(names)
