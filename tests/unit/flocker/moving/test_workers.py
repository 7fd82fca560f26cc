"""Work that is done a few pieces at a time."""

from __future__ import annotations

import threading

from flocker.moving.workers import Workers

MINUTES = 600.0


class Pieces:
    """Pieces of work that take a moment each, and the most that were under way at a time."""

    def __init__(self) -> None:
        self.most = 0
        self._under_way = 0
        self._changing = threading.Lock()

    def work(self) -> None:
        with self._changing:
            self._under_way += 1
            self.most = max(self.most, self._under_way)
        threading.Event().wait(0.01)
        with self._changing:
            self._under_way -= 1


def test_only_so_many_work_at_a_time() -> None:
    workers, pieces = Workers(3, MINUTES, "test"), Pieces()
    for done in [workers.submit(pieces.work) for _ in range(30)]:
        done.result(30)
    assert pieces.most == 3


def test_work_that_hangs_delays_the_others_for_a_moment_only() -> None:
    workers, hanging, pieces = Workers(3, 0.2, "test"), threading.Event(), Pieces()
    hung = [workers.submit(lambda: assert_set(hanging)) for _ in range(7)]
    try:
        for done in [workers.submit(pieces.work) for _ in range(30)]:
            done.result(10)
        assert not any(each.done() for each in hung)
        assert pieces.most <= 3
    finally:
        hanging.set()
    for each in hung:
        each.result(10)


def test_a_failure_is_told_and_keeps_no_turn() -> None:
    workers = Workers(1, MINUTES, "test")
    failing = [workers.submit(lambda: assert_set(threading.Event(), within=0)) for _ in range(2)]
    assert all(isinstance(each.exception(10), AssertionError) for each in failing)
    workers.submit(lambda: None).result(10)


def assert_set(event: threading.Event, within: float = 60) -> None:
    assert event.wait(within)
