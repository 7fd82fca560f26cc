"""A read of the pool that hangs keeps nobody waiting for long, and nobody twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import PoolHangs
from flocker.pool import glance as module
from flocker.pool.glance import Glance
from tests.unit.flocker.clocks import Clock
from tests.unit.flocker.pool.last_moment import last_moment


class Disk:
    """Counts the reads; a test says when they end."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.reads = 0

    def read(self) -> str:
        self.reads += 1
        assert self.answers.wait(30)
        return "read"


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.1)
    disk = Disk()
    yield disk
    disk.answers.set()


def test_a_read_that_ends_is_answered(disk: Disk) -> None:
    disk.answers.set()
    assert Glance().read(disk.read) == "read"


@pytest.mark.parametrize("error", [TimeoutError("of the disk"), PoolHangs("an inner one")])
def test_a_read_that_fails_fails_as_it_did(error: Exception) -> None:
    def fail() -> str:
        raise error

    with pytest.raises(type(error), match=str(error)):
        Glance().read(fail)


def test_a_read_that_ends_as_its_time_does_is_answered(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Future", last_moment(disk.answers))
    assert Glance().read(disk.read) == "read"


def test_a_read_for_which_there_is_no_thread_is_not_waited_for(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    glance = Glance(clock=clock)
    with monkeypatch.context() as crowded:
        crowded.setattr(threading.Thread, "start", _no_room)
        with pytest.raises(PoolHangs, match="can't start new thread"):
            glance.read(disk.read)
    clock.now += 3600
    disk.answers.set()
    assert glance.read(disk.read) == "read"


def _no_room(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_nobody_waits_again_while_a_read_hangs(disk: Disk) -> None:
    glance = Glance()
    for _ in range(3):
        with pytest.raises(PoolHangs, match=r"the pool has not answered for \d+ s"):
            glance.read(disk.read)
    assert disk.reads == 1


def test_reads_are_answered_again_once_the_disk_is(disk: Disk) -> None:
    glance = Glance()
    with pytest.raises(PoolHangs):
        glance.read(disk.read)
    disk.answers.set()

    def read() -> str:
        try:
            return glance.read(disk.read)
        except PoolHangs as error:
            return str(error)

    eventually(read, is_="read", within=5)
