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
from collections.abc import Callable, Iterator
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
    def locked(self, volume_id: str, within: float = -1) -> Iterator[None]:
        """Let no other thread change what this node does with the volume meanwhile.

        Args:
            within: seconds to wait for the others; without end if negative.

        Raises:
            TimeoutError: another thread was not done in time.
        """
        lock = self._locks.setdefault(volume_id, threading.Lock())
        if not lock.acquire(timeout=within):
            raise TimeoutError
        try:
            yield
        finally:
            lock.release()

    def any(self, volume_id: str) -> bool:
        """Whether anything here uses the volume."""
        return volume_id in self._counts

    def add(self, volume_id: str, mount_id: str) -> None:
        """Count one more use."""
        self._change(volume_id, lambda counts: counts + Counter([mount_id]))

    def remove(self, volume_id: str, mount_id: str) -> None:
        """Count one use less; an ID that is not known changes nothing."""
        self._change(volume_id, lambda counts: counts - Counter([mount_id]))

    def _change(self, volume_id: str, change: Callable[[Counter[str]], Counter[str]]) -> None:
        with self._writing:
            counts = {**self._counts, volume_id: change(self._counts.get(volume_id, Counter()))}
            counts = {key: value for key, value in counts.items() if value}
            # Written first: a count that cannot be kept must not be in force either.
            fresh = self._file.with_suffix(".new")
            fresh.write_text(json.dumps(counts))
            fresh.replace(self._file)
            self._counts = counts
