"""Threads that want the same disk flushed share a flush, but never one that began too early."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import PoolError
from flocker.btrfs.writeback import Writeback


class Disk:
    """A disk whose flushes begin, and then wait to be let go."""

    def __init__(self) -> None:
        self.begun = 0
        self.fails = False
        self._let_go = threading.Semaphore(0)

    def sync(self, _: Path) -> None:
        self.begun += 1
        assert self._let_go.acquire(timeout=30)
        if self.fails:
            raise PoolError("no disk")

    def let_go(self, times: int = 1) -> None:
        self._let_go.release(times)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr("flocker.btrfs.writeback.subvolume.sync", disk.sync)
    return disk


def test_who_comes_during_a_flush_shares_the_next(disk: Disk, tmp_path: Path) -> None:
    writeback = Writeback(tmp_path)
    with ThreadPoolExecutor(9) as threads:
        first = threads.submit(writeback.flush, 0)
        eventually(lambda: disk.begun, is_=1, within=10)
        later = [threads.submit(writeback.flush, 0) for _ in range(8)]
        disk.let_go()
        first.result(10)
        eventually(lambda: disk.begun, is_=2, within=10)
        assert not any(each.done() for each in later), "the first began before they asked"
        disk.let_go(8)
        for each in later:
            each.result(10)
    # Those that asked while the second was under way already have a third.
    assert disk.begun <= 3


def test_a_flush_that_fails_is_tried_again_by_who_waits(disk: Disk, tmp_path: Path) -> None:
    writeback = Writeback(tmp_path)
    disk.fails = True
    with ThreadPoolExecutor(2) as threads:
        flushes = [threads.submit(writeback.flush, 0) for _ in range(2)]
        eventually(lambda: disk.begun, is_=1, within=10)
        disk.let_go(2)
        for each in flushes:
            with pytest.raises(PoolError):
                each.result(10)
    assert disk.begun == 2
