"""Locks, threads and what else `threading` has, for the tasks of a simulation.

`threading.Condition`, `Semaphore` and `concurrent.futures` are Python's own: they are made of
these.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from queue import Empty
from typing import Any

from tests.simulated import scheduler as simulation
from tests.simulated.tasks import Task


class Thread:
    """A task with the face of threading.Thread."""

    def __init__(
        self,
        group: None = None,
        target: Callable[..., object] | None = None,
        name: str | None = None,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        daemon: bool | None = None,
    ) -> None:
        assert group is None
        self._target, self._args, self._kwargs = target, tuple(args), dict(kwargs or {})
        self.name = name or getattr(target, "__name__", "thread")
        self.daemon = bool(daemon)
        self._task: Task | None = None
        self._awaiting: list[Task] = []

    def start(self) -> None:
        self._task = task = simulation.current().spawn(self.name, self.run)
        task.thread = self
        task.on_end.append(self._ended)

    def run(self) -> None:
        if self._target is not None:
            self._target(*self._args, **self._kwargs)

    def join(self, timeout: float | None = None) -> None:
        running = simulation.running
        if running is None:  # Python ends, and so have all simulations
            return
        until = None if timeout is None else running.now + timeout
        while self.is_alive():
            left = None if until is None else until - running.now
            if left is not None and left <= 0:
                return
            assert running.current is not None
            self._awaiting.append(running.current)
            running.wait(left)

    def is_alive(self) -> bool:
        return self._task is not None and not self._task.is_over

    @property
    def ident(self) -> int | None:
        return None if self._task is None else self._task.number

    native_id = ident

    def _ended(self) -> None:
        running = simulation.current()
        for task in self._awaiting:
            running.wake(task)
        self._awaiting.clear()

    def __hash__(self) -> int:
        return self.ident or 0  # the order of a set must not depend on addresses


class Timer(Thread):
    """As threading.Timer."""

    def __init__(
        self,
        interval: float,
        function: Callable[..., object],
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(target=function, args=args, kwargs=kwargs)
        self._interval = interval
        self._is_cancelled = threading.Event()

    def cancel(self) -> None:
        self._is_cancelled.set()

    def run(self) -> None:
        if not self._is_cancelled.wait(self._interval):
            super().run()


class SimpleQueue:
    """As queue.SimpleQueue."""

    def __init__(self) -> None:
        self._items: deque[Any] = deque()
        self._waiting: list[Task] = []

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: ARG002
        self._items.append(item)
        running = simulation.running
        if self._waiting and running is not None:
            running.wake(self._waiting.pop(running.choose(len(self._waiting))))

    put_nowait = put

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        running = simulation.current()
        until = None if timeout is None else running.now + timeout
        while not self._items:
            left = None if until is None else until - running.now
            if not block or (left is not None and left <= 0):
                raise Empty
            running.wait_among(self._waiting, left)
        return self._items.popleft()

    def get_nowait(self) -> Any:
        return self.get(block=False)

    def empty(self) -> bool:
        return not self._items

    def qsize(self) -> int:
        return len(self._items)


class Local:
    """As threading.local: each task has attributes of its own."""

    def __getattr__(self, name: str) -> Any:
        try:
            return _of_task(self)[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        _of_task(self)[name] = value

    def __delattr__(self, name: str) -> None:
        del _of_task(self)[name]


_outside: dict[int, dict[str, Any]] = {}


def _of_task(local: Local) -> dict[str, Any]:
    running = simulation.running
    task = running.current if running is not None else None
    return (_outside if task is None else task.local).setdefault(id(local), {})


MAIN = threading.current_thread()


def current_thread() -> Any:
    running = simulation.running
    task = running.current if running is not None else None
    if task is None:
        return MAIN
    if task.thread is None:
        task.thread = Thread(name=task.name)
        task.thread._task = task
    return task.thread
