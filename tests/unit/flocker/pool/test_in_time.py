"""A storage that does not answer keeps nobody waiting for longer than was said."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import cast

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import PoolHangs, StaleEpoch
from flocker.pool import in_time
from flocker.pool.in_time import hasty, patient
from flocker.pool.remote_pool import RemotePool

SHORT = 0.05


class Storage:
    """It answers what is asked once it is back, or with its own errors."""

    def __init__(self) -> None:
        self.is_back = threading.Event()
        self.answered: list[str] = []

    def epoch(self, volume_id: str) -> int:
        self.is_back.wait()
        self.answered.append(volume_id)
        return 7

    def close(self, volume_id: str) -> None:
        raise StaleEpoch(volume_id)

    def usage(self) -> None:
        raise TimeoutError("the storage says so")

    def mountpoint(self, volume_id: str) -> str:
        return f"{volume_id} in {threading.current_thread().name}"


@pytest.fixture
def storage() -> Iterator[Storage]:
    storage = Storage()
    yield storage
    storage.is_back.set()


def pool_of(storage: Storage) -> RemotePool:
    return cast(RemotePool, storage)


def test_answers_and_errors_come_as_they_are(storage: Storage) -> None:
    storage.is_back.set()
    pool = patient(pool_of(storage))
    assert pool.epoch("a") == 7
    with pytest.raises(StaleEpoch, match="a"):
        pool.close("a")
    with pytest.raises(TimeoutError, match="the storage says so"):
        pool.usage()


def test_what_asks_nobody_needs_no_thread(storage: Storage) -> None:
    here = threading.current_thread().name
    assert str(hasty(pool_of(storage)).mountpoint("a")) == f"a in {here}"


def test_who_looks_waits_once_and_then_not_at_all(storage: Storage) -> None:
    pool = hasty(pool_of(storage), SHORT)
    with pytest.raises(PoolHangs, match=r"has not answered for 0\.05 s \(epoch\); `ceph -s`"):
        pool.epoch("a")
    with pytest.raises(PoolHangs, match=r"does not answer \(epoch\)"):
        pool.epoch("b")
    storage.is_back.set()
    eventually(lambda: storage.answered, is_=["a"], within=5)
    eventually(lambda: _epoch(pool), is_=7, within=5)
    assert storage.answered == ["a", "b"]


def test_who_has_work_to_do_is_refused_when_too_many_hang(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_time, "PATIENT_SECONDS", SHORT)
    monkeypatch.setattr(in_time, "MOST_LATE", 2)
    pool = patient(pool_of(storage))
    for each in "ab":
        with pytest.raises(PoolHangs, match="has not answered"):
            pool.epoch(each)
    with pytest.raises(PoolHangs, match="does not answer"):
        pool.epoch("c")


def _epoch(pool: RemotePool) -> int | None:
    try:
        return pool.epoch("b")
    except PoolHangs:
        return None
