"""Replicas are made ahead of time, and whatever fails on the way is made up for."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import ControlPlaneAway, OwnerAway, PoolError, Refused, TransferFailed
from flocker.base.records import ClusterState, Copy, Cut, NamedSnapshot, Node, Snapshot, Volume
from flocker.moving import follower, publisher, setbacks
from flocker.node.retention import KNOWN_SECONDS, PIN_SECONDS, Retention, replicas_of
from tests.unit.flocker.cluster import RETENTION_SECONDS, Machine, MemoryCluster

GIB = 1 << 30


@pytest.fixture
def demo(cluster: MemoryCluster) -> MemoryCluster:
    """node1 wrote "one" to the volume "demo"; nothing is replicated yet."""
    cluster["node1"].driver.create("demo", {})
    cluster["node1"].write("demo", "one")
    return cluster


def held(demo: MemoryCluster, node: str) -> list[int]:
    """The numbers of the snapshots a node has."""
    volume_id = demo.volume("demo").id
    return [snapshot.number for snapshot in demo[node].pool.snapshots(volume_id)]


def said(demo: MemoryCluster) -> dict[str, int]:
    """Node -> number of the copy it is known to have."""
    copies = demo.state.copies_of(demo.volume("demo"))
    return {node: copy.snapshot.number for node, copy in copies.items()}


# Which nodes hold replicas


def a_volume(replicas: int) -> Volume:
    return Volume("demo", "id", "node1", 1, "", replicas=replicas)


def a_state(free: dict[str, int], copies: dict[str, int]) -> ClusterState:
    """Nodes with so many GiB free, and the numbers of the copies there are."""
    return ClusterState(
        nodes={name: Node(name, "", "", 0, 100 * GIB, gib * GIB) for name, gib in free.items()},
        copies={
            "id": {
                node: Copy("id", node, Snapshot(number, "identity", 1), "")
                for node, number in copies.items()
            }
        },
    )


@pytest.mark.parametrize(
    ("replicas", "chosen"),
    [
        (0, []),
        (1, ["node3"]),
        (2, ["node3", "node4"]),
        (3, ["node3", "node4", "node2"]),
        (7, ["node3", "node4", "node2"]),
    ],
)
def test_the_nodes_with_the_most_room_hold_the_replicas(replicas: int, chosen: list[str]) -> None:
    state = a_state({"node1": 99, "node2": 10, "node3": 50, "node4": 20}, {})
    assert replicas_of(a_volume(replicas), state) == chosen


def test_of_nodes_with_the_same_room_the_first_by_name_is_chosen() -> None:
    state = a_state({"node3": 10, "node2": 10, "node1": 10}, {})
    assert replicas_of(a_volume(1), state) == ["node2"]


def test_a_copy_once_made_is_kept_up_however_full_its_node_is() -> None:
    free = {"node1": 0, "node2": 1, "node3": 50, "node4": 40}
    assert replicas_of(a_volume(1), a_state(free, {"node2": 4})) == ["node2"]
    assert replicas_of(a_volume(2), a_state(free, {"node2": 4})) == ["node2", "node3"]
    assert replicas_of(a_volume(1), a_state(free, {"node2": 4, "node4": 5})) == ["node4"]


def test_a_copy_that_a_promotion_left_behind_counts_for_nothing() -> None:
    free = {"node1": 0, "node2": 1, "node3": 50}
    volume = replace(a_volume(1), epoch=2, base=Snapshot(3, "identity", 1), cuts=(Cut(2, 3),))
    assert replicas_of(volume, a_state(free, {"node2": 4})) == ["node3"]
    assert replicas_of(volume, a_state(free, {"node2": 3})) == ["node2"]


def test_a_node_whose_copy_is_stuck_is_replaced_where_there_is_another() -> None:
    state = a_state({"node1": 0, "node2": 1, "node3": 50, "node4": 2}, {"node3": 4})
    nodes = {**state.nodes, "node3": replace(state.nodes["node3"], stuck={"id": "no room"})}
    stuck = replace(state, nodes=nodes)
    assert replicas_of(a_volume(1), state) == ["node3"]
    assert replicas_of(a_volume(1), stuck) == ["node4"]
    assert replicas_of(a_volume(7), stuck) == ["node4", "node2", "node3"]


def test_a_node_that_is_away_is_replaced() -> None:
    state = a_state({"node1": 0, "node3": 50}, {"node2": 4})
    assert replicas_of(a_volume(1), state) == ["node3"]


def test_a_volume_without_replicas_is_not_even_published(cluster: MemoryCluster) -> None:
    cluster["node1"].driver.create("demo", {"replicas": "0"})
    cluster["node1"].write("demo", "one")
    cluster.replicate()
    assert said(cluster) == {}
    assert held(cluster, "node1") == held(cluster, "node2") == []


def test_a_volume_with_one_replica_has_one(cluster: MemoryCluster) -> None:
    cluster["node1"].driver.create("demo", {"replicas": "1"})
    for text in ("one", "two"):
        cluster["node1"].write("demo", text)
        cluster.replicate()
    assert said(cluster) == {"node1": 2, "node2": 2}
    assert held(cluster, "node3") == []


# Publishing


def test_what_changed_is_published_and_fetched(demo: MemoryCluster) -> None:
    demo.replicate()
    assert said(demo) == {"node1": 1, "node2": 1, "node3": 1}
    demo["node1"].write("demo", "two")
    demo.replicate()
    assert said(demo) == {"node1": 2, "node2": 2, "node3": 2}
    assert held(demo, "node2") == held(demo, "node3") == [1, 2]


def test_a_replica_is_as_old_as_the_snapshot_it_holds(demo: MemoryCluster) -> None:
    demo.replicate()
    copies = demo.state.copies_of(demo.volume("demo"))
    assert copies["node2"].taken_at == copies["node1"].taken_at


def test_what_did_not_change_costs_nothing(demo: MemoryCluster) -> None:
    demo["node1"].driver.create("idle", {})
    demo.replicate()
    for machine in demo.machines.values():
        machine.etcd.calls.clear()
    demo["node1"].write("demo", "two")
    calls = demo["node1"].etcd.calls
    calls.clear()
    demo.replicate()
    assert calls == ["publish"]
    assert demo["node2"].etcd.calls == demo["node3"].etcd.calls == ["publish"]
    calls.clear()
    demo.replicate()
    assert calls == []


def test_no_snapshots_pile_up_that_nobody_can_be_told_of(demo: MemoryCluster) -> None:
    node1 = demo["node1"]
    node1.etcd.is_away = True
    for text in ("two", "three", "four"):
        (node1.pool.writable_path(demo.volume("demo").claim) / "file").write_text(text)
        node1.publish()
    assert held(demo, "node1") == []
    node1.etcd.is_away = False
    demo.replicate()
    assert said(demo) == {"node1": 1, "node2": 1, "node3": 1}


def test_only_the_owner_publishes(demo: MemoryCluster) -> None:
    demo["node2"].publish()
    assert said(demo) == {}


@pytest.mark.parametrize("loss", ["away_for", "unheard"])
def test_what_could_not_be_published_is_published_later(demo: MemoryCluster, loss: str) -> None:
    node1 = demo["node1"]
    demo.replicate()
    node1.write("demo", "two")
    setattr(node1.etcd, loss, {"publish"})
    node1.publish()
    setattr(node1.etcd, loss, set())
    demo.replicate()
    assert said(demo) == {"node1": 2, "node2": 2, "node3": 2}


def test_a_snapshot_that_was_taken_for_something_else_is_published(demo: MemoryCluster) -> None:
    """For a move that was abandoned, or for a clone: there is no newer change to find it by."""
    node1 = demo["node1"]
    demo.replicate()
    node1.write("demo", "two")
    node1.driver.create("copy", {"from": "demo"})
    demo.replicate()
    assert said(demo) == {"node1": 2, "node2": 2, "node3": 2}


def test_copies_the_cluster_has_forgotten_are_published_again(demo: MemoryCluster) -> None:
    demo.replicate()
    demo.ownership.withdraw([demo.state.copies_of(demo.volume("demo"))["node1"]])
    demo["node1"].publish()
    assert said(demo)["node1"] == 1


def test_a_volume_that_moves_while_it_is_published_is_left_to_its_owner(
    demo: MemoryCluster,
) -> None:
    node1, node2 = demo["node1"], demo["node2"]
    node1.etcd.after["state"] = lambda: node2.write("demo", "two")
    node1.publish()
    assert demo.volume("demo").owner == "node2"
    demo.replicate()
    assert demo["node3"].read("demo") == "two"


def test_one_volume_that_cannot_be_frozen_does_not_stop_the_others(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    node1 = demo["node1"]
    node1.driver.create("other", {})
    take, bad = node1.pool.take_snapshot, demo.volume("demo").id

    def broken(claim: object) -> Snapshot:
        if getattr(claim, "volume_id", "") == bad:
            raise PoolError("the disk is full")
        return take(claim)  # type: ignore[arg-type]

    trouble = "volume 'demo' could not be replicated: the disk is full"
    with monkeypatch.context() as patch:
        patch.setattr(node1.pool, "take_snapshot", broken)
        for _ in range(3):
            node1.publish()
    assert "node1" in demo.state.copies_of(demo.volume("other"))
    assert caplog.text.count(trouble) == 1
    assert trouble in node1.operations.overview.status()["problems"]
    node1.publish()
    assert node1.operations.overview.status()["problems"] == []


def test_a_failure_is_not_shown_any_more_of_a_volume_that_went_and_came_back(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = demo["node1"]

    def refuse(_: object) -> Snapshot:
        raise PoolError("the disk is full")

    demo.replicate()
    node1.write("demo", "two")
    with monkeypatch.context() as patch:
        patch.setattr(node1.pool, "take_snapshot", refuse)
        node1.publish()
    assert node1.publisher.problems() != []
    demo["node2"].operations.moves.move("demo", None)
    node1.publish()
    node1.operations.moves.move("demo", None)
    node1.publish()
    assert node1.publisher.problems() == []


# Following


def test_a_replica_whose_owner_is_away_waits(demo: MemoryCluster) -> None:
    demo["node1"].publish()
    demo.lose("node1")
    node2 = demo["node2"]
    assert not node2.follower.lacks(demo.volume("demo"), demo.state)
    demo.bring_back("node1")
    assert node2.follower.lacks(demo.volume("demo"), demo.state)


def test_snapshots_people_asked_for_are_fetched_and_stay(demo: MemoryCluster) -> None:
    node1 = demo["node1"]
    node1.operations.snapshots.snapshot(["demo"], "before the upgrade")
    for text in ("two", "three", "four", "five", "six"):
        node1.write("demo", text)
        node1.publish()
    demo.replicate()
    assert held(demo, "node2") == [1, 6]
    for text in ("seven", "eight", "nine", "ten"):
        node1.write("demo", text)
        demo.replicate()
    assert held(demo, "node1") == held(demo, "node2") == [1, 8, 9, 10]


@pytest.mark.parametrize("is_kept", [False, True])
@pytest.mark.parametrize("call", ["snapshots", "prune"])
def test_one_copy_that_the_disk_is_in_the_way_of_holds_up_no_other(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch, call: str, is_kept: bool
) -> None:
    node1, node2 = demo["node1"], demo["node2"]
    node1.driver.create("other", {})
    node1.write("other", "one")
    demo.replicate()
    bad, other = demo.volume("demo").id, demo.volume("other").id
    if is_kept:
        node1.operations.snapshots.snapshot(["demo", "other"], "kept")
    real = getattr(node2.pool, call)

    def refuse(volume_id: str, *arguments: object) -> object:
        if volume_id == bad:
            raise PoolError("a bad block")
        return real(volume_id, *arguments)

    monkeypatch.setattr(node2.pool, call, refuse)
    for text in ("two", "three", "four", "five"):
        for name in ("demo", "other"):
            node1.write(name, text)
        node1.publish()
        state = demo.state
        for volume in node2.follower.follow_many(
            "node1", [state.volumes["demo"], state.volumes["other"]], state
        ):
            with suppress(PoolError):
                node2.follower.follow(volume, state)
    monkeypatch.undo()
    numbers = [each.number for each in node2.pool.snapshots(other)]
    assert numbers == [1, 3, 4, 5], "fetched and pruned; node3 needs the first"
    assert demo.state.copies[other]["node2"].snapshot.number == 5


@pytest.mark.parametrize("refused", ["follow-node1", "from-node1"])
def test_a_thread_that_could_not_be_started_is_started_later(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """The one that follows an owner, and the one that fetches a volume that is new here."""
    demo["node1"].publish()
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith(refused):
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with suppress(RuntimeError):
            demo["node2"].follower.look(demo.state)
        eventually(
            lambda: [each for each in threading.enumerate() if each.name == "follow-node1"],
            is_=[],
            within=5,
        )
    assert "node2" not in said(demo)
    demo["node2"].follower.look(demo.state)
    eventually(lambda: said(demo).get("node2"), is_=1, within=5)


def test_one_that_only_a_lost_owner_had_keeps_nobody_from_following(demo: MemoryCluster) -> None:
    demo.replicate()
    node1 = demo["node1"]
    node1.write("demo", "never replicated")
    node1.operations.snapshots.snapshot(["demo"], "lost")
    demo.lose("node1")
    demo["node2"].failover.promote("demo")
    demo["node3"].follow()
    demo["node2"].write("demo", "two")
    demo.replicate()
    assert said(demo)["node3"] == said(demo)["node2"]


def test_an_interrupted_stream_leaves_nothing_and_the_next_attempt_succeeds(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1, node2 = demo["node1"], demo["node2"]
    node1.publish()
    send = node1.pool.send

    def cut(*arguments: object) -> Iterator[bytes]:
        yield next(send(*arguments))  # type: ignore[arg-type]
        raise TransferFailed("the stream broke off")

    with monkeypatch.context() as patch:
        patch.setattr(node1.pool, "send", cut)
        with pytest.raises(TransferFailed):
            node2.follow()
    assert held(demo, "node2") == []
    assert said(demo) == {"node1": 1}
    node2.follow()
    assert held(demo, "node2") == [1]


def test_a_replica_that_cannot_say_so_says_so_later(demo: MemoryCluster) -> None:
    demo["node1"].publish()
    node2 = demo["node2"]
    node2.etcd.away_for = {"publish"}
    with pytest.raises(ControlPlaneAway):
        node2.follow()
    node2.etcd.away_for = set()
    node2.follow()
    assert said(demo)["node2"] == 1


def test_a_removed_copy_is_used_again_when_the_volume_is_back(demo: MemoryCluster) -> None:
    demo.replicate()
    node1, node2 = demo["node1"], demo["node2"]
    node1.driver.remove("demo")
    node1.operations.recovery.undelete("demo")
    node1.write("demo", "two")
    demo.replicate()
    assert held(demo, "node2") == [1, 2]
    assert node2.pool.asides() == []


def test_a_removed_copy_is_not_brought_back_by_who_looked_before(demo: MemoryCluster) -> None:
    demo.replicate()
    node1, node2 = demo["node1"], demo["node2"]
    node1.write("demo", "two")
    node1.publish()
    volume, before = demo.volume("demo"), demo.state
    node1.driver.remove("demo")
    assert [each.why for each in node2.pool.asides()] == ["removed"]
    with pytest.raises(Refused, match="was removed this moment"):
        node2.follower.follow(volume, before)
    assert node2.pool.volume_ids() == []
    assert [each.why for each in node2.pool.asides()] == ["removed"]


def test_a_volume_with_a_size_is_counted_where_it_arrives(cluster: MemoryCluster) -> None:
    cluster["node1"].driver.create("demo", {"size": "1GiB"})
    cluster.replicate()
    assert cluster["node2"].pool.used_bytes(cluster.volume("demo").id) is not None


# Pruning


def test_a_parent_that_a_slow_replica_needs_is_kept(demo: MemoryCluster) -> None:
    demo.replicate()
    node1, node2, node3 = (demo[name] for name in ("node1", "node2", "node3"))
    for text in ("two", "three", "four", "five", "six"):
        node1.write("demo", text)
        node1.publish()
        node2.follow()
    assert held(demo, "node1") == held(demo, "node2") == [1, 4, 5, 6]  # 1 is all node3 has
    node3.follow()
    node1.write("demo", "seven")
    demo.replicate()
    assert held(demo, "node1") == [5, 6, 7]


def test_a_parent_of_a_lost_owner_is_kept_for_its_way_back(demo: MemoryCluster) -> None:
    demo.replicate()
    node1, node2 = demo["node1"], demo["node2"]
    for text in ("lost", "lost too"):
        node1.write("demo", text)
        node1.publish()
    demo.lose("node1")
    node2.failover.promote("demo")
    for text in ("two", "three", "four", "five", "six"):
        node2.write("demo", text)
        demo.replicate()
    assert 1 in held(demo, "node2")
    demo.bring_back("node1")
    demo.replicate()
    assert said(demo)["node1"] == said(demo)["node2"]
    assert 1 in held(demo, "node1")  # what the increment was built on


def test_what_is_being_sent_is_the_next_parent(demo: MemoryCluster) -> None:
    """The peer that fetches it may be cut off before it can say that it has it."""
    retention, volume = demo["node1"].retention, demo.volume("demo")
    assert retention.numbers(volume, demo.state) == set()
    retention.sending(volume.id, "node2", 3)
    retention.sending("another", "node2", 4)
    assert retention.numbers(volume, demo.state) == {3}
    retention.sending(volume.id, "node2", 5)
    retention.sending(volume.id, "node3", 4)
    assert retention.numbers(volume, demo.state) == {4, 5}


def test_what_was_sent_is_kept_until_the_peer_has_it_or_a_day_is_over(
    demo: MemoryCluster,
) -> None:
    """A peer that asks and never fetches must not fill this node's pool."""
    clock = [0.0]
    retention = Retention(RETENTION_SECONDS, demo["node1"].observed, lambda: clock[0])
    volume = demo.volume("demo")
    for node in ("node2", "node3"):
        retention.sending(volume.id, node, 3)
    copies = {volume.id: {"node2": Copy(volume.id, "node2", Snapshot(3, "identity"), "")}}
    has_come = ClusterState(copies=copies, nodes=demo.state.nodes)
    clock[0] = PIN_SECONDS - 1
    assert retention.numbers(volume, has_come) == {3}
    assert retention.numbers(volume, ClusterState()) == {3}, "node3's"
    clock[0] = PIN_SECONDS + 1
    assert retention.numbers(volume, ClusterState()) == set()


