"""A pool that cannot be written to any more is noticed, also if a write never ends."""

from __future__ import annotations

import errno
import threading

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import PoolError, PoolFull
from flocker.pool.health import FAILURES, HANG_SECONDS, PoolHealth


class Disk:
    """The outcome of a write, and the time."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.at = 0.0

    def write(self) -> None:
        if self.error:
            raise self.error


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def health(disk: Disk) -> PoolHealth:
    return PoolHealth(disk.write, lambda: disk.at)


def look(health: PoolHealth, times: int) -> str | None:
    for _ in range(times):
        health.look()
    return health.problem()


def test_a_pool_that_takes_writes_has_no_problem(health: PoolHealth) -> None:
    assert look(health, 3) is None


@pytest.mark.parametrize("error", [OSError(errno.EROFS, "read-only"), PoolError("read-only")])
def test_failures_in_a_row_are_a_problem_until_a_write_succeeds(
    health: PoolHealth, disk: Disk, error: Exception
) -> None:
    disk.error = error
    assert look(health, FAILURES - 1) is None
    assert "cannot be written to: " in str(look(health, 1))
    assert "read-only" in str(health.problem())
    disk.error = None
    assert look(health, 1) is None


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), PoolFull("full")])
def test_a_full_pool_is_another_matter(health: PoolHealth, disk: Disk, error: Exception) -> None:
    disk.error = error
    assert look(health, FAILURES) is None


def test_a_write_that_does_not_end_is_a_problem(disk: Disk) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        may_end.wait()

    health = PoolHealth(hang, lambda: disk.at)
    looking = threading.Thread(target=health.look, daemon=True)
    looking.start()
    begun.wait()
    disk.at = HANG_SECONDS
    assert health.problem() is None
    disk.at += 1
    assert health.problem() == "a write to the pool has not ended for 31 s"
    may_end.set()
    looking.join()
    eventually(health.problem, is_=None, within=5)
