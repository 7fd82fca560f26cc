"""The clocks that a node goes by, so that a test can turn them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from flocker.base.uptime import uptime


@dataclass(frozen=True)
class Clocks:
    """The clocks of one node; all in seconds.

    Attributes:
        monotonic: never steps.
        lived: never steps, and is added up over the daemon's restarts (observed.py).
        wall: the one that people set.
        uptime: since this node was started.
    """

    monotonic: Callable[[], float] = time.monotonic
    lived: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    uptime: Callable[[], float] = uptime
