"""Going on from a replica when the owner is lost, and what becomes of the owner."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import (
    ControlPlaneAway,
    OwnerAway,
    OwnerLost,
    PoolError,
    Refused,
    StaleEpoch,
    TransferFailed,
    VolumeNotFound,
)
from flocker.base.records import Claim, ClusterState, Copy, Look, Snapshot, Volume
from flocker.moving import failover
from flocker.moving.boot_grace import BOOT_GRACE_SECONDS
from flocker.moving.failover import AT_ONCE
from flocker.moving.replica_choice import complete_until, is_current, newest_copy
from flocker.volumes import mounting
from tests.twins.moves import start_move
from tests.unit.flocker.cluster import Machine, MemoryCluster


def made(cluster: MemoryCluster, kind: str) -> MemoryCluster:
    cluster["node1"].driver.create("demo", {"failover": kind})
    cluster["node1"].write("demo", "hello")
    cluster.replicate()
    cluster["node1"].announce()
    return cluster


@pytest.fixture
def demo(cluster: MemoryCluster) -> MemoryCluster:
    """node1 wrote "hello" to the volume "demo", and every node has that."""
    return made(cluster, "manual")


@pytest.fixture
def auto(cluster: MemoryCluster) -> MemoryCluster:
    """The same with failover=auto."""
    return made(cluster, "auto")


def only_node3_follows(cluster: MemoryCluster, text: str) -> None:
    cluster["node1"].write("demo", text)
    cluster["node1"].publish()
    cluster["node3"].follow()


def numbers(machine: Machine) -> list[int]:
    volume_id = machine.state.volumes["demo"].id
    return [snapshot.number for snapshot in machine.pool.snapshots(volume_id)]


def whats(cluster: MemoryCluster) -> list[str]:
    return [event.what for event in cluster.ownership.history(cluster.volume("demo").id)]


# What is said while the owner is away


def test_a_mount_is_refused_with_the_age_of_the_newest_replica_and_what_to_type(
    demo: MemoryCluster,
) -> None:
    only_node3_follows(demo, "newer")
    demo["node1"].announce()
    demo.lose("node1")
    seen, until = demo.state.seen["node1"], demo.complete_until("demo", "node3")
    with pytest.raises(OwnerLost) as refused:
        demo["node2"].driver.mount("demo", "container")
    assert str(refused.value) == (
        f"volume 'demo' is owned by node1, which is away since {seen}; "
        f"the newest replica is on node3, complete up to {until}; to go on from it type "
        "`flocker promote demo` on node3, or bring node1 back"
    )
    assert demo.volume("demo").owner == "node1"
    assert demo.state.moves == {}


def test_a_replica_that_lacks_the_last_writes_is_only_as_complete_as_it_is(
    demo: MemoryCluster,
) -> None:
    demo["node1"].write("demo", "never replicated")
    demo["node1"].publish()
    demo.lose("node1")
    taken_at = demo.state.copies_of(demo.volume("demo"))["node3"].taken_at
    with pytest.raises(OwnerLost, match=f"complete up to {taken_at.replace('+', '.')};"):
        demo["node2"].driver.mount("demo", "container")


def test_a_volume_without_a_replica_can_only_wait_for_its_owner(cluster: MemoryCluster) -> None:
    cluster["node1"].driver.create("demo", {"replicas": "0"})
    cluster.lose("node1")
    for attempt in (
        lambda: cluster["node2"].driver.mount("demo", "container"),
        lambda: cluster["node2"].failover.promote("demo"),
    ):
        with pytest.raises(OwnerLost, match=r"no replica of it is on a node that is up; bring"):
            attempt()


def test_an_operator_who_moves_it_is_told_to_promote(demo: MemoryCluster) -> None:
    demo.lose("node1")
    with pytest.raises(OwnerLost, match="flocker promote demo"):
        demo["node2"].operations.moves.move("demo", None)


def test_an_owner_that_only_does_not_answer_is_not_given_up(auto: MemoryCluster) -> None:
    node2 = auto["node2"]
    node2.answer_seconds = 0.5
    node2.start()
    auto["node1"].is_up = False  # its lease goes on
    with pytest.raises(OwnerAway, match=r"does not answer.*bring node1 back"):
        node2.driver.mount("demo", "container")


def test_a_mount_waits_for_the_lease_of_an_owner_that_has_just_died(
    auto: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounting, "ASK_AGAIN_SECONDS", 0.05)
    node2 = auto["node2"]
    auto["node1"].is_up = False
    owners = node2.failover

    def lease_ends() -> None:
        auto.lose("node1")
        owners.take_over_lost(auto.state)
        auto["node3"].failover.take_over_lost(auto.state)

    ending = threading.Timer(0.3, lease_ends)
    ending.start()
    assert (node2.driver.mount("demo", "container") / "file").read_text() == "hello"
    ending.join()
    assert auto.volume("demo").owner == "node2"


def test_the_newest_copy_is_one_on_a_node_that_is_up(demo: MemoryCluster) -> None:
    only_node3_follows(demo, "newer")
    volume = demo.volume("demo")
    newest = newest_copy(volume, demo.state)
    assert newest is not None
    assert (newest.node, newest.snapshot.number) == ("node3", 2)
    demo.lose("node3")
    demo.lose("node1")
    newest = newest_copy(volume, demo.state)
    assert newest is not None
    assert (newest.node, newest.snapshot.number) == ("node2", 1)


def test_how_complete_a_copy_is() -> None:
    volume = Volume("demo", "id", "node1", 1, "2026-01-01")
    old, last = (Snapshot(number, f"i{number}") for number in (1, 2))
    published = Copy("id", "node1", last, "2026-01-02T10:00:00")
    mine = Copy("id", "node2", last, "2026-01-02T10:00:00")
    behind = Copy("id", "node3", old, "2026-01-02T09:00:00")
    state = ClusterState(
        seen={"node1": "2026-01-02T12:00:00"},
        looks={"node1": Look("node1", "2026-01-02T11:59:58", {"other": "2026-01-02T11:00:00"})},
        copies={"id": {copy.node: copy for copy in (published, mine, behind)}},
    )
    assert complete_until(volume, mine, state) == "2026-01-02T11:59:58"
    assert complete_until(volume, behind, state) == "2026-01-02T09:00:00"
    for since, until in (("2026-01-02T11:00:00",) * 2, ("", "2026-01-02T10:00:00")):
        late = replace(state, looks={"node1": Look("node1", "2026-01-02T11:59:58", {"id": since})})
        assert complete_until(volume, mine, late) == until
    without_look = replace(state, looks={})
    assert complete_until(volume, mine, without_look) == "2026-01-02T10:00:00"
    unpublished = replace(volume, replicas=0)
    assert complete_until(unpublished, mine, state) == "2026-01-02T10:00:00"


def test_a_copy_that_a_promotion_left_behind_promises_nothing_of_the_volume() -> None:
    """Node3 went on from its first snapshot, while node2 has a later one of the owner before."""
    first, later = Snapshot(1, "first", 1), Snapshot(2, "later", 1)
    before = Volume("demo", "id", "node1", 1, "2026-01-01T00:00:00")
    left_behind = Copy("id", "node2", later, "2026-01-02T10:00:00")
    state = ClusterState(copies={"id": {"node2": left_behind}})
    assert complete_until(before, left_behind, state) == "2026-01-02T10:00:00"
    promoted = before.promoted_on("node3", first)
    assert complete_until(promoted, left_behind, state) == "2026-01-01T00:00:00"


def test_a_copy_that_was_taken_while_a_clock_was_ahead_promises_nothing_of_the_future() -> None:
    """The owner's clock was two hours ahead then, and has been set back since."""
    volume = Volume("demo", "id", "node1", 1, "2026-01-01T00:00:00")
    old, last = (Snapshot(number, f"i{number}") for number in (1, 2))
    published = Copy("id", "node1", last, "2026-01-02T13:59:00")
    mine = Copy("id", "node2", last, "2026-01-02T13:59:00")
    behind = Copy("id", "node3", old, "2026-01-02T13:58:00")
    state = ClusterState(
        seen={"node1": "2026-01-02T12:00:00"},
        looks={"node1": Look("node1", "2026-01-02T11:59:58")},
        copies={"id": {copy.node: copy for copy in (published, mine, behind)}},
    )
    assert complete_until(volume, mine, state) == "2026-01-02T11:59:58"
    assert complete_until(volume, behind, state) == "2026-01-01T00:00:00"
    just_taken = replace(mine, taken_at="2026-01-02T12:00:02")  # and its owner not heard of since
    assert complete_until(volume, just_taken, state) == "2026-01-02T12:00:02"


