"""What volumes there are, also while etcd is away.

The engine purges what it knows of a volume when it is told "not found"
(docs/decisions/0001), so an answer that is only unknown must never say that:
reads fall back to what etcd said last, which is kept on disk.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path

from flocker.errors import ControlPlaneAway
from flocker.ownership import Ownership, Volume


class Catalog:
    """Reads of the volumes' records, remembered in `file`."""

    def __init__(self, ownership: Ownership, file: Path) -> None:
        self._ownership = ownership
        self._file = file
        self._lock = threading.Lock()
        self._known: dict[str, Volume] = {}
        if file.exists():
            stored = json.loads(file.read_text())
            self._known = {value["name"]: Volume(**value) for value in stored}

    def volumes(self) -> list[Volume]:
        """All volumes, by name; as they were last known while etcd is away."""
        try:
            volumes = self._ownership.volumes()
        except ControlPlaneAway:
            return sorted(self._known.values(), key=lambda volume: volume.name)
        self._remember({volume.name: volume for volume in volumes})
        return volumes

    def volume(self, name: str) -> Volume | None:
        """The volume of that name; None only when etcd says that there is none.

        Raises:
            ControlPlaneAway: etcd is away and the name was never heard of here.
        """
        try:
            volume = self._ownership.volume(name)
        except ControlPlaneAway:
            if name in self._known:
                return self._known[name]
            raise
        others = {key: value for key, value in self._known.items() if key != name}
        self._remember(others if volume is None else {**others, name: volume})
        return volume

    def _remember(self, volumes: dict[str, Volume]) -> None:
        with self._lock:
            if volumes == self._known:
                return
            self._known = volumes
            fresh = self._file.with_suffix(".new")
            fresh.write_text(json.dumps([volume.to_json() for volume in volumes.values()]))
            fresh.replace(self._file)
