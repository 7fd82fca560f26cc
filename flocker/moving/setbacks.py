"""Copies on this node that could not be brought up to date: when to try again, and which are stuck.

A copy is stuck when the reason is known to last, or when nothing has helped for a while. The node
announces that, so that everybody sees it and another node is chosen for a replica.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from flocker.base.errors import FlockerError, StreamRefused

STUCK_AFTER_SECONDS = 30.0
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 300.0  # a whole copy that is refused costs as much as one that is not


@dataclass
class _Setback:
    since: float
    pause: float
    try_again_at: float
    reason: str
    is_lasting: bool

    def is_stuck(self, now: float) -> bool:
        return self.is_lasting or now >= self.since + STUCK_AFTER_SECONDS


class Setbacks:
    """By volume id; any number of threads may tell and ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, _Setback] = {}

    def failed(self, volume_id: str, error: FlockerError) -> bool:
        """Remember a failure; return True if it is the volume's first or has another reason."""
        now = time.monotonic()
        with self._lock:
            known = self._known.get(volume_id)
            pause = FIRST_PAUSE_SECONDS
            if known is not None and known.is_stuck(now):
                pause = min(2 * known.pause, LONGEST_PAUSE_SECONDS)
            self._known[volume_id] = _Setback(
                since=known.since if known else now,
                pause=pause,
                try_again_at=now + pause,
                reason=str(error),
                is_lasting=isinstance(error, StreamRefused),
            )
            return known is None or known.reason != str(error)

    def over(self, volume_id: str) -> None:
        """The copy is up to date, or is not wanted here."""
        with self._lock:
            self._known.pop(volume_id, None)

    def is_due(self, volume_id: str) -> bool:
        """Tell whether it is time for another attempt; True where none has failed."""
        with self._lock:
            known = self._known.get(volume_id)
            return known is None or time.monotonic() >= known.try_again_at

    def volume_ids(self) -> list[str]:
        """The volumes whose last attempt failed."""
        with self._lock:
            return list(self._known)

    def stuck(self) -> dict[str, str]:
        """Volume id -> why its copy here does not get any further."""
        now = time.monotonic()
        with self._lock:
            return {
                volume_id: known.reason
                for volume_id, known in self._known.items()
                if known.is_stuck(now)
            }
