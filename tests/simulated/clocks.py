"""The clocks of a machine, as its processes read them: simulated, and each machine has its own."""

from __future__ import annotations

import time
from datetime import UTC, datetime, tzinfo
from typing import Any

from tests.simulated import scheduler as simulation
from tests.simulated.scheduler import Scheduler

SHOWN_SECONDS = 0.001  # of which records hold no parts
BEGAN = datetime(2030, 1, 1, tzinfo=UTC).timestamp()  # of every simulation


class Clock:
    """The clocks of one machine.

    Attributes:
        booted_at: seconds of the simulation.
        ahead: seconds by which the wall clock is ahead of the simulation's.
    """

    def __init__(self) -> None:
        self.booted_at = 0.0
        self.ahead = 0.0
        self._steps = [(0.0, 0.0)]  # since when it was how much ahead

    def step(self, by: float, now: float) -> None:
        """Set the wall clock."""
        self.ahead += by
        self._steps.append((now, self.ahead))

    def is_right(self, since: float) -> bool:
        """Tell whether the wall clock was never set wrong from a moment on."""
        return not self.ahead and self._steps[-1][0] <= max(0.0, since)

    def moments(self, wall: float, now: float) -> list[float]:
        """The moments of the simulation at which the wall clock showed that, earliest first."""
        ends = [since for since, _ in self._steps[1:]] + [now]
        found = []
        for (since, ahead), end in zip(self._steps, ends, strict=True):
            moment = wall - BEGAN - ahead
            if since - SHOWN_SECONDS <= moment <= end + SHOWN_SECONDS:
                found.append(moment)
        return sorted(found)


TRUE = Clock()


REAL_MONOTONIC, REAL_WALL = time.monotonic, time.time  # while no simulation runs


def _mine(running: Scheduler) -> Clock:
    task = running.current
    return (task.process.clock if task is not None else None) or TRUE


def boottime() -> float:
    """Seconds since this machine was started."""
    running = simulation.running
    if running is None:
        return REAL_MONOTONIC()
    return running.read_clock() - _mine(running).booted_at


def wall() -> float:
    """Seconds since 1970, as this machine has it."""
    running = simulation.running
    if running is None:
        return REAL_WALL()
    return BEGAN + running.read_clock() + _mine(running).ahead


def clock_gettime(which: int) -> float:
    return wall() if which == time.CLOCK_REALTIME else boottime()


def clock_gettime_ns(which: int) -> int:
    return round(clock_gettime(which) * 1e9)


def sleep(seconds: float) -> None:
    simulation.current().sleep(seconds)


class Datetime(datetime):
    """A datetime whose `now` is this machine's."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return cls.fromtimestamp(wall(), tz)

    @classmethod
    def utcnow(cls) -> Any:
        return cls.now(UTC).replace(tzinfo=None)
