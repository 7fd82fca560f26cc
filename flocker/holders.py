"""Who uses which volume on this node, kept across restarts of the daemon.

The engine's mount IDs are counted, not collected: `docker cp` from a running
container mounts and unmounts with the ID the container already holds
(moby/moby#37314). The file lies on /run, so a reboot, which ends every
container, also empties it.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Holders:
    """Counts of mount IDs per volume id, written to `file` at every change."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._counts: dict[str, Counter[str]] = {}
        if file.exists():
            stored = json.loads(file.read_text())
            self._counts = {volume: Counter(ids) for volume, ids in stored.items()}
        self._locks: dict[str, threading.Lock] = {}
        self._writing = threading.Lock()

    @contextmanager
    def locked(self, volume_id: str) -> Iterator[None]:
        """Let no other thread change what this node does with the volume meanwhile."""
        with self._locks.setdefault(volume_id, threading.Lock()):
            yield

    def any(self, volume_id: str) -> bool:
        """Whether anything here uses the volume."""
        return volume_id in self._counts

    def add(self, volume_id: str, mount_id: str) -> None:
        """Count one more use."""
        with self._writing:
            self._counts.setdefault(volume_id, Counter())[mount_id] += 1
            self._write()

    def remove(self, volume_id: str, mount_id: str) -> None:
        """Count one use less; an ID that is not known changes nothing."""
        with self._writing:
            counts = self._counts.get(volume_id, Counter())
            counts -= Counter([mount_id])
            if counts:
                self._counts[volume_id] = counts
            else:
                self._counts.pop(volume_id, None)
            self._write()

    def _write(self) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps(self._counts))
        fresh.replace(self._file)
