"""Puts simulated threads, clocks and chance in the place of Python's own.

To be called before anything of the driver is imported, in a process that does nothing else.
"""

from __future__ import annotations

import datetime
import gc
import os
import queue
import threading
import time
from concurrent.futures import Future, _base
from itertools import count
from random import Random
from typing import Any

from tests.simulated import clocks, locks, threads

# The PYTHONHASHSEED of a process that simulates: the order of sets of text follows from it.
HASH_SEED = "0"


def put_in_place() -> None:
    """Replace all that differs between two runs."""
    assert os.environ.get("PYTHONHASHSEED") == HASH_SEED
    for name, part in {
        "Lock": locks.Lock,
        "_allocate_lock": locks.Lock,
        "RLock": locks.RLock,
        "Event": locks.Event,
        "Thread": threads.Thread,
        "Timer": threads.Timer,
        "local": threads.Local,
        "get_ident": locks.get_ident,
        "get_native_id": locks.get_ident,
        "current_thread": threads.current_thread,
        "_time": clocks.boottime,
    }.items():
        setattr(threading, name, part)
    queue.SimpleQueue = threads.SimpleQueue  # type: ignore[assignment, misc]
    queue.time = clocks.boottime  # type: ignore[attr-defined]
    time.monotonic = clocks.boottime
    time.time = clocks.wall
    time.sleep = clocks.sleep
    time.clock_gettime = clocks.clock_gettime
    time.clock_gettime_ns = clocks.clock_gettime_ns
    datetime.datetime = clocks.Datetime  # type: ignore[misc]
    _number_futures()
    gc.disable()  # the scheduler says when: what it calls must not run at any moment


def _number_futures() -> None:
    """Have futures be in the order in which they were made; Python orders them by address."""
    numbers, begin = count(), Future.__init__

    def begin_numbered(self: Future[Any]) -> None:
        begin(self)
        self.number = next(numbers)  # type: ignore[attr-defined]

    def number_of(each: Any) -> int:
        return int(getattr(each, "number", 0))

    Future.__init__ = begin_numbered  # type: ignore[method-assign]
    Future.__hash__ = number_of  # type: ignore[assignment, method-assign]
    _base.id = number_of  # type: ignore[attr-defined]


def seed_chance(seed: int) -> None:
    """Have what is random on a machine, such as new ids, come from the seed."""
    random = Random(f"machine {seed}")  # noqa: S311 - nothing is kept secret with it
    os.urandom = random.randbytes
