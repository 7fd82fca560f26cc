"""A clock that a test moves by hand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Clock:
    """Seconds; called, it tells the time."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now
