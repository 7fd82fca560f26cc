"""The network between three nodes and etcd: how long a message takes, and which do not arrive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from tests.simulated.scheduler import Scheduler
from tests.simulated.tasks import Process

ETCD = "etcd"
QUICK_SECONDS = (0.0003, 0.003)


class Network:
    """Ways that can be cut in one direction, and nodes whose messages can be slow.

    Several faults may cut the same way: it is open when all of them are over.
    """

    def __init__(self, running: Scheduler, random: Random) -> None:
        self._running = running
        self._random = random
        self._cut: Counter[tuple[str, str]] = Counter()
        self.slowness: Counter[str] = Counter()  # node -> how much longer its messages take

    def cut(self, source: str, target: str) -> None:
        self._cut[source, target] += 1

    def mend(self, source: str, target: str) -> None:
        self._cut[source, target] -= 1

    def travel(self, source: str, target: str) -> bool:
        """Wait for as long as a message takes; False if it does not arrive."""
        slowness = 1 + self.slowness[source] + self.slowness[target]
        self._running.sleep(self._random.uniform(*QUICK_SECONDS) * slowness)
        return self.is_open(source, target)

    def is_open(self, source: str, target: str) -> bool:
        return self._cut[source, target] <= 0


class Gone(Exception):
    """The process that was asked has ended, or was not there."""


class NoReply(Exception):
    """The process that was asked has not answered in time; it may go on."""


def ask(
    running: Scheduler, process: Process | None, name: str, work: Callable[[], Any], within: float
) -> Any:
    """Have a process do something in a task of its own, and wait for its answer.

    Raises:
        Gone, NoReply: as these say.
        Exception: that of `work`.
    """
    if process is None or not process.is_alive:
        raise Gone(name)
    answer: list[Any] = []
    failure: list[Exception] = []

    def answer_it() -> None:
        try:
            answer.append(work())
        except Exception as error:
            failure.append(error)

    asker = running.current
    assert asker is not None
    task = running.spawn(name, answer_it, process)
    task.on_end.append(lambda: running.wake(asker))
    until = running.now + within
    while not task.is_over:
        if not running.wait(until - running.now) and not task.is_over:
            raise NoReply(name)
    if failure:
        raise failure[0]
    if not answer:
        raise Gone(name)
    return answer[0]