def test_a_look_while_a_clock_was_ahead_promises_nothing_of_the_future() -> None:
    """The volume has changed since that look, and no snapshot of it could be taken."""
    volume = Volume("demo", "id", "node1", 1, "2026-01-01T00:00:00")
    published, mine = (
        Copy("id", node, Snapshot(1, "i1"), "2026-01-02T10:00:00") for node in ("node1", "node2")
    )
    state = ClusterState(
        seen={"node1": "2026-01-02T12:00:00"},
        looks={"node1": Look("node1", "2026-01-02T11:59:58", {"id": "2026-01-02T13:59:00"})},
        copies={"id": {copy.node: copy for copy in (published, mine)}},
    )
    assert complete_until(volume, mine, state) == "2026-01-02T10:00:00"
    assert not is_current(volume, mine, state)


@pytest.mark.parametrize(
    ("looked_at", "expected"), [("2026-01-02T11:59:51", True), ("2026-01-02T11:59:49", False)]
)
def test_a_copy_is_not_current_once_the_owner_has_stopped_looking(
    looked_at: str, expected: bool
) -> None:
    volume = Volume("demo", "id", "node1", 1, "2026-01-01")
    copies = {
        node: Copy("id", node, Snapshot(1, "i1"), "2026-01-02T10:00:00")
        for node in ("node1", "node2")
    }
    state = ClusterState(
        seen={"node1": "2026-01-02T12:00:00"},
        looks={"node1": Look("node1", looked_at)},
        copies={"id": copies},
    )
    assert is_current(volume, copies["node2"], state) is expected


# Promoting


def test_a_replica_becomes_the_volume(demo: MemoryCluster) -> None:
    demo.lose("node1")
    promoted, until = demo["node2"].failover.promote("demo")
    assert until == demo.complete_until("demo", "node2")
    assert promoted == demo.volume("demo")
    assert (promoted.owner, promoted.epoch) == ("node2", 2)
    assert promoted.base == demo["node2"].pool.snapshots(promoted.id)[-1]
    assert demo["node2"].read("demo") == "hello"
    assert demo["node3"].read("demo") == "hello"
    event = next(event for event in demo.ownership.history(promoted.id) if event.what == "promoted")
    assert event.node == "node2"
    assert event.why == (
        f"node1 is away: asked for by the operator; what it wrote after {until} may be lost"
    )


def test_a_newer_replica_elsewhere_is_fetched_first(demo: MemoryCluster) -> None:
    only_node3_follows(demo, "newer")
    demo.lose("node1")
    demo["node2"].failover.promote("demo")
    assert demo.volume("demo").owner == "node2"
    assert demo["node2"].read("demo") == "newer"


def test_a_node_without_a_replica_can_be_told_to_go_on(cluster: MemoryCluster) -> None:
    cluster["node1"].driver.create("demo", {"replicas": "1"})
    cluster["node1"].write("demo", "hello")
    cluster.replicate()
    cluster.lose("node1")
    cluster["node3"].failover.promote("demo")
    assert cluster["node3"].read("demo") == "hello"


