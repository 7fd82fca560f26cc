"""A storage that does not answer keeps nobody waiting for longer than was said."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from typing import cast

import pytest

from acceptance.base.waiting import eventually
from flocker.api.peer_client import LIST_SECONDS
from flocker.base.errors import PoolHangs, StaleEpoch
from flocker.cli.client import ANSWER_SECONDS
from flocker.pool import glance
from flocker.pool import in_time as module
from flocker.pool.glance import Glance
from flocker.pool.in_time import in_time
from flocker.pool.remote_pool import RemotePool
from tests.unit.flocker.pool.last_moment import last_moment

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

    def used_bytes(self, volume_id: str) -> int:
        return self.epoch(volume_id)

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


def test_a_list_of_copies_comes_while_a_person_still_waits_for_it() -> None:
    assert LIST_SECONDS + module.SHORTER["asides"] < ANSWER_SECONDS


def test_answers_and_errors_come_as_they_are(storage: Storage) -> None:
    storage.is_back.set()
    pool = in_time(pool_of(storage))
    assert pool.epoch("a") == 7
    with pytest.raises(StaleEpoch, match="a"):
        pool.close("a")
    with pytest.raises(TimeoutError, match="the storage says so"):
        pool.usage()


def test_what_asks_nobody_needs_no_thread(storage: Storage) -> None:
    here = threading.current_thread().name
    assert str(in_time(pool_of(storage)).mountpoint("a")) == f"a in {here}"


def test_who_looks_waits_once_and_then_not_at_all(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glance, "PATIENCE_SECONDS", SHORT)
    pool, looking = in_time(pool_of(storage)), Glance("Ceph")
    for each in "ab":
        with pytest.raises(PoolHangs, match=r"Ceph has not answered for \d+ s"):
            looking.read(partial(pool.used_bytes, each))
    storage.is_back.set()
    eventually(lambda: storage.answered, is_=["a"], within=5)
    eventually(lambda: _looked(looking, pool), is_=7, within=5)
    assert storage.answered == ["a", "c"]


def test_who_waits_for_an_answer_is_told_what_was_asked(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENT_SECONDS", SHORT)
    with pytest.raises(PoolHangs, match=r"has not answered for 0\.05 s \(epoch\); `ceph -s`"):
        in_time(pool_of(storage)).epoch("a")


def test_an_answer_that_comes_as_its_time_ends_is_one(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENT_SECONDS", SHORT)
    monkeypatch.setattr(module, "Future", last_moment(storage.is_back))
    assert in_time(pool_of(storage)).epoch("a") == 7


def test_who_has_work_to_do_is_refused_when_too_many_hang(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENT_SECONDS", SHORT)
    monkeypatch.setattr(module, "MOST_LATE", 2)
    pool = in_time(pool_of(storage))
    for each in "ab":
        with pytest.raises(PoolHangs, match="has not answered"):
            pool.epoch(each)
    with pytest.raises(PoolHangs, match="does not answer"):
        pool.epoch("c")


def _looked(looking: Glance, pool: RemotePool) -> int | None:
    try:
        return looking.read(partial(pool.used_bytes, "c"))
    except PoolHangs:
        return None
