"""Reads of a pool for those who must not wait for a disk or a storage that hangs.

While a write hangs, some reads of the same file system do so too: those of what is not in memory,
and those that need a lock of the commit that waits. Nobody can tell beforehand which ones.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from flocker.base.errors import PoolHangs

Answer = TypeVar("Answer")

# A node that waits once for so long and announces itself then is in time for its lease.
PATIENCE_SECONDS = 5.0


class Glance:
    """Reads one pool, each time in a thread of its own, which is left behind if it hangs.

    Any number of threads may read. While one of those left behind still hangs, nobody waits again.

    Args:
        pool: as people know it.
    """

    def __init__(self, pool: str = "the pool", clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._clock = clock
        self._numbers = itertools.count()
        self._under_way: dict[int, float] = {}  # when each read was begun

    def read(self, look: Callable[[], Answer]) -> Answer:
        """Return what `look` does, or raise as it does.

        Raises:
            PoolHangs: it has not ended within PATIENCE_SECONDS, an earlier one has not yet, or
                there is no thread for it.
        """
        if self._waited() > PATIENCE_SECONDS:
            raise self._hangs()
        answer = self._begin(look)
        try:
            return answer.result(PATIENCE_SECONDS)
        except TimeoutError:
            if answer.done():  # it was `look` that raised it, or has just ended
                return answer.result()
            raise self._hangs() from None

    def _begin(self, look: Callable[[], Answer]) -> Future[Answer]:
        number, answer = next(self._numbers), Future[Answer]()
        self._under_way[number] = self._clock()
        try:
            threading.Thread(target=self._look, args=(number, look, answer), daemon=True).start()
        except RuntimeError as error:  # no room for one: nothing would ever end this read
            del self._under_way[number]
            raise PoolHangs(f"{self._pool} could not be asked: {error}") from error
        return answer

    def _look(self, number: int, look: Callable[[], Answer], answer: Future[Answer]) -> None:
        try:
            result = look()
        except BaseException as error:  # for whoever waits, who may be gone
            answer.set_exception(error)
        else:
            answer.set_result(result)
        finally:
            del self._under_way[number]

    def _waited(self) -> float:
        return self._clock() - min(self._under_way.copy().values(), default=self._clock())

    def _hangs(self) -> PoolHangs:
        return PoolHangs(f"{self._pool} has not answered for {self._waited():.0f} s")
