"""Does a few pieces of work at a time, and does not let those that hang delay the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

MOST_THREADS = 256  # nearly all of them wait: for their turn, or for what hangs


class Workers:
    """Threads of which so many work at a time; those that take longer are not counted.

    Args:
        at_once: the number that may work at a time.
        hangs_seconds: the time after which work is taken to hang. It continues,
            and another begins.
        name: of the threads.
    """

    def __init__(self, at_once: int, hangs_seconds: float, name: str) -> None:
        self._at_once = at_once
        self._hangs_seconds = hangs_seconds
        self._threads = ThreadPoolExecutor(MOST_THREADS, name)
        self._changed = threading.Condition()
        self._begun_at: dict[int, float] = {}  # by thread

    def submit(self, work: Callable[[], None]) -> Future[None]:
        """Have this done in its turn."""
        return self._threads.submit(self._work, work)

    def _work(self, work: Callable[[], None]) -> None:
        with self._turn():
            work()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        me = threading.get_ident()
        with self._changed:
            while (seconds := self._seconds_to_wait()) > 0:
                self._changed.wait(seconds)
            self._begun_at[me] = time.monotonic()
        try:
            yield
        finally:
            with self._changed:
                del self._begun_at[me]
                self._changed.notify()

    def _seconds_to_wait(self) -> float:
        """Until enough of the work under way is taken to hang; 0 if there is a turn now."""
        now = time.monotonic()
        hang_at = sorted(
            at
            for begun_at in self._begun_at.values()
            if (at := begun_at + self._hangs_seconds) > now
        )
        return 0.0 if len(hang_at) < self._at_once else hang_at[-self._at_once] - now
