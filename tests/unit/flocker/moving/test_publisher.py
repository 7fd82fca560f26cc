"""A round tells of all that is frozen, waits for nobody else, and says how far it has looked."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import PoolError
from flocker.base.pulse import Pulse
from flocker.base.records import Claim, Look, Snapshot
from flocker.consensus.mirror import Mirror
from flocker.moving import publisher
from flocker.moving.publisher import LATE_SECONDS, UNFETCHED_SECONDS
from flocker.moving.replica_choice import complete_until, is_current
from tests.unit.flocker.clocks import Clock
from tests.unit.flocker.cluster import Machine, MemoryCluster

NAMES = ("demo", "other")


@pytest.fixture
def cluster(tmp_path: Path) -> MemoryCluster:
    """node1 owns two volumes, which were written to; nothing is replicated yet."""
    cluster = MemoryCluster(tmp_path, ("node1", "node2"))
    for name in NAMES:
        cluster["node1"].driver.create(name, {})
        cluster["node1"].write(name, "one")
    return cluster


class Slow:
    """A pool that takes no snapshot of one volume until it is let go."""

    def __init__(self, machine: Machine, volume_id: str, patch: pytest.MonkeyPatch) -> None:
        self._take = machine.pool.take_snapshot
        self._volume_id = volume_id
        self._patch = patch
        self.go_on = threading.Event()
        patch.setattr(machine.pool, "take_snapshot", self._take_snapshot)
        patch.setattr(publisher, "PATIENCE_SECONDS", 0.2)

    def _take_snapshot(self, claim: Claim) -> Snapshot:
        if claim.volume_id == self._volume_id:
            assert self.go_on.wait(30)
        return self._take(claim)


@pytest.fixture
def slow(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    slow = Slow(cluster["node1"], cluster.volume("demo").id, monkeypatch)
    yield slow
    slow.go_on.set()


def said(cluster: MemoryCluster, name: str) -> int | None:
    """The number of the snapshot that node1 is known to hold."""
    copy = cluster.state.copies_of(cluster.volume(name)).get("node1")
    return copy and copy.snapshot.number


def look(cluster: MemoryCluster) -> Look:
    found = cluster["node1"].publisher.last_look()
    assert found is not None
    return found


def until(cluster: MemoryCluster, name: str) -> str:
    return cluster.complete_until(name, "node2")


def test_a_round_is_one_write_however_many_volumes_changed(cluster: MemoryCluster) -> None:
    calls = cluster["node1"].etcd.calls
    calls.clear()
    cluster["node1"].publish()
    assert calls == ["publish"]
    assert [said(cluster, name) for name in NAMES] == [1, 1]
    assert cluster.state.looks["node1"] == look(cluster)


def test_a_slow_volume_delays_no_other(cluster: MemoryCluster, slow: Slow) -> None:
    node1 = cluster["node1"]
    node1.publish()
    assert [said(cluster, name) for name in NAMES] == [None, 1]
    node1.write("other", "two")
    node1.publish()
    assert [said(cluster, name) for name in NAMES] == [None, 2]
    slow.go_on.set()
    eventually(lambda: node1.publish() or said(cluster, "demo"), is_=1, within=10)


def test_what_a_round_could_not_tell_of_is_left_out_of_what_it_says(
    cluster: MemoryCluster, slow: Slow
) -> None:
    slow.go_on.set()
    cluster.replicate()
    first = look(cluster)
    assert first.behind == {}
    assert all(until(cluster, name) >= first.at for name in NAMES)
    slow.go_on.clear()
    cluster["node1"].write("demo", "two")
    cluster["node1"].publish()
    cluster["node1"].publish()
    second = look(cluster)
    assert second.behind == {cluster.volume("demo").id: first.at}
    assert second.at >= first.at
    slow.go_on.set()
    eventually(lambda: cluster["node1"].publish() or look(cluster).behind, is_={}, within=10)


def test_a_volume_whose_pruned_snapshots_are_still_being_deleted_is_left_out(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool does not name it among those that have changed."""
    cluster.replicate()
    node1, held_back, first = cluster["node1"], cluster.volume("demo"), look(cluster)
    changed = node1.pool.changed_volumes
    with monkeypatch.context() as patch:
        patch.setattr(node1.pool, "is_held_back", lambda each: each == held_back.id)
        patch.setattr(
            node1.pool,
            "changed_volumes",
            lambda claims: changed([each for each in claims if each != held_back.claim]),
        )
        node1.write("demo", "two")
        node1.publish()
    assert said(cluster, "demo") == 1
    assert look(cluster).behind == {held_back.id: first.at}
    node1.publish()
    assert said(cluster, "demo") == 2
    assert look(cluster).behind == {}


