"""A copy that does not get any further is tried ever more seldom, is shown, and is replaced."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import cast

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import StreamRefused, TransferFailed
from flocker.moving.setbacks import LONGEST_PAUSE_SECONDS, STUCK_AFTER_SECONDS, Setbacks
from flocker.node.retention import replicas_of
from tests.twins.memory_pool import MemoryPool
from tests.unit.flocker.clocks import Clock
from tests.unit.flocker.cluster import MemoryCluster

REFUSED, BROKEN = StreamRefused("it cannot be applied"), TransferFailed("it broke off")


def attempts(clock: Clock, error: StreamRefused | TransferFailed, seconds: int) -> list[float]:
    """When a copy that always fails is tried, looked at once a second."""
    setbacks, tried = Setbacks(), []
    for _ in range(seconds):
        if setbacks.is_due("id"):
            tried.append(clock.now)
            setbacks.failed("id", error)
        clock.now += 1
    return tried


def test_what_is_refused_is_tried_ever_more_seldom(clock: Clock) -> None:
    pauses = [later - earlier for earlier, later in pairwise(attempts(clock, REFUSED, 1200))]
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_what_only_broke_off_is_tried_at_once_until_it_lasts(clock: Clock) -> None:
    stuck_at = clock.now + STUCK_AFTER_SECONDS
    tried = attempts(clock, BROKEN, 100)
    assert len([each for each in tried if each < stuck_at]) == STUCK_AFTER_SECONDS
    assert [later - earlier for earlier, later in pairwise(tried)][-3:] == [8, 16, 32]


def test_what_lasts_or_takes_long_is_stuck(clock: Clock) -> None:
    setbacks = Setbacks()
    setbacks.failed("refused", REFUSED)
    setbacks.failed("broken", BROKEN)
    assert setbacks.stuck() == {"refused": "it cannot be applied"}
    clock.now += STUCK_AFTER_SECONDS
    assert setbacks.stuck() == {"refused": "it cannot be applied", "broken": "it broke off"}
    for volume_id in ("refused", "broken"):
        setbacks.over(volume_id)
    assert setbacks.stuck() == {}
    assert setbacks.is_due("refused")


def test_a_reason_is_news_once() -> None:
    setbacks = Setbacks()
    assert [setbacks.failed("id", each) for each in (BROKEN, BROKEN, REFUSED)] == [
        True, False, True,
    ]  # fmt: skip


# In a cluster


@pytest.fixture
def demo(cluster: MemoryCluster) -> MemoryCluster:
    """node1 wrote "one" to the volume "demo", of which one copy is wanted."""
    cluster["node1"].driver.create("demo", {"replicas": "1"})
    cluster["node1"].write("demo", "one")
    cluster["node1"].publish()
    return cluster


def look(cluster: MemoryCluster, name: str) -> None:
    cluster[name].follower.look(cluster.state)


def stuck(cluster: MemoryCluster) -> dict[str, str]:
    """The status on every node, once the nodes have announced themselves."""
    for machine in cluster.machines.values():
        if machine.is_up:
            machine.announce()
    said: dict[str, str] = cluster["node1"].operations.overview.status()["volumes"][0]["stuck"]
    return said


def refuse(cluster: MemoryCluster, name: str, is_refused: bool) -> None:
    cast(MemoryPool, cluster[name].pool).refuses_all = is_refused


def test_a_stuck_copy_is_shown_until_it_is_mended(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(demo, "node2", True)
    look(demo, "node2")
    eventually(lambda: "cannot be applied" in stuck(demo).get("node2", ""), is_=True, within=10)
    [problem] = demo["node2"].operations.overview.status()["problems"]
    assert problem.startswith("the replica of volume 'demo' here is stuck: snapshot 1 cannot be")

    demo.lose("node3")  # or it would be chosen instead
    refuse(demo, "node2", False)
    later = time.monotonic() + LONGEST_PAUSE_SECONDS
    monkeypatch.setattr("flocker.moving.setbacks.time.monotonic", lambda: later)
    look(demo, "node2")
    eventually(lambda: demo["node2"].follower.stuck(), is_={}, within=10)
    assert demo["node2"].operations.overview.status()["problems"] == []
    assert demo.state.copies_of(demo.volume("demo"))["node2"].snapshot.number == 1


def test_another_node_is_chosen_and_the_stuck_one_is_no_trouble_any_more(
    demo: MemoryCluster,
) -> None:
    look(demo, "node2")
    volume = demo.volume("demo")
    eventually(lambda: "node2" in demo.state.copies_of(volume), is_=True, within=10)
    refuse(demo, "node2", True)
    demo["node1"].write("demo", "two")
    demo["node1"].publish()
    look(demo, "node2")
    eventually(lambda: "node2" in stuck(demo), is_=True, within=10)
    assert replicas_of(volume, demo.state) == ["node3"]

    look(demo, "node2")
    assert "node2" in stuck(demo), "the other one has no copy yet"
    look(demo, "node3")
    eventually(lambda: "node3" in demo.state.copies_of(volume), is_=True, within=10)
    look(demo, "node2")
    assert stuck(demo) == {}
    assert replicas_of(volume, demo.state) == ["node3"]