def test_what_a_person_asked_for_is_kept_until_everybody_goes_by_its_record(
    demo: MemoryCluster,
) -> None:
    """A thread that has just looked at the cluster's state may not have seen the record yet."""
    clock = [0.0]
    retention = Retention(RETENTION_SECONDS, demo["node1"].observed, lambda: clock[0])
    volume = demo.volume("demo")
    named = NamedSnapshot(volume.id, Snapshot(3, "identity", volume.epoch), "")
    recorded = ClusterState(snapshots={volume.id: {3: named}})
    retention.asked_for(volume.id, 3)
    clock[0] = KNOWN_SECONDS + 1
    assert retention.numbers(volume, ClusterState()) == {3}
    assert retention.numbers(volume, recorded) == {3}
    clock[0] += KNOWN_SECONDS - 1
    assert retention.numbers(volume, ClusterState()) == {3}
    clock[0] += 2
    assert retention.numbers(volume, recorded) == {3}
    assert retention.numbers(volume, ClusterState()) == set()

    retention.asked_for(volume.id, 4)  # and nobody could be told
    clock[0] += PIN_SECONDS - 1
    assert retention.numbers(volume, ClusterState()) == {4}
    clock[0] += 2
    assert retention.numbers(volume, ClusterState()) == set()


@pytest.mark.parametrize("clock_steps_by", [0.0, 30 * 86400])
def test_a_node_that_is_away_finds_the_snapshot_its_copy_ends_with(
    demo: MemoryCluster, clock_steps_by: float
) -> None:
    """For as long as node1 has seen it away, whatever the clocks say."""
    node1, volume = demo["node1"], demo.volume("demo")
    copies = {volume.id: {"node2": Copy(volume.id, "node2", Snapshot(4, "identity"), "")}}
    demo.ownership.ahead["node2"] -= clock_steps_by
    demo["node2"].announce()
    demo.lose("node2")
    away = ClusterState(copies=copies, seen=demo.state.seen, nodes=demo.state.nodes)
    assert node1.retention.numbers(volume, away) == {4}
    demo.ownership.ahead["node1"] += clock_steps_by
    node1.live(RETENTION_SECONDS - 60)
    assert node1.retention.numbers(volume, away) == {4}
    # Nothing is known of when it was heard of while the control plane is away.
    assert node1.retention.numbers(volume, ClusterState(copies=copies)) == {4}
    node1.live(120)
    assert node1.retention.numbers(volume, away) == set()


