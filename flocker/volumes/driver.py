"""Everything that the engine may do with a volume, behind one door. Knows no HTTP.

A node that creates or removes a volume elsewhere for its own engine comes here, too (peer_api.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flocker.base.records import Volume
from flocker.engine.volume_use import VolumeUse
from flocker.volumes.creation import Creation
from flocker.volumes.descriptions import Description, Descriptions
from flocker.volumes.mounting import Mounting
from flocker.volumes.removal import Removal


class Driver:
    """The volumes of the cluster, from one node. All calls may come twice and at once."""

    def __init__(
        self,
        use: VolumeUse,
        *,
        creation: Creation,
        removal: Removal,
        mounting: Mounting,
        descriptions: Descriptions,
    ) -> None:
        self._use = use
        self._creation = creation
        self._removal = removal
        self._mounting = mounting
        self._descriptions = descriptions

    def engine_started(self) -> None:
        """The engine activates its plugins anew: none of its former calls will be taken back."""
        self._use.new_engine()

    def create(self, name: str, opts: dict[str, str]) -> None:
        """See Creation.create."""
        self._creation.create(name, opts)

    def remove(self, name: str) -> None:
        """See Removal.remove."""
        self._removal.remove(name)

    def remove_for_peer(self, name: str) -> None:
        """See Removal.remove_for_peer."""
        self._removal.remove_for_peer(name)

    def mount(self, name: str, mount_id: str) -> Path:
        """See Mounting.mount."""
        return self._mounting.mount(name, mount_id)

    def unmount(self, name: str, mount_id: str) -> None:
        """See Mounting.unmount."""
        self._mounting.unmount(name, mount_id)

    def describe(self, name: str) -> Description:
        """See Descriptions.describe."""
        return self._descriptions.describe(name)

    def describe_all(self) -> list[Description]:
        """See Descriptions.describe_all."""
        return self._descriptions.describe_all()

    def status(self, volume: Volume) -> dict[str, Any]:
        """See Descriptions.status."""
        return self._descriptions.status(volume)
