"""Processes and tasks of a simulation, as the scheduler knows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from greenlet import greenlet


class ProcessEnded(BaseException):
    """The process of this task was killed: nothing of it goes on."""


class Process:
    """Tasks that end together.

    Args:
        clock: of the machine that it runs on; see clocks.py.
    """

    def __init__(self, name: str, clock: Any = None) -> None:
        self.name = name
        self.clock = clock
        self.is_alive = True
        self.is_stopped = False
        self.tasks: dict[Task, None] = {}  # in the order in which they began


class Task:
    """One thread of a process."""

    greenlet: greenlet

    def __init__(self, number: int, name: str, process: Process) -> None:
        self.number = number
        self.name = name
        self.process = process
        self.thread: Any = None
        self.local: dict[int, dict[str, Any]] = {}
        self.is_waiting = False
        self.timed_out = False
        self.is_over = False
        self.ticket = 0  # of the present wait
        self.locks = 0  # that it has
        self.on_end: list[Callable[[], object]] = []

    def __hash__(self) -> int:
        return self.number  # the order of a set must not depend on addresses

    def __repr__(self) -> str:
        return f"task {self.number} ({self.name}) of {self.process.name}"
