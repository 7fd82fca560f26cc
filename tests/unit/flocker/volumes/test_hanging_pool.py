"""Nothing that people, the engine or other nodes wait for waits for a disk that hangs."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from flocker.base.errors import PoolHangs
from flocker.pool import glance
from tests.unit.flocker.cluster import Machine, MemoryCluster

READS = (
    "usage", "used_bytes", "writable_path", "has_writable", "problem", "asides", "volume_ids",
)  # fmt: skip
HANGS = "the pool has not answered for 0 s"


class Disk:
    """The disk below a node's pool; every read hangs from a test's word on."""

    def __init__(self, node: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers = threading.Event()
        self._node = node
        self._monkeypatch = monkeypatch

    def hang(self) -> None:
        def hang(*_: object) -> None:
            assert self.answers.wait(30)

        for read in READS:
            self._monkeypatch.setattr(self._node.pool, read, hang)


@pytest.fixture
def node1(cluster: MemoryCluster) -> Machine:
    """It owns "mine", and node2 owns "other"."""
    cluster["node1"].driver.create("mine", {})
    cluster["node2"].driver.create("other", {})
    return cluster["node1"]


@pytest.fixture
def disk(node1: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    monkeypatch.setattr(glance, "PATIENCE_SECONDS", 0.1)
    disk = Disk(node1, monkeypatch)
    yield disk
    disk.answers.set()


def test_status_says_that_the_pool_hangs(node1: Machine, disk: Disk) -> None:
    disk.hang()
    status = node1.operations.overview.status()
    problems = {volume["name"]: volume["problem"] for volume in status["volumes"]}
    assert problems == {"mine": HANGS, "other": None}
    assert HANGS in status["problems"]


def test_the_engine_hears_of_volumes_whose_pool_hangs(node1: Machine, disk: Disk) -> None:
    disk.hang()
    found = {each.volume.name: each.mountpoint for each in node1.driver.describe_all()}
    assert found == {"mine": None, "other": None}
    mine = node1.driver.describe("mine")
    assert mine.mountpoint is None
    assert node1.driver.status(mine.volume)["problem"] == HANGS


def test_a_node_whose_pool_hangs_announces_the_room_that_was_known_last(
    node1: Machine, disk: Disk
) -> None:
    condition = node1.parts.condition
    known = condition.usage()
    disk.hang()
    assert condition.usage() == known
    assert HANGS in condition.problems()


def test_a_node_whose_pool_never_answered_does_not_guess(node1: Machine, disk: Disk) -> None:
    disk.hang()
    with pytest.raises(PoolHangs):
        node1.parts.condition.usage()


def test_who_asks_for_what_was_put_aside_is_told_that_the_pool_hangs(
    cluster: MemoryCluster, node1: Machine, disk: Disk
) -> None:
    cluster["node2"].driver.remove("other")
    disk.hang()
    listed = node1.operations.recovery.trash()
    assert [each["name"] for each in listed["removed"]] == ["other"]
    assert listed["silent"] == ["node1"]
    assert node1.operations.recovery.conflicts()["silent"] == ["node1"]
    with pytest.raises(PoolHangs, match=HANGS):
        node1.operations.recovery.asides()
    assert cluster["node2"].operations.recovery.trash()["silent"] == ["node1"]


def test_who_asks_for_data_without_a_record_is_told_that_the_pool_hangs(
    node1: Machine, disk: Disk
) -> None:
    disk.hang()
    with pytest.raises(PoolHangs, match=HANGS):
        node1.maintenance.strays_here()