def test_what_must_be_kept_can_be_asked_while_peers_fetch(demo: MemoryCluster) -> None:
    """Many volumes are sent at once, and each of their publications asks what to prune."""
    retention, volume = demo["node1"].retention, demo.volume("demo")
    retention.sending(volume.id, "node2", 3)
    has_asked = threading.Event()

    def fetch() -> None:
        for each in itertools.count():
            retention.sending(f"volume {each}", "node2", 1)
            retention.asked_for(f"volume {each}", 1)
            if has_asked.is_set():
                return

    fetching = threading.Thread(target=fetch)
    fetching.start()
    try:
        for _ in range(200):
            assert retention.numbers(volume, demo.state) == {3}
    finally:
        has_asked.set()
        fetching.join()


# In the background


@pytest.fixture
def stopping() -> Iterator[threading.Event]:
    stopping = threading.Event()
    yield stopping
    stopping.set()


@pytest.fixture
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "ROUND_SECONDS", 0.02)
    monkeypatch.setattr(publisher, "PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(follower, "RETRY_SECONDS", 0.02)


@pytest.mark.usefixtures("_in_a_hurry")
def test_replicas_follow_by_themselves(demo: MemoryCluster, stopping: threading.Event) -> None:
    demo["node1"].publisher.start(stopping, lambda: None)
    demo["node2"].follower.start(stopping)
    eventually(lambda: said(demo).get("node2"), is_=1, within=10)
    demo["node1"].write("demo", "two")
    eventually(lambda: said(demo).get("node2"), is_=said(demo)["node1"], within=10)


def fail_once(machine: Machine, monkeypatch: pytest.MonkeyPatch, call: str) -> threading.Event:
    """Let a call of the pool fail the first time, with an error nobody thought of."""
    failed, real = threading.Event(), getattr(machine.pool, call)

    def failing(*arguments: object) -> object:
        if not failed.is_set():
            failed.set()
            raise KeyError("surprise")
        return real(*arguments)

    monkeypatch.setattr(machine.pool, call, failing)
    return failed


@pytest.mark.usefixtures("_in_a_hurry")
@pytest.mark.parametrize(
    ("node", "call"),
    [("node1", "changed_volumes"), ("node1", "take_snapshot"), ("node2", "receive")],
)
def test_a_defect_does_not_end_replication(
    demo: MemoryCluster,
    stopping: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    node: str,
    call: str,
) -> None:
    failed = fail_once(demo[node], monkeypatch, call)
    demo["node1"].publisher.start(stopping, lambda: None)
    demo["node2"].follower.start(stopping)
    eventually(lambda: said(demo).get("node2"), is_=1, within=10)
    assert failed.is_set()


@pytest.mark.usefixtures("_in_a_hurry")
def test_a_replica_that_falls_behind_says_so_once(
    demo: MemoryCluster,
    stopping: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    node2 = demo["node2"]
    demo["node1"].publish()
    tried = threading.Semaphore(0)
    monkeypatch.setattr(setbacks, "FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(follower, "RETRY_SECONDS", 0.02)

    def away(*_: object) -> list[Snapshot]:
        tried.release()
        raise OwnerAway("demo", "node1", "connection refused")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(node2.peers, "snapshots", away)
        node2.follower.start(stopping)
        for _ in range(4):
            assert tried.acquire(timeout=10)
    eventually(lambda: said(demo).get("node2"), is_=1, within=10)
    assert caplog.text.count("replica of volume 'demo' falls behind") == 1


def test_one_volume_is_fetched_by_one_worker(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node2 = demo["node2"]
    demo["node1"].publish()
    entered, opened, calls = threading.Event(), threading.Event(), []
    snapshots = node2.peers.snapshots

    def slow(*arguments: object) -> object:
        calls.append(arguments)
        entered.set()
        assert opened.wait(10)
        return snapshots(*arguments)

    monkeypatch.setattr(node2.peers, "snapshots", slow)
    node2.follower.look(demo.state)
    assert entered.wait(10)
    node2.follower.look(demo.state)
    opened.set()
    eventually(lambda: said(demo).get("node2"), is_=1, within=10)
    assert len(calls) == 1


def test_a_source_that_hangs_holds_up_no_other_sources_volumes(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = [f"v{number}" for number in range(follower.AT_ONCE)]
    for name in hanging:
        cluster["node1"].driver.create(name, {})
    cluster["node2"].driver.create("other", {})
    for node in ("node1", "node2"):
        cluster[node].publish()
    node3, hung, over = cluster["node3"], threading.Semaphore(0), threading.Event()
    stream = node3.peers.stream

    def hangs(volume_id: str, node: str, *snapshots: object) -> Iterator[bytes]:
        if node == "node1":
            hung.release()
            assert over.wait(10)
        return stream(volume_id, node, *snapshots)  # type: ignore[no-any-return]

    monkeypatch.setattr(node3.peers, "stream", hangs)
    for each in hanging:
        node3.follower.look(only(cluster, each))
        assert hung.acquire(timeout=10)
    node3.follower.look(cluster.state)
    eventually(lambda: has_copy(cluster, "other", "node3"), is_=True, within=5)
    over.set()
    eventually(
        lambda: all(has_copy(cluster, each, "node3") for each in hanging), is_=True, within=10
    )


def has_copy(cluster: MemoryCluster, name: str, node: str) -> bool:
    return node in cluster.state.copies_of(cluster.volume(name))


def only(cluster: MemoryCluster, name: str) -> ClusterState:
    return replace(cluster.state, volumes={name: cluster.volume(name)})


def test_replicas_start_from_what_is_there(tmp_path: Path) -> None:
    cluster = MemoryCluster(tmp_path, names=("node1", "node2"))
    cluster["node1"].driver.create("demo", {})
    cluster["node1"].write("demo", "one")
    cluster["node2"].read("demo")
    cluster.replicate()
    assert said(cluster) == {"node1": 1, "node2": 1}
    assert held(cluster, "node1") == [1]


def test_a_follower_sees_an_owner_that_comes(demo: MemoryCluster) -> None:
    """Each state shares with the one before all that has not changed."""
    before, node2 = demo.state, demo["node2"]
    demo["node1"].publish()
    told = demo.state
    node2.follower.look(before)
    alone = {name: node for name, node in told.nodes.items() if name != "node1"}
    away = replace(before, copies=told.copies, nodes=alone)
    node2.follower.look(away)
    assert held(demo, "node2") == []
    node2.follower.look(replace(away, nodes=told.nodes))
    eventually(lambda: held(demo, "node2"), is_=[1], within=10)


def test_a_follower_sees_a_copy_that_comes(demo: MemoryCluster) -> None:
    before, node2 = demo.state, demo["node2"]
    node2.follower.look(before)
    demo["node1"].publish()
    node2.follower.look(replace(before, copies=demo.state.copies))
    eventually(lambda: held(demo, "node2"), is_=[1], within=10)