@pytest.mark.parametrize("trouble", [PoolError("the disk is full"), KeyError("surprise")])
def test_a_volume_that_cannot_be_frozen_is_left_out_too(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    node1, bad = cluster["node1"], cluster.volume("demo").id
    take = node1.pool.take_snapshot

    def broken(claim: Claim) -> Snapshot:
        if claim.volume_id == bad:
            raise trouble
        return take(claim)

    with monkeypatch.context() as patch:
        patch.setattr(node1.pool, "take_snapshot", broken)
        for _ in range(2):
            node1.publish()
    assert [said(cluster, name) for name in NAMES] == [None, 1]
    assert look(cluster).behind == {bad: ""}
    node1.publish()
    assert look(cluster).behind == {}


@pytest.mark.parametrize("loss", ["away_for", "unheard"])
def test_a_look_that_nobody_heard_of_is_none(cluster: MemoryCluster, loss: str) -> None:
    node1 = cluster["node1"]
    node1.publish()
    before = look(cluster)
    node1.write("demo", "two")
    setattr(node1.etcd, loss, {"publish"})
    node1.publish()
    assert look(cluster) == before
    setattr(node1.etcd, loss, set())
    node1.publish()
    assert said(cluster, "demo") == 2
    assert look(cluster).behind == {}


def test_a_look_without_changes_is_told_with_the_announcement(cluster: MemoryCluster) -> None:
    cluster.replicate()
    node1 = cluster["node1"]
    node1.etcd.calls.clear()
    node1.publish()
    assert node1.etcd.calls == []
    node1.announce()
    assert cluster.state.looks["node1"] == look(cluster)
    assert until(cluster, "demo") >= look(cluster).at


def test_a_volume_that_its_owner_does_not_know_of_yet_is_left_out(cluster: MemoryCluster) -> None:
    """The mirror may be behind: the volume came here, and is written to already."""
    node2 = cluster["node2"]
    cluster.replicate()
    before = cluster.state
    node2.write("demo", "two")
    mirror = cast(Mirror, Behind(node2.mirror, before))
    node2.publisher = publisher.Publisher(replace(node2.context, mirror=mirror))
    node2.publish()
    found = node2.publisher.last_look()
    assert found is not None
    assert found.behind == {cluster.volume("demo").id: ""}


class Behind:
    """A mirror that stands still."""

    is_connected = True

    def __init__(self, _: object, state: object) -> None:
        self.state = state


def test_an_owner_that_is_alive_and_does_not_look_is_not_followed_closely(
    cluster: MemoryCluster,
) -> None:
    cluster.replicate()
    volume = cluster.volume("demo")
    copy = cluster.state.copies_of(volume)["node2"]
    assert is_current(volume, copy, cluster.state)
    cluster.ownership.ahead["node1"] += 3600
    cluster["node1"].announce()
    assert not is_current(volume, copy, cluster.state)
    assert complete_until(volume, copy, cluster.state) < cluster.state.seen["node1"]
    [shown] = cluster["node2"].operations.overview.status()["volumes"][0]["copies"]
    assert not shown["is_current"]


def test_the_next_snapshot_waits_for_a_replica_to_have_the_last(
    cluster: MemoryCluster, clock: Clock
) -> None:
    node1 = cluster["node1"]
    for number in (1, 2, 3):
        node1.write("demo", f"text {number}")
        node1.publisher.publish_changes(is_paced=True)
    assert said(cluster, "demo") == 1
    assert look(cluster).behind.keys() == {cluster.volume("demo").id}
    cluster["node2"].follow()
    node1.publisher.publish_changes(is_paced=True)
    assert said(cluster, "demo") == 2
    assert look(cluster).behind == {}
    node1.write("demo", "nobody fetches")
    node1.publisher.publish_changes(is_paced=True)
    assert said(cluster, "demo") == 2
    clock.now += UNFETCHED_SECONDS + 1
    node1.publisher.publish_changes(is_paced=True)
    assert said(cluster, "demo") == 3


def test_a_snapshot_that_takes_long_is_a_problem(
    cluster: MemoryCluster, slow: Slow, clock: Clock
) -> None:
    node1 = cluster["node1"]
    node1.publish()
    assert node1.publisher.problems() == []
    clock.now += LATE_SECONDS + 1
    [problem] = node1.operations.overview.status()["problems"]
    assert problem.startswith("volume 'demo' could not be replicated: its snapshot is being taken")
    slow.go_on.set()
    eventually(lambda: node1.publish() or said(cluster, "demo"), is_=1, within=10)
    assert node1.publisher.problems() == []


@pytest.fixture
def _rounds_in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for pause in ("ROUND_SECONDS", "PAUSE_SECONDS"):
        monkeypatch.setattr(publisher, pause, 0.02)


@pytest.mark.usefixtures("_rounds_in_a_hurry")
def test_rounds_that_hang_are_a_problem(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    node1, stopping = cluster["node1"], threading.Event()
    begun, go_on = threading.Event(), threading.Event()

    def hang(_: object) -> list[Claim]:
        begun.set()
        assert go_on.wait(30)
        return []

    node1.publisher.start(stopping, lambda: None)
    eventually(lambda: said(cluster, "demo"), is_=1, within=10)
    monkeypatch.setattr(node1.pool, "changed_volumes", hang)
    try:
        assert begun.wait(10)
        assert node1.publisher.problems() == []
        clock.now += LATE_SECONDS + 1
        [problem] = node1.publisher.problems()
        assert problem.startswith("the volumes here were last looked at at ")
    finally:
        stopping.set()
        go_on.set()


@pytest.mark.usefixtures("_rounds_in_a_hurry")
def test_rounds_that_hang_show_in_the_pulse(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1, stopping, pulse, go_on = cluster["node1"], threading.Event(), Pulse(), threading.Event()
    look = node1.pool.changed_volumes

    def hang(claims: Collection[Claim]) -> list[Claim]:
        assert go_on.wait(30)
        return look(claims)

    monkeypatch.setattr(node1.pool, "changed_volumes", hang)
    node1.publisher.start(stopping, pulse.expect("publishing", 0.2))
    try:
        eventually(lambda: len(pulse.hung()), is_=1, within=10)
        go_on.set()
        eventually(pulse.hung, is_=[], within=10)
    finally:
        stopping.set()
        go_on.set()
