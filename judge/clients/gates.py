"""Keeps clients from a volume that one of them has removed for a moment."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Gates:
    """One gate for each volume. Nobody waits at it: who may not pass does something else."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: Counter[str] = Counter()
        self._removed: set[str] = set()

    @contextmanager
    def using(self, volume: str) -> Iterator[bool]:
        """True while the volume is there for as long as the caller uses it; else False."""
        with self._lock:
            is_there = volume not in self._removed
            self._users[volume] += is_there
        try:
            yield is_there
        finally:
            with self._lock:
                self._users[volume] -= is_there

    @contextmanager
    def removing(self, volume: str) -> Iterator[bool]:
        """True if the caller alone has the volume, to remove it and have it back; else False."""
        with self._lock:
            is_free = not self._users[volume] and volume not in self._removed
            if is_free:
                self._removed.add(volume)
        try:
            yield is_free
        finally:
            if is_free:
                with self._lock:
                    self._removed.discard(volume)