@pytest.fixture
def kept(cluster: MemoryCluster) -> MemoryCluster:
    """node1 is lost. A person kept "first" of "demo", which node2 has; node3 has nothing of it."""
    cluster["node1"].driver.create("demo", {"replicas": "1"})
    for text in ("first", "last"):
        cluster["node1"].write("demo", text)
        if text == "first":
            cluster["node1"].operations.snapshots.snapshot(["demo"], text)
    cluster.replicate()
    cluster.lose("node1")
    return cluster


def test_the_snapshots_that_people_keep_are_fetched_after_a_promotion(kept: MemoryCluster) -> None:
    node3 = kept["node3"]
    node3.failover.promote("demo")
    node3.operations.snapshots.restore("demo@1")
    assert node3.read("demo") == "first"


def test_a_kept_snapshot_that_cannot_be_fetched_is_no_reason_not_to_promote(
    kept: MemoryCluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    send = kept["node2"].pool.send

    def send_but_first(volume_id: str, number: int, parent: int | None) -> Iterator[bytes]:
        if number == 1:
            raise PoolError("a bad block")
        return send(volume_id, number, parent)

    monkeypatch.setattr(kept["node2"].pool, "send", send_but_first)
    kept["node3"].failover.promote("demo")
    assert kept["node3"].read("demo") == "last"
    assert "snapshots of volume 'demo' are not fetched from node2: a bad block" in caplog.text


def test_what_the_lost_owner_was_moving_is_not_in_the_way(demo: MemoryCluster) -> None:
    start_move(demo.ownership, demo.volume("demo"), "node3")
    demo.lose("node1")
    demo["node2"].failover.promote("demo")
    assert demo.state.moves == {}
    assert demo["node2"].read("demo") == "hello"


@pytest.mark.parametrize(
    ("node", "refusal"),
    [
        ("node1", "volume 'demo' is owned by node1 already"),
        ("node2", "owned by node1, which is up; `flocker move demo` brings it here with all"),
    ],
)
def test_an_owner_that_is_up_is_not_replaced(demo: MemoryCluster, node: str, refusal: str) -> None:
    with pytest.raises(Refused, match=refusal):
        demo[node].failover.promote("demo")
    assert demo.volume("demo").epoch == 1


def test_what_nobody_knows_is_not_promoted(cluster: MemoryCluster) -> None:
    with pytest.raises(VolumeNotFound, match="no volume 'nowhere'"):
        cluster["node1"].failover.promote("nowhere")


def test_an_owner_that_comes_back_in_the_last_moment_stays(demo: MemoryCluster) -> None:
    demo.lose("node1")
    node2 = demo["node2"]
    node2.etcd.before["promote"] = lambda: demo.bring_back("node1")
    with pytest.raises(Refused, match="owned by node1, which is there"):
        node2.failover.promote("demo")
    assert demo.volume("demo").owner == "node1"
    demo["node1"].write("demo", "went on")
    demo.replicate()
    node2.reconciler.tidy()
    assert node2.read("demo") == "went on"
    assert [machine.pool.asides() for machine in demo.machines.values()] == [[], [], []]


def test_of_two_nodes_that_promote_at_once_one_wins(demo: MemoryCluster) -> None:
    demo.lose("node1")
    both = threading.Barrier(2)
    for name in ("node2", "node3"):
        demo[name].etcd.before["promote"] = lambda: both.wait(10)

    def attempt(name: str) -> str | None:
        try:
            demo[name].failover.promote("demo")
        except StaleEpoch:
            return None
        return name

    with ThreadPoolExecutor(2) as threads:
        [winner] = [name for name in threads.map(attempt, ["node2", "node3"]) if name]
    assert (demo.volume("demo").owner, demo.volume("demo").epoch) == (winner, 2)
    loser = "node3" if winner == "node2" else "node2"
    demo[winner].write("demo", "went on")
    demo[loser].reconciler.tidy()
    assert not demo[loser].pool.has_writable(demo.volume("demo").id)
    demo.replicate()
    assert demo[loser].read("demo") == "went on"
    assert [demo[name].pool.asides() for name in ("node2", "node3")] == [[], []]


@pytest.mark.parametrize("step", ["state", "promote"])
def test_without_etcd_nothing_is_promoted(demo: MemoryCluster, step: str) -> None:
    demo.lose("node1")
    node2 = demo["node2"]
    node2.etcd.away_for = {step}
    with pytest.raises(ControlPlaneAway):
        node2.failover.promote("demo")
    node2.etcd.away_for = set()
    assert demo.volume("demo").owner == "node1"
    node2.failover.promote("demo")
    assert node2.read("demo") == "hello"


def test_a_promotion_whose_answer_was_lost_is_one(demo: MemoryCluster) -> None:
    demo.lose("node1")
    node2 = demo["node2"]
    node2.etcd.unheard = {"promote"}
    with pytest.raises(ControlPlaneAway):
        node2.failover.promote("demo")
    node2.etcd.unheard = set()
    assert demo.volume("demo").owner == "node2"
    assert node2.read("demo") == "hello"


def test_what_cannot_be_said_of_the_former_owner_costs_nothing_else(demo: MemoryCluster) -> None:
    demo.lose("node1")
    demo["node2"].etcd.away_for = {"publish"}
    demo["node2"].failover.promote("demo")
    assert demo["node2"].read("demo") == "hello"


def test_what_the_former_owner_can_build_on_is_kept_for_it(demo: MemoryCluster) -> None:
    demo["node1"].write("demo", "left behind")
    demo["node1"].publish()
    demo.lose("node1")
    node2 = demo["node2"]
    promoted, _ = node2.failover.promote("demo")
    for number in range(5):
        node2.write("demo", f"text {number}")
        node2.publish()
        demo["node3"].follow()
    assert promoted.base in node2.pool.snapshots(promoted.id)


def test_a_planned_move_is_not_undone_by_a_promotion_right_after_it(demo: MemoryCluster) -> None:
    """Neither end of the move has had the time to say what it holds."""
    demo["node1"].write("demo", "newer")
    demo["node3"].read("demo")
    demo.lose("node3")
    demo["node1"].failover.promote("demo")
    assert demo["node1"].read("demo") == "newer"
    demo.bring_back("node3")
    assert demo["node3"].read("demo") == "newer"
    assert [machine.pool.asides() for machine in demo.machines.values()] == [[], [], []]


def test_a_promotion_goes_on_from_what_the_node_could_not_tell_of(demo: MemoryCluster) -> None:
    demo["node1"].write("demo", "newer")
    demo["node1"].publish()
    node2 = demo["node2"]
    node2.etcd.away_for = {"publish"}
    with pytest.raises(ControlPlaneAway):
        node2.follow()
    demo.lose("node1")
    promoted, _ = node2.failover.promote("demo")
    assert promoted.base == node2.pool.snapshots(promoted.id)[-1]
    assert node2.read("demo") == "newer"


def test_a_takeover_that_comes_late_leaves_what_was_promoted_meanwhile_alone(
    auto: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person was faster, on the same node, and a container writes already."""
    auto.lose("node1")
    node3 = auto["node3"]

    snapshots = node3.pool.snapshots

    def promoted_and_written(volume_id: str) -> list[Snapshot]:
        monkeypatch.undo()
        here = snapshots(volume_id)
        node3.failover.promote("demo")
        node3.write("demo", "acknowledged")
        return here

    monkeypatch.setattr(node3.pool, "snapshots", promoted_and_written)
    node3.failover.take_over_lost(auto.state)
    assert node3.read("demo") == "acknowledged"
    assert auto.volume("demo").epoch == 2
    assert whats(auto) == ["created", "promoted"]
    assert node3.pool.asides() == []


def test_of_a_move_and_a_takeover_that_meet_one_is_made(
    auto: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner dies when its last snapshot is here, and is replaced before the move ends."""
    node3 = auto["node3"]

    fetch = node3.transfers.fetch

    def fetched(*arguments: object) -> int:
        received = fetch(*arguments)  # type: ignore[arg-type]
        auto.lose("node1")
        node3.failover.promote("demo")
        node3.write("demo", "acknowledged")
        return received

    monkeypatch.setattr(node3.transfers, "fetch", fetched)
    with pytest.raises(StaleEpoch, match="volume 'demo' has changed; try again"):
        node3.arrivals.bring(auto.volume("demo"), "asked for")
    assert node3.read("demo") == "acknowledged"
    assert auto.volume("demo").epoch == 2
    assert node3.pool.asides() == []


def test_a_snapshot_people_asked_for_is_not_another_after_a_promotion(demo: MemoryCluster) -> None:
    node1, node2 = demo["node1"], demo["node2"]
    node1.write("demo", "mine")
    reference = node1.operations.snapshots.snapshot(["demo"], "mine")["snapshots"][0]
    demo.lose("node1")
    node2.failover.promote("demo")
    node2.write("demo", "another")
    node2.publish()
    assert numbers(node2)[-1] == reference["number"]
    assert node2.operations.snapshots.snapshots("demo")["snapshots"] == []
    name = f"demo@{reference['number']}"
    with pytest.raises(Refused, match=f"has no snapshot {reference['number']} of volume 'demo'"):
        node2.operations.snapshots.restore(name)
    with pytest.raises(Refused, match=f"has no snapshot {reference['number']} of volume 'demo'"):
        node2.driver.create("clone", {"from": name})
    assert node2.read("demo") == "another"


def test_what_two_lost_ends_of_a_move_had_is_put_aside_on_both(demo: MemoryCluster) -> None:
    """They come back when the volume has had two more owners, and higher numbers."""
    node2 = demo["node2"]
    demo["node1"].write("demo", "left behind")
    demo["node3"].read("demo")
    demo.lose("node1")
    demo.lose("node3")
    node2.failover.promote("demo")
    assert node2.read("demo") == "hello"
    for text in ("went on", "and on"):
        node2.write("demo", text)
        node2.publish()
    demo.bring_back("node1")
    demo["node1"].write("demo", "on node1")
    demo.bring_back("node3")
    assert demo["node3"].read("demo") == "on node1"
    for name in ("node1", "node3"):
        [aside] = demo[name].pool.asides()
        demo[name].driver.create(f"had-by-{name}", {"from": aside.reference})
        assert demo[name].read(f"had-by-{name}") == "left behind"


def test_what_arrives_too_late_of_a_lost_owner_is_not_gone_on_from(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """node1 was only paused, and sends what node3 had asked for before the first promotion."""
    node1, node2, node3 = (demo[name] for name in ("node1", "node2", "node3"))
    volume = demo.volume("demo")
    for text in ("left behind", "left behind as well"):
        node1.write("demo", text)
        late = node1.pool.take_snapshot(volume.claim)
    demo.lose("node1")
    node2.failover.promote("demo")
    node2.write("demo", "went on")
    node2.publish()
    node3.follow()
    demo.lose("node2")
    put_away = node3.pool.put_away

    def arrives_after(
        record: Volume, node: str, confirm: Callable[[], None], kept: Collection[Snapshot]
    ) -> object:
        aside = put_away(record, node, confirm, kept)
        node3.pool.receive(volume.id, late, None, node1.pool.send(volume.id, late.number, None))
        return aside

    with monkeypatch.context() as patch:
        patch.setattr(node3.pool, "put_away", arrives_after)
        node3.failover.promote("demo")
    assert node3.read("demo") == "went on"
    demo.bring_back("node2")
    assert node2.read("demo") == "went on"


def test_a_snapshot_that_only_a_lost_owner_kept_is_put_aside_too(demo: MemoryCluster) -> None:
    """Its replicas were behind; since then what the snapshot was taken for was deleted."""
    node1 = demo["node1"]
    node1.write("demo", "for the audit")
    node1.operations.snapshots.snapshot(["demo"], "audit")
    for text in ("deleted", "and the last"):
        node1.write("demo", text)
        node1.publish()
    node1.write("demo", "not published")
    demo.lose("node1")
    demo["node2"].failover.promote("demo")
    demo.bring_back("node1")
    found = set()
    for number, aside in enumerate(node1.operations.recovery.conflicts()["asides"]):
        node1.operations.changes.clone(aside["reference"], f"clone{number}")
        found.add(node1.read(f"clone{number}"))
    assert found == {"for the audit", "not published"}


def test_a_copy_that_a_promotion_left_behind_is_never_gone_on_from(demo: MemoryCluster) -> None:
    """The node that holds it is back, and its successor lost, before it has looked."""
    only_node3_follows(demo, "left behind")
    demo.lose("node1")
    demo.lose("node3")
    demo["node2"].failover.promote("demo")
    demo.bring_back("node1")
    demo["node1"].follow()
    node3 = demo["node3"]
    node3.is_up = True
    node3.announce()
    demo.lose("node2")
    newest = newest_copy(demo.volume("demo"), demo.state)
    assert newest is not None
    assert newest.node == "node1"
    node3.failover.promote("demo")
    assert node3.read("demo") == "hello"
    [aside] = node3.pool.asides()
    node3.driver.create("left", {"from": aside.reference})
    assert node3.read("left") == "left behind"


@pytest.mark.parametrize("broken", ["stream", "snapshots"])
def test_a_newer_replica_that_cannot_be_had_changes_nothing(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    only_node3_follows(demo, "newer")
    demo.lose("node1")

    def fail(*_: object) -> None:
        raise TransferFailed("it broke off")

    with monkeypatch.context() as patch:
        patch.setattr(demo["node2"].peers, broken, fail)
        with pytest.raises(Refused, match="it broke off; try again, or type `flocker promote --h"):
            demo["node2"].failover.promote("demo")
    assert demo.volume("demo").owner == "node1"
    demo["node2"].failover.promote("demo")
    assert demo["node2"].read("demo") == "newer"


def test_a_pool_that_cannot_adopt_it_changes_nothing(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo.lose("node1")

    def fail(*_: object) -> None:
        raise PoolError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(demo["node2"].pool, "adopt", fail)
        with pytest.raises(PoolError):
            demo["node2"].failover.promote("demo")
    assert demo.volume("demo").owner == "node1"


def test_a_replica_that_is_not_what_was_said_is_not_gone_on_from(demo: MemoryCluster) -> None:
    volume = demo.volume("demo")
    demo.lose("node1")
    never = Copy(volume.id, "node2", Snapshot(9, "never here", 1), volume.created_at)
    demo.ownership.publish([(volume, never)])
    with pytest.raises(Refused, match="node2 does not hold snapshot 9 of volume 'demo' any more"):
        demo["node2"].failover.promote("demo")
    assert demo.volume("demo").owner == "node1"


# An owner that came back without its disk


@pytest.fixture
def replaced(demo: MemoryCluster) -> MemoryCluster:
    """A new node1, with an empty disk; nobody promoted the volume of the old one meanwhile."""
    demo.lose("node1")
    demo.replace("node1")
    return demo


def test_an_owner_without_its_disk_says_what_to_type(replaced: MemoryCluster) -> None:
    until = replaced.state.copies_of(replaced.volume("demo"))["node3"].taken_at
    node1, node2 = replaced["node1"], replaced["node2"]
    attempts: list[Callable[[], object]] = [
        lambda: node1.driver.mount("demo", "container"),
        lambda: node2.driver.mount("demo", "container"),
        lambda: node2.operations.moves.move("demo", None),
    ]
    for attempt in attempts:
        with pytest.raises(Refused) as refused:
            attempt()
        assert str(refused.value) == (
            "volume 'demo' is owned by node1, whose pool does not have it (was its disk "
            f"replaced?); the newest replica is on node3, complete up to {until}; to go on from it "
            "type `flocker promote demo` on node1"
        )
    assert node1.driver.status(replaced.volume("demo"))["problem"] == str(refused.value)
    assert replaced.volume("demo").epoch == 1
    assert (replaced.state.moves, replaced.state.mounts) == ({}, {})


def test_an_owner_without_its_disk_goes_on_from_a_replica(replaced: MemoryCluster) -> None:
    promoted, until = replaced["node1"].failover.promote("demo")
    assert until == replaced.state.copies_of(replaced.volume("demo"))["node3"].taken_at
    assert promoted == replaced.volume("demo")
    assert (promoted.owner, promoted.epoch) == ("node1", 2)
    event = next(
        event for event in replaced.ownership.history(promoted.id) if event.what == "promoted"
    )
    assert event.why == (
        "node1 has lost its copy: asked for by the operator; "
        f"what it wrote after {until} may be lost"
    )
    replaced.replicate()
    for name in ("node1", "node2", "node3"):
        assert replaced[name].read("demo") == "hello"
    with pytest.raises(Refused, match="owned by node3, which is up"):
        replaced["node1"].failover.promote("demo")


def test_without_a_replica_an_owner_without_its_disk_has_nothing(cluster: MemoryCluster) -> None:
    cluster["node1"].driver.create("demo", {"replicas": "0"})
    cluster.lose("node1")
    cluster.replace("node1")
    for attempt in (
        lambda: cluster["node2"].driver.mount("demo", "container"),
        lambda: cluster["node1"].failover.promote("demo"),
    ):
        with pytest.raises(Refused, match="and no replica of it is on a node that is up"):
            attempt()


def test_a_promotion_of_its_own_that_was_not_recorded_can_be_repeated(
    replaced: MemoryCluster,
) -> None:
    node1 = replaced["node1"]
    node1.etcd.away_for = {"promote"}
    with pytest.raises(ControlPlaneAway):
        node1.failover.promote("demo")
    node1.etcd.away_for = set()
    assert replaced.volume("demo").epoch == 1
    node1.failover.promote("demo")
    assert node1.read("demo") == "hello"
    assert node1.pool.asides() == []


def test_a_replica_that_broke_off_on_its_way_to_an_owner_can_be_fetched_again(
    replaced: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = replaced["node1"]

    def fail(*_: object) -> None:
        raise TransferFailed("it broke off")

    with monkeypatch.context() as patch:
        patch.setattr(node1.peers, "stream", fail)
        with pytest.raises(Refused, match="cannot fetch the newest one: it broke off"):
            node1.failover.promote("demo")
    node1.failover.promote("demo")
    assert node1.read("demo") == "hello"


# By itself


def test_the_newest_replica_takes_over_by_itself(auto: MemoryCluster) -> None:
    only_node3_follows(auto, "newer")
    auto.lose("node1")
    for name in ("node2", "node3", "node2"):
        auto[name].failover.take_over_lost(auto.state)
    assert auto.volume("demo").owner == "node3"
    assert auto["node3"].read("demo") == "newer"
    assert "its lease ran out" in auto.ownership.history(auto.volume("demo").id)[-1].why


def test_of_replicas_as_new_as_each_other_one_takes_over(auto: MemoryCluster) -> None:
    auto.lose("node1")
    for name in ("node2", "node3"):
        auto[name].failover.take_over_lost(auto.state)
    assert auto.volume("demo").epoch == 2
    assert whats(auto).count("promoted") == 1


def test_nothing_is_taken_over_that_must_not(cluster: MemoryCluster) -> None:
    """By hand only, or the owner is there, or there is nothing to go on from."""
    node1 = cluster["node1"]
    node1.driver.create("manual", {})
    node1.driver.create("alone", {"failover": "auto", "replicas": "0"})
    cluster["node3"].driver.create("alive", {"failover": "auto"})
    for name in ("manual", "alone", "alive"):
        cluster["node1"].write(name, "text")
    cluster.replicate()
    cluster["node3"].write("alive", "text")
    cluster.lose("node1")
    before = cluster.state.volumes
    for name in ("node2", "node3"):
        cluster[name].failover.take_over_lost(cluster.state)
    assert cluster.state.volumes == before


def test_one_volume_that_cannot_be_taken_over_does_not_stop_the_others(
    auto: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    auto["node1"].driver.create("zulu", {"failover": "auto"})
    auto["node1"].write("zulu", "text")
    auto.replicate()
    auto.lose("node1")
    node3, bad = auto["node3"], auto.volume("demo").id
    adopt = node3.pool.adopt

    def fail(claim: object, *arguments: object) -> None:
        if getattr(claim, "volume_id", "") == bad:
            raise PoolError("the disk is full")
        adopt(claim, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(node3.pool, "adopt", fail)
    node3.failover.take_over_lost(auto.state)
    assert (auto.volume("demo").owner, auto.volume("zulu").owner) == ("node1", "node3")


@pytest.fixture
def watching(auto: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """All nodes but node1 watch for owners that are lost."""
    monkeypatch.setattr(failover, "RETRY_SECONDS", 0.05)
    stopping = threading.Event()
    for name in ("node2", "node3"):
        auto[name].failover.start(stopping)
    yield
    stopping.set()


@pytest.mark.usefixtures("watching")
def test_lost_owners_are_noticed(auto: MemoryCluster) -> None:
    auto.lose("node1")
    eventually(lambda: auto.volume("demo").epoch, is_=2, within=10)


@pytest.mark.usefixtures("watching")
def test_a_node_without_etcd_takes_nothing_over(
    auto: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its mirror stands still: others may be there that it does not see."""
    looked = threading.Semaphore(0)
    node3, changes = auto["node3"], auto["node3"].mirror.changes

    def counted(last: ClusterState | None, within: float) -> ClusterState:
        looked.release()
        return changes(last, within)

    auto["node2"].is_up = False
    monkeypatch.setattr(auto["node2"].failover, "begin_takeovers", lambda _: None)
    monkeypatch.setattr(node3.mirror, "changes", counted)
    node3.etcd.away_for = {"state"}
    auto.lose("node1")
    for _ in range(4):
        assert looked.acquire(timeout=10)
    assert auto.volume("demo").owner == "node1"
    node3.etcd.away_for = set()
    eventually(lambda: auto.volume("demo").owner, is_="node3", within=10)


def test_a_defect_does_not_end_the_watch(
    auto: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failover, "RETRY_SECONDS", 0.05)
    node3 = auto["node3"]
    take, tried = node3.failover.begin_takeovers, threading.Event()

    def fail_once(state: object) -> None:
        if not tried.is_set():
            tried.set()
            raise KeyError("surprise")
        take(state)  # type: ignore[arg-type]

    monkeypatch.setattr(node3.failover, "begin_takeovers", fail_once)
    stopping = threading.Event()
    auto.lose("node1")
    node3.failover.start(stopping)
    eventually(lambda: auto.volume("demo").owner, is_="node3", within=10)
    stopping.set()


def test_takeovers_that_hang_hold_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another owner, that is lost later, however many hang."""
    monkeypatch.setattr(failover, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(failover, "HANGS_SECONDS", 0.2)
    cluster = MemoryCluster(tmp_path, ("node1", "node2", "node3", "node4"))
    hanging = [f"hung{number}" for number in range(2 * AT_ONCE)]
    for owner, name in [*(("node1", each) for each in hanging), ("node4", "demo")]:
        options = {"failover": "auto", "replicas": "3" if name == "demo" else "2"}
        cluster[owner].driver.create(name, options)
        cluster[owner].write(name, "hello")
    cluster.replicate()
    node3 = cluster["node3"]
    adopt, hung = node3.pool.adopt, {cluster.volume(each).id for each in hanging}
    begun, ended, stopping = threading.Semaphore(0), threading.Event(), threading.Event()

    def hang(claim: Claim, *arguments: object) -> None:
        if claim.volume_id in hung:
            begun.release()
            assert ended.wait(30)
        adopt(claim, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(node3.pool, "adopt", hang)
    node3.failover.start(stopping)
    try:
        cluster.lose("node1")
        for _ in hanging[:AT_ONCE]:
            assert begun.acquire(timeout=10)
        cluster.lose("node4")
        eventually(lambda: cluster.volume("demo").owner, is_="node3", within=10)
        assert {cluster.volume(each).owner for each in hanging} == {"node1"}
    finally:
        ended.set()
        stopping.set()
    eventually(lambda: {cluster.volume(each).owner for each in hanging}, is_={"node3"}, within=10)


def test_takeovers_that_wait_for_another_node_hold_up_none_that_has_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wait, and for however long. All are due at once, as node2 takes nothing over."""
    monkeypatch.setattr(failover, "HANGS_SECONDS", 600.0)
    cluster = MemoryCluster(tmp_path)
    node1, node3 = cluster["node1"], cluster["node3"]
    waiting = [f"a{number}" for number in range(2 * AT_ONCE)]
    for name in (*waiting, "zulu"):
        node1.driver.create(name, {"failover": "auto"})
        node1.write(name, "hello")
    cluster.replicate()
    for name in waiting:
        node1.write(name, "newer")
    node1.publish()
    cluster["node2"].follow()
    cluster.ownership.announce(replace(cluster.state.nodes["node2"], gives_up=True))
    ended, snapshots = threading.Event(), node3.peers.snapshots

    def hang(volume_id: str, node: str) -> list[Snapshot]:
        assert ended.wait(30)
        return snapshots(volume_id, node)  # type: ignore[no-any-return]

    monkeypatch.setattr(node3.peers, "snapshots", hang)
    cluster.lose("node1")
    begun = node3.failover.begin_takeovers(cluster.state)
    try:
        eventually(lambda: cluster.volume("zulu").owner, is_="node3", within=10)
        assert {cluster.volume(each).owner for each in waiting} == {"node1"}
    finally:
        ended.set()
    for each in begun:
        each.result(30)
    assert {cluster.volume(each).owner for each in waiting} == {"node3"}


# A container that starts meanwhile


@pytest.mark.parametrize("winner", ["node2", "node3"])
def test_a_mount_waits_for_the_takeover(auto: MemoryCluster, winner: str) -> None:
    """On the node that takes over, and on one that then has the volume handed over."""
    auto.lose("node1")
    changes = auto["node2"].mirror.changes

    def take_over_meanwhile(*arguments: object, **named: object) -> object:
        auto[winner].failover.take_over_lost(
            replace(
                auto.state,
                copies={
                    auto.volume("demo").id: {
                        winner: auto.state.copies_of(auto.volume("demo"))[winner]
                    }
                },
            )
        )
        return changes(*arguments, **named)  # type: ignore[arg-type]

    auto["node2"].mirror.changes = take_over_meanwhile  # type: ignore[method-assign, assignment]
    assert auto["node2"].read("demo") == "hello"
    assert auto.volume("demo").owner == "node2"
    assert auto.volume("demo").epoch == (2 if winner == "node2" else 3)


def test_a_mount_that_waited_in_vain_says_what_it_waited_for(auto: MemoryCluster) -> None:
    node2 = auto["node2"]
    node2.answer_seconds = 0.3
    node2.start()
    auto.lose("node1")
    with pytest.raises(OwnerLost, match=r"node3, whose replica is complete up to .*, takes over"):
        node2.driver.mount("demo", "container")
    assert auto.state.mounts == {}


def test_a_mount_goes_on_with_an_owner_that_came_back(auto: MemoryCluster) -> None:
    auto.lose("node1")
    changes = auto["node2"].mirror.changes

    def come_back(*arguments: object, **named: object) -> object:
        if not auto["node1"].is_up:
            auto.bring_back("node1")
        return changes(*arguments, **named)  # type: ignore[arg-type]

    auto["node2"].mirror.changes = come_back  # type: ignore[method-assign, assignment]
    assert auto["node2"].read("demo") == "hello"
    assert whats(auto) == ["created", "moved"]


def test_a_mount_of_what_is_removed_while_it_waits_says_so(auto: MemoryCluster) -> None:
    auto.lose("node1")
    changes = auto["node2"].mirror.changes

    def removed(*arguments: object, **named: object) -> object:
        volume = auto.volume("demo")
        event = replace(auto.ownership.history(volume.id)[0], what="removed")
        auto.ownership.remove(volume, event)
        return changes(*arguments, **named)  # type: ignore[arg-type]

    auto["node2"].mirror.changes = removed  # type: ignore[method-assign, assignment]
    with pytest.raises(VolumeNotFound):
        auto["node2"].driver.mount("demo", "container")


# The loser comes back


Diverge = Callable[[Machine], None]


def with_writes(node1: Machine) -> None:
    node1.write("demo", "never replicated")


def with_a_snapshot(node1: Machine) -> None:
    node1.write("demo", "never replicated")
    node1.publish()


def with_both(node1: Machine) -> None:
    node1.write("demo", "in a snapshot")
    node1.publish()
    node1.write("demo", "never replicated")


def goes_on_without(demo: MemoryCluster, diverge: Diverge) -> tuple[Machine, Machine]:
    """Node1 is lost with writes that only it has, and node2 goes on."""
    node1, node2 = demo["node1"], demo["node2"]
    diverge(node1)
    demo.lose("node1")
    node2.failover.promote("demo")
    node2.write("demo", "went on")
    return node1, node2


@pytest.mark.parametrize("diverge", [with_writes, with_a_snapshot, with_both])
def test_what_only_the_loser_had_is_listed_and_can_be_had(
    demo: MemoryCluster, diverge: Diverge
) -> None:
    node1, node2 = goes_on_without(demo, diverge)
    demo.bring_back("node1")
    demo.replicate()

    for machine in demo.machines.values():
        conflicts = machine.operations.recovery.conflicts()
        assert conflicts["silent"] == []
        [aside] = conflicts["asides"]
        assert (aside["node"], aside["volume"], aside["why"]) == ("node1", "demo", "conflict")
    assert numbers(node1) == numbers(node2)
    assert whats(demo)[-1] == "conflict"
    node2.operations.changes.clone(aside["reference"], "lost")
    assert demo["node3"].read("lost") == "never replicated"
    assert node1.read("demo") == "went on"
    assert len(node1.pool.asides()) == 1


@pytest.mark.parametrize("diverge", [with_writes, with_a_snapshot, with_both])
def test_what_only_the_loser_had_is_listed_though_the_volume_was_removed_before_it_looked(
    demo: MemoryCluster, diverge: Diverge
) -> None:
    node1, node2 = goes_on_without(demo, diverge)
    node1.is_up = True
    node1.start()
    node2.driver.remove("demo")
    assert [aside.why for aside in node1.pool.asides()] == ["conflict", "removed"]
    [listed] = node2.operations.recovery.conflicts()["asides"]
    node2.operations.recovery.undelete("demo")

    assert node1.read("demo") == "went on"
    [aside] = node2.operations.recovery.conflicts()["asides"]
    assert aside == listed
    node2.operations.changes.clone(aside["reference"], "lost")
    assert demo["node3"].read("lost") == "never replicated"


def test_a_loser_that_had_nothing_more_has_no_conflict(demo: MemoryCluster) -> None:
    demo.lose("node1")
    demo["node2"].failover.promote("demo")
    demo["node2"].write("demo", "went on")
    demo.bring_back("node1")
    demo.replicate()
    assert demo["node1"].pool.asides() == []
    assert demo["node1"].read("demo") == "went on"


def test_containers_of_a_loser_that_was_only_cut_off_are_stopped(auto: MemoryCluster) -> None:
    node1 = auto["node1"]
    mountpoint = node1.run("demo", "app-redis-1")
    node1.etcd.is_away = True
    auto.ownership.expire("node1")
    auto["node3"].failover.take_over_lost(auto.state)
    (mountpoint / "file").write_text("written alone")
    node1.etcd.is_away = False
    node1.announce()
    node1.reconciler.catch_up()
    assert node1.containers.stopped == ["app-redis-1"]
    [aside] = node1.pool.asides()
    node1.driver.create("lost", {"from": aside.reference})
    assert node1.read("lost") == "written alone"


def test_a_branch_that_lost_is_never_promoted_again(demo: MemoryCluster) -> None:
    """The loser is back, and its successor is lost before the loser has looked."""
    node1, node2, node3 = (demo[name] for name in ("node1", "node2", "node3"))
    with_both(node1)
    node1.publish()
    demo.lose("node1")
    node2.failover.promote("demo")
    node2.write("demo", "went on")
    node2.publish()
    node3.follow()
    node1.is_up = True
    node1.start()
    demo.lose("node2")
    node3.failover.promote("demo")
    assert node3.read("demo") == "went on"


def test_a_planned_move_leaves_no_conflict(demo: MemoryCluster) -> None:
    for number, name in enumerate(["node2", "node1", "node3", "node2"]):
        demo[name].write("demo", f"text {number}")
        demo.replicate()
        for machine in demo.machines.values():
            machine.reconciler.catch_up()
            machine.reconciler.tidy()
    assert [machine.pool.asides() for machine in demo.machines.values()] == [[], [], []]


@pytest.mark.parametrize("node", ["node1", "node2"])
def test_a_daemon_that_starts_again_makes_no_conflict(demo: MemoryCluster, node: str) -> None:
    demo["node1"].write("demo", "not yet replicated")
    demo[node].start()
    demo[node].reconciler.catch_up()
    demo[node].reconciler.tidy()
    assert demo[node].pool.asides() == []
    assert demo["node1"].read("demo") == "not yet replicated"


def test_a_node_that_lost_power_and_was_not_replaced_goes_on(demo: MemoryCluster) -> None:
    demo["node1"].run("demo")
    demo.lose("node1")
    demo.bring_back("node1")
    assert demo["node1"].read("demo") == "hello"
    assert demo["node1"].pool.asides() == []


def test_the_loser_is_a_replica_from_then_on(demo: MemoryCluster) -> None:
    with_writes(demo["node1"])
    demo.lose("node1")
    demo["node2"].failover.promote("demo")
    demo.bring_back("node1")
    demo["node2"].write("demo", "went on")
    demo.replicate()
    demo.lose("node2")
    demo["node1"].failover.promote("demo")
    assert demo["node1"].read("demo") == "went on"


@pytest.fixture(params=[-3600, 3600])
def powered_on(auto: MemoryCluster, request: pytest.FixtureRequest) -> MemoryCluster:
    """The power failed for all nodes, an hour ago, and the owner is not back yet.

    Or the clocks of the others begin two hours behind.
    """
    auto.ownership.ahead["node1"] = request.param
    auto["node1"].announce()
    auto.lose("node1")
    return auto


def test_an_owner_that_may_still_be_starting_keeps_its_volumes(powered_on: MemoryCluster) -> None:
    look_for_lost_owners(powered_on, uptime=BOOT_GRACE_SECONDS - 1)
    assert powered_on.volume("demo").owner == "node1"
    look_for_lost_owners(powered_on, uptime=BOOT_GRACE_SECONDS)
    assert powered_on.volume("demo").owner != "node1"


def test_a_person_need_not_wait_for_an_owner_that_may_be_starting(
    powered_on: MemoryCluster,
) -> None:
    powered_on["node2"].uptime = 1
    powered_on["node2"].failover.promote("demo")
    assert powered_on.volume("demo").owner == "node2"


def test_an_owner_that_was_heard_of_since_this_node_started_is_not_waited_for(
    auto: MemoryCluster,
) -> None:
    look_for_lost_owners(auto, uptime=1)
    auto.ownership.ahead["node1"] += 3
    auto["node1"].announce()
    auto.lose("node1")
    look_for_lost_owners(auto, uptime=BOOT_GRACE_SECONDS / 2)
    assert auto.volume("demo").owner != "node1"


def look_for_lost_owners(cluster: MemoryCluster, uptime: float) -> None:
    """On all nodes but node1, which were started so many seconds ago."""
    for name in ("node2", "node3"):
        cluster[name].uptime = uptime
        cluster[name].failover.take_over_lost(cluster.state)
