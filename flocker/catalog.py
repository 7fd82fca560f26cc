"""What volumes there are, also while etcd is away.

The engine purges what it knows of a volume when it is told "not found"
(docs/decisions/0001), so an answer that is only unknown must never say that:
reads fall back to what etcd said last, which is kept on disk.
"""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path

from flocker.errors import ControlPlaneAway
from flocker.ownership import Ownership, Volume

log = logging.getLogger(__name__)


class Catalog:
    """Reads of the volumes' records, remembered in `file`."""

    def __init__(self, ownership: Ownership, file: Path) -> None:
        self._ownership = ownership
        self._file = file
        self._lock = threading.Lock()
        self._known = self._load()

    def volumes(self) -> list[Volume]:
        """All volumes, by name; as they were last known while etcd is away."""
        try:
            volumes = self._ownership.volumes()
        except ControlPlaneAway:
            return sorted(self._known.values(), key=lambda volume: volume.name)
        with self._lock:
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
        if volume is None:
            with self._lock:
                self._remember({key: each for key, each in self._known.items() if key != name})
        else:
            self.remember(volume)
        return volume

    def remember(self, volume: Volume) -> None:
        """Take note of a record that is known to be in force."""
        with self._lock:
            self._remember({**self._known, volume.name: volume})

    def _remember(self, volumes: dict[str, Volume]) -> None:
        if volumes == self._known:
            return
        self._known = volumes
        fresh = self._file.with_suffix(".new")
        try:
            fresh.write_text(json.dumps([volume.to_json() for volume in volumes.values()]))
            fresh.replace(self._file)
        except OSError as error:  # a full disk must not turn a right answer into an error
            log.warning("what volumes there are was not written down: %s", error)

    def _load(self) -> dict[str, Volume]:
        try:
            stored = json.loads(self._file.read_text())
            return {value["name"]: Volume(**value) for value in stored}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError) as error:
            log.warning("%s cannot be read, begun anew: %s", self._file, error)
            return {}
