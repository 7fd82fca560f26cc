"""Locks for the tasks of a simulation."""

from __future__ import annotations

import _thread

from tests.simulated import scheduler as simulation
from tests.simulated.tasks import Task


def get_ident() -> int:
    running = simulation.running
    task = running.current if running is not None else None
    return _thread.get_ident() if task is None else task.number


class Lock:
    """Waiting tasks are woken when it is free, and the first that goes on takes it."""

    __slots__ = ("_is_locked", "_waiting")

    def __init__(self) -> None:
        self._is_locked = False
        self._waiting: list[Task] = []

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if not self._is_locked:
            self._is_locked = True
            if (running := simulation.running) is not None and (task := running.current):
                task.locks += 1
            return True
        if not blocking:
            return False
        return self._wait(None if timeout < 0 else timeout)

    def release(self, *_: object) -> None:
        if not self._is_locked:
            raise RuntimeError("release unlocked lock")
        self._is_locked = False
        running = simulation.running
        if running is None:
            return
        if self._waiting:
            running.wake(self._waiting.pop(running.choose(len(self._waiting))))
        if (task := running.current) is not None:
            task.locks -= 1
            if task.locks <= 0:
                running.give_way()

    def locked(self) -> bool:
        return self._is_locked

    def _at_fork_reinit(self) -> None:
        self._is_locked = False

    def _wait(self, seconds: float | None) -> bool:
        running = simulation.current()
        until = None if seconds is None else running.now + seconds
        while self._is_locked:
            left = None if until is None else until - running.now
            if left is not None and left <= 0:
                return False
            running.wait_among(self._waiting, left)
        return self.acquire()

    __enter__ = acquire
    __exit__ = release


class RLock:
    """A lock that its task may take again."""

    __slots__ = ("_count", "_lock", "_owner")

    def __init__(self) -> None:
        self._lock = Lock()
        self._owner: Task | None = None  # None also for code that is no task
        self._count = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        running = simulation.running
        me = running.current if running is not None else None
        if self._count and self._owner is me:
            self._count += 1
            return True
        if not self._lock.acquire(blocking, timeout):
            return False
        self._owner, self._count = me, 1
        return True

    def release(self, *_: object) -> None:
        if not self._is_owned():
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if not self._count:
            self._owner = None
            self._lock.release()

    __enter__ = acquire
    __exit__ = release

    def _at_fork_reinit(self) -> None:
        self._lock._at_fork_reinit()
        self._owner, self._count = None, 0

    # For threading.Condition

    def _release_save(self) -> tuple[int, Task | None]:
        state = self._count, self._owner
        self._count, self._owner = 0, None
        self._lock.release()
        return state

    def _acquire_restore(self, state: tuple[int, Task | None]) -> None:
        self._lock.acquire()
        self._count, self._owner = state

    def _is_owned(self) -> bool:
        running = simulation.running
        me = running.current if running is not None else None
        return self._count > 0 and self._owner is me


class Event:
    """As threading.Event, which would take and release four locks for each wait."""

    __slots__ = ("_is_set", "_times_set", "_waiting")

    def __init__(self) -> None:
        self._is_set = False
        self._times_set = 0
        self._waiting: list[Task] = []

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        self._times_set += 1
        running = simulation.running
        if running is None:
            return
        for task in self._waiting:
            running.wake(task)
        self._waiting.clear()
        if running.current is not None and running.current.locks <= 0:
            running.give_way()

    def clear(self) -> None:
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        if self._is_set:
            return True
        running = simulation.current()
        until = None if timeout is None else running.now + timeout
        times_set = self._times_set  # who waits goes on also if it is cleared before its turn
        while self._times_set == times_set:
            left = None if until is None else until - running.now
            if left is not None and left <= 0:
                return False
            running.wait_among(self._waiting, left)
        return True
