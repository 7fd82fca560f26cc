"""The streams that leave a pool at this moment; the kernel deletes no snapshot before its end."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

SHORT_SECONDS = 5.0  # what takes longer hangs in the kernel


class Endable(Protocol):
    """A stream that can be ended from another thread."""

    def end(self) -> None:
        """Return when the kernel sends no more of it."""


class Sends:
    """Streams by volume."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sends: defaultdict[str, set[Endable]] = defaultdict(set)

    @contextmanager
    def noted(self, volume_id: str, stream: Endable) -> Iterator[None]:
        """Keep a stream where `end` finds it, as long as the block runs."""
        with self._lock:
            self._sends[volume_id].add(stream)
        try:
            yield
        finally:
            with self._lock:
                self._sends[volume_id].remove(stream)
                if not self._sends[volume_id]:
                    del self._sends[volume_id]

    @contextmanager
    def short(self, volume_id: str) -> Iterator[None]:
        """Have `end` wait for the block, which sends a small stream."""
        stream = _Short()
        with self.noted(volume_id, stream):
            try:
                yield
            finally:
                stream.over.set()

    def end(self, volume_id: str) -> None:
        """End the streams of a volume; the readers of long ones get an error."""
        with self._lock:
            streams = list(self._sends.get(volume_id, ()))
        for each in streams:
            each.end()


class _Short:
    def __init__(self) -> None:
        self.over = threading.Event()

    def end(self) -> None:
        self.over.wait(SHORT_SECONDS)
