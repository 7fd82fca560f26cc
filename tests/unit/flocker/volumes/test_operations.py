"""What an operator may do, asked on the owner and on another node."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flocker.base.errors import (
    BadRequest,
    ControlPlaneAway,
    FlockerError,
    InUse,
    MoveUnderWay,
    OwnerAway,
    PoolError,
    Refused,
    StaleEpoch,
    VolumeNotFound,
)
from flocker.base.records import Event, Snapshot, Volume
from flocker.consensus.ownership import SNAPSHOTS_AT_ONCE
from flocker.node import retention
from flocker.pool.protocol import Aside
from flocker.volumes.operations import Operations
from tests.twins.moves import start_move
from tests.unit.flocker.cluster import RETENTION_SECONDS, Machine, MemoryCluster

MIB = 1 << 20
GIB = 1 << 30
ANYWHERE = pytest.mark.parametrize("node", ["node1", "node2"])


def history(cluster: MemoryCluster, name: str = "demo") -> list[tuple[str, str]]:
    events = cluster["node1"].operations.overview.history(name)["events"]
    return [(event["what"], event["why"]) for event in events]


# Status


@ANYWHERE
def test_status_shows_nodes_volumes_and_copies(demo: MemoryCluster, node: str) -> None:
    demo["node1"].run("demo")
    status = demo[node].operations.overview.status()
    json.dumps(status)
    assert (status["node"], status["is_connected"]) == (node, True)
    assert [(each["name"], each["is_alive"]) for each in status["nodes"]] == [
        ("node1", True),
        ("node2", True),
        ("node3", True),
    ]
    [volume] = status["volumes"]
    assert (volume["name"], volume["owner"], volume["mounted_on"]) == ("demo", "node1", "node1")
    assert (volume["move"], volume["problem"], volume["used_bytes"]) == (None, None, None)
    assert [
        (copy["node"], copy["number"], copy["is_current"], copy["complete_until"])
        for copy in volume["copies"]
    ] == [(each, 1, True, demo.complete_until("demo", each)) for each in ("node2", "node3")]


def test_status_tells_how_old_a_copy_is_that_fell_behind(demo: MemoryCluster) -> None:
    demo["node1"].write("demo", "more")
    demo["node1"].publish()
    demo["node2"].follow()
    copies = demo["node2"].operations.overview.status()["volumes"][0]["copies"]
    behind = next(copy for copy in copies if copy["node"] == "node3")
    assert not behind["is_current"]
    assert behind["complete_until"] == behind["taken_at"]


def test_status_tells_what_is_lost_with_the_owner(demo: MemoryCluster) -> None:
    demo["node1"].announce()
    demo.lose("node1")
    status = demo["node2"].operations.overview.status()
    lost = status["nodes"][0]
    assert (lost["is_alive"], lost["address"], lost["seen"]) == (
        False,
        None,
        demo.state.seen["node1"],
    )
    [volume] = status["volumes"]
    assert "flocker promote demo" in volume["problem"]
    until = demo.complete_until("demo", "node2")
    assert [copy["complete_until"] for copy in volume["copies"]] == [until] * 2


def test_status_shows_a_move(demo: MemoryCluster) -> None:
    start_move(demo.ownership, demo.volume("demo"), "node2")
    move = demo["node3"].operations.overview.status()["volumes"][0]["move"]
    assert (move["source"], move["target"], move["percent"]) == ("node1", "node2", None)


def test_status_is_there_without_etcd(demo: MemoryCluster) -> None:
    demo["node2"].etcd.is_away = True
    status = demo["node2"].operations.overview.status()
    assert not status["is_connected"]
    assert "etcd does not answer" in status["volumes"][0]["problem"]


# Moving and promoting


@pytest.mark.parametrize(("node", "to"), [("node2", None), ("node2", "node2"), ("node1", "node2")])
def test_a_volume_moves_before_it_is_needed(demo: MemoryCluster, node: str, to: str | None) -> None:
    answer = demo[node].operations.moves.move("demo", to)
    assert answer == {"volume": demo.volume("demo").to_json()}
    assert demo.volume("demo").owner == "node2"
    assert "asked for by the operator" in history(demo)[-1][1]
    assert demo["node2"].read("demo") == "hello"


@ANYWHERE
def test_a_volume_that_is_there_already_stays(demo: MemoryCluster, node: str) -> None:
    assert demo[node].operations.moves.move("demo", "node1")["volume"]["epoch"] == 1


def test_moves_that_cannot_be_are_refused(demo: MemoryCluster) -> None:
    operations = demo["node2"].operations
    with pytest.raises(BadRequest, match="node 'node9' is not up; nodes that are up: node1, node2"):
        operations.moves.move("demo", "node9")
    with pytest.raises(VolumeNotFound):
        operations.moves.move("nowhere", None)
    demo["node1"].run("demo", "app-redis-1")
    with pytest.raises(InUse, match="container 'app-redis-1' on node1"):
        operations.moves.move("demo", None)
    demo.lose("node3")
    with pytest.raises(BadRequest, match="node 'node3' is not up"):
        operations.moves.move("demo", "node3")
    demo["node1"].is_up = False
    with pytest.raises(OwnerAway, match="bring node1 back"):
        operations.moves.move("demo", None)
    assert demo.volume("demo").epoch == 1


def test_promoting_says_what_may_be_lost(demo: MemoryCluster) -> None:
    demo["node1"].announce()
    demo.lose("node1")
    answer = demo["node2"].operations.moves.promote("demo")
    assert answer["volume"] == demo.volume("demo").to_json()
    assert answer["lost_after"] == demo.complete_until("demo", "node2")


# Snapshots


@ANYWHERE
def test_a_snapshot_is_kept_with_its_label(demo: MemoryCluster, node: str) -> None:
    demo["node1"].write("demo", "good")
    answer = demo[node].operations.snapshots.snapshot(["demo"], "before the upgrade")
    [taken] = answer["snapshots"]
    assert (taken["volume"], taken["number"]) == ("demo", 2)
    assert taken["label"] == "before the upgrade"
    demo.replicate()
    for machine in demo.machines.values():
        [shown] = machine.operations.snapshots.snapshots("demo")["snapshots"]
        assert shown == {**taken, "nodes": ["node1", "node2", "node3"]}
    assert history(demo)[-1] == ("snapshot", "as demo@2: before the upgrade")


def test_a_snapshot_is_shown_where_it_is(demo: MemoryCluster) -> None:
    demo["node1"].write("demo", "good")
    demo["node1"].operations.snapshots.snapshot(["demo"], "")
    demo["node3"].follow()
    assert demo["node2"].operations.snapshots.snapshots(None)["snapshots"][0]["nodes"] == [
        "node1",
        "node3",
    ]


def test_a_snapshot_is_replicated_though_the_next_one_is_taken_before_it_is_known(
    demo: MemoryCluster,
) -> None:
    node1 = demo["node1"]

    def write_and_replicate() -> None:
        node1.write("demo", "later")
        demo.replicate()

    node1.write("demo", "kept")
    node1.etcd.before["keep_snapshots"] = write_and_replicate
    node1.operations.snapshots.snapshot(["demo"], "kept")
    demo.replicate()
    demo.lose("node1")
    demo["node2"].operations.moves.promote("demo")
    assert demo["node2"].read("demo") == "later"
    demo["node2"].operations.snapshots.restore("demo@2")
    assert demo["node2"].read("demo") == "kept"


def test_a_volume_without_replicas_can_be_frozen(cluster: MemoryCluster) -> None:
    cluster["node1"].driver.create("demo", {"replicas": "0"})
    [taken] = cluster["node1"].operations.snapshots.snapshot(["demo"], "")["snapshots"]
    assert (taken["number"], taken["nodes"]) == (1, ["node1"])
    assert cluster.state.copies == {}


@ANYWHERE
def test_several_volumes_are_frozen_while_nothing_writes(
    demo: MemoryCluster, node: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = demo["node1"]
    node1.driver.create("other", {})
    take, paused = node1.pool.take_snapshot, []

    def watched(claim: Any, **asked: bool) -> Snapshot:
        paused.append(list(node1.containers.frozen))
        return take(claim, **asked)

    monkeypatch.setattr(node1.pool, "take_snapshot", watched)
    taken = demo[node].operations.snapshots.snapshot(["other", "demo", "other"], "")["snapshots"]
    assert [each["volume"] for each in taken] == ["other", "demo"]
    assert all({*names} == {"demo", "other"} for names in paused[:2])
    assert node1.containers.frozen == []


def test_one_volume_pauses_nobody(demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    node1 = demo["node1"]
    take, paused = node1.pool.take_snapshot, []

    def watched(claim: Any, **asked: bool) -> Snapshot:
        paused.extend(node1.containers.frozen)
        return take(claim, **asked)

    monkeypatch.setattr(node1.pool, "take_snapshot", watched)
    node1.operations.snapshots.snapshot(["demo"], "")
    assert paused == []


def test_volumes_of_two_nodes_have_no_instant_in_common(demo: MemoryCluster) -> None:
    demo["node2"].driver.create("other", {})
    with pytest.raises(Refused, match="at one instant: 'demo' on node1, 'other' on node2"):
        demo["node3"].operations.snapshots.snapshot(["demo", "other"], "")
    assert demo.state.snapshots == {}


def test_a_group_with_an_unknown_volume_is_not_frozen_in_part(demo: MemoryCluster) -> None:
    with pytest.raises(VolumeNotFound):
        demo["node1"].operations.snapshots.snapshot(["demo", "nowhere"], "")
    assert demo.state.snapshots == {}
    with pytest.raises(VolumeNotFound):
        demo["node1"].operations.snapshots.snapshots("nowhere")


def test_of_a_group_no_snapshot_is_kept_when_one_cannot_be(demo: MemoryCluster) -> None:
    node1 = demo["node1"]
    node1.driver.create("other", {})

    def lose_the_other() -> None:
        other = demo.volume("other")
        demo.ownership.remove(other, other.event("node1", "removed"))

    node1.etcd.before["keep_snapshots"] = lose_the_other
    with pytest.raises(StaleEpoch, match="'other' has changed"):
        node1.operations.snapshots.snapshot(["demo", "other"], "")
    assert demo.state.snapshots == {}


def test_a_group_that_cannot_be_kept_at_once_is_not_frozen(demo: MemoryCluster) -> None:
    node1 = demo["node1"]
    names = [f"part{number}" for number in range(SNAPSHOTS_AT_ONCE + 1)]
    for name in names:
        node1.driver.create(name, {"replicas": "0"})
    with pytest.raises(Refused, match="at most 42 volumes can be frozen at one instant"):
        node1.operations.snapshots.snapshot(names, "")
    assert demo.state.snapshots == {}
    assert len(node1.operations.snapshots.snapshot(names[1:], "")["snapshots"]) == 42


def test_a_snapshot_nobody_could_be_told_of_is_taken_again(demo: MemoryCluster) -> None:
    node1 = demo["node1"]
    node1.etcd.away_for = {"keep_snapshots"}
    with pytest.raises(ControlPlaneAway):
        node1.operations.snapshots.snapshot(["demo"], "")
    assert demo.state.snapshots == {}
    node1.etcd.away_for = set()
    assert len(node1.operations.snapshots.snapshot(["demo"], "")["snapshots"]) == 1


def test_a_snapshot_that_replicas_hear_of_later_is_taken_all_the_same(
    demo: MemoryCluster,
) -> None:
    node1 = demo["node1"]
    node1.etcd.away_for = {"publish"}
    [taken] = node1.operations.snapshots.snapshot(["demo"], "good")["snapshots"]
    node1.etcd.away_for = set()
    demo.replicate()
    [listed] = node1.operations.snapshots.snapshots("demo")["snapshots"]
    assert (listed["number"], listed["nodes"]) == (taken["number"], ["node1", "node2", "node3"])


@ANYWHERE
def test_a_snapshot_that_is_pruned_takes_no_room_any_more(demo: MemoryCluster, node: str) -> None:
    demo["node1"].operations.snapshots.snapshot(["demo"], "good")
    for text in ("two", "three", "four"):
        demo["node1"].write("demo", text)
        demo.replicate()
    volume_id = demo.volume("demo").id

    def held(machine: Machine) -> list[int]:
        return [snapshot.number for snapshot in machine.pool.snapshots(volume_id)]

    assert 1 in held(demo["node1"])
    assert demo[node].operations.snapshots.prune("demo@1") == {"reference": "demo@1"}
    assert 1 not in held(demo["node1"])
    assert demo["node2"].operations.snapshots.snapshots("demo")["snapshots"] == []
    assert history(demo)[-1] == ("pruned", "demo@1")
    demo["node1"].write("demo", "five")
    demo.replicate()
    assert 1 not in held(demo["node2"])


def test_a_former_owner_keeps_nothing_that_its_successor_prunes(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "KNOWN_SECONDS", 0)
    demo["node1"].operations.snapshots.snapshot(["demo"], "good")
    for text in ("two", "three", "four", "five"):
        demo["node2"].write("demo", text)
        demo.replicate()
    volume_id = demo.volume("demo").id
    assert 1 in [each.number for each in demo["node1"].pool.snapshots(volume_id)]
    demo["node2"].operations.snapshots.prune("demo@1")
    demo["node2"].write("demo", "six")
    demo.replicate()
    assert 1 not in [each.number for each in demo["node1"].pool.snapshots(volume_id)]


def test_what_was_made_from_a_pruned_snapshot_stays(demo: MemoryCluster) -> None:
    operations = demo["node1"].operations
    operations.snapshots.snapshot(["demo"], "good")
    operations.changes.clone("demo@1", "staging")
    operations.snapshots.prune("demo@1")
    assert demo["node2"].read("staging") == "hello"


@ANYWHERE
@pytest.mark.parametrize(
    ("reference", "refusal"),
    [
        ("demo", "'demo' names no snapshot: say `flocker prune demo@3`"),
        ("demo@9", "nobody took a snapshot 9 of volume 'demo'; `flocker snapshots demo` lists"),
        ("nowhere@1", "no volume 'nowhere'"),
    ],
)
def test_what_nobody_keeps_is_not_pruned(
    demo: MemoryCluster, node: str, reference: str, refusal: str
) -> None:
    demo["node1"].operations.snapshots.snapshot(["demo"], "good")
    with pytest.raises(FlockerError, match=refusal):
        demo[node].operations.snapshots.prune(reference)
    assert len(demo["node1"].operations.snapshots.snapshots("demo")["snapshots"]) == 1


def test_without_etcd_nothing_is_pruned(demo: MemoryCluster) -> None:
    node1 = demo["node1"]
    node1.operations.snapshots.snapshot(["demo"], "good")
    for text in ("two", "three", "four"):
        node1.write("demo", text)
        demo.replicate()
    node1.etcd.away_for = {"drop_snapshot"}
    with pytest.raises(ControlPlaneAway):
        node1.operations.snapshots.prune("demo@1")
    assert 1 in [each.number for each in node1.pool.snapshots(demo.volume("demo").id)]


# Restoring


@pytest.fixture
def upgraded(demo: MemoryCluster) -> MemoryCluster:
    """demo@1, labelled "good", says "hello"; the volume says "broken" now."""
    demo["node1"].operations.snapshots.snapshot(["demo"], "good")
    demo["node1"].write("demo", "broken")
    return demo


@ANYWHERE
def test_a_volume_becomes_what_it_was_and_what_it_is_now_is_kept(
    upgraded: MemoryCluster, node: str
) -> None:
    answer = upgraded[node].operations.snapshots.restore("demo@1")
    assert answer["kept_as"] == "demo@2"
    assert answer["volume"] == upgraded.volume("demo").to_json()
    assert upgraded["node1"].read("demo") == "hello"
    assert history(upgraded)[-1] == ("restored", "to demo@1; its former state is demo@2")
    upgraded[node].operations.snapshots.restore("demo@2")
    assert upgraded["node1"].read("demo") == "broken"


def test_a_restored_volume_is_replicated(upgraded: MemoryCluster) -> None:
    upgraded["node1"].operations.snapshots.restore("demo@1")
    upgraded.replicate()
    upgraded.lose("node1")
    upgraded["node2"].failover.promote("demo")
    assert upgraded["node2"].read("demo") == "hello"


def test_a_restore_does_not_relabel_what_was_named_before(upgraded: MemoryCluster) -> None:
    operations = upgraded["node1"].operations
    operations.snapshots.snapshot(["demo"], "the broken one")
    assert operations.snapshots.restore("demo@1")["kept_as"] == "demo@2"
    labels = [each["label"] for each in operations.snapshots.snapshots("demo")["snapshots"]]
    assert labels == ["good", "the broken one"]


@ANYWHERE
@pytest.mark.parametrize(
    ("reference", "refusal"),
    [
        ("demo", "'demo' names no snapshot: say `flocker restore demo@3`"),
        ("demo@node1-20260101T000000Z", "names no snapshot"),
        ("demo@", "is not a state of a volume"),
        ("demo@9", "node1 has no snapshot 9 of volume 'demo'; `flocker snapshots demo` lists"),
        ("nowhere@1", "no volume 'nowhere'"),
    ],
)
def test_what_is_no_earlier_state_is_refused(
    upgraded: MemoryCluster, node: str, reference: str, refusal: str
) -> None:
    with pytest.raises(FlockerError, match=refusal):
        upgraded[node].operations.snapshots.restore(reference)
    assert upgraded["node1"].read("demo") == "broken"
    assert len(upgraded.state.snapshots[upgraded.volume("demo").id]) == 1


def test_a_used_volume_is_not_restored(upgraded: MemoryCluster) -> None:
    upgraded["node1"].run("demo", "app-redis-1")
    with pytest.raises(InUse, match="container 'app-redis-1'"):
        upgraded["node2"].operations.snapshots.restore("demo@1")


def test_a_volume_on_its_way_is_not_restored(upgraded: MemoryCluster) -> None:
    """What is fetched is already taken: the restored content would be left behind."""
    move = start_move(upgraded.ownership, upgraded.volume("demo"), "node2")
    upgraded["node1"].departures.release("demo", 1, move.token)
    with pytest.raises(MoveUnderWay):
        upgraded["node1"].operations.snapshots.restore("demo@1")


def test_a_restore_that_fails_keeps_what_there_is(
    upgraded: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise PoolError("the disk is full")

    node1 = upgraded["node1"]
    with monkeypatch.context() as patch:
        patch.setattr(node1.pool, "restore", broken)
        with pytest.raises(PoolError):
            node1.operations.snapshots.restore("demo@1")
    assert node1.read("demo") == "broken"
    node1.etcd.away_for = {"keep_snapshots"}
    node1.write("demo", "broken again")
    with pytest.raises(ControlPlaneAway):
        node1.operations.snapshots.restore("demo@1")
    node1.etcd.away_for = set()
    assert node1.read("demo") == "broken again"


def test_a_restore_that_cannot_be_told_of_is_done(upgraded: MemoryCluster) -> None:
    node1 = upgraded["node1"]
    node1.etcd.away_for = {"record"}
    assert node1.operations.snapshots.restore("demo@1")["kept_as"] == "demo@2"
    node1.etcd.away_for = set()
    assert node1.read("demo") == "hello"


# Cloning


@ANYWHERE
def test_a_clone_is_a_volume_of_its_own(upgraded: MemoryCluster, node: str) -> None:
    answer = upgraded[node].operations.changes.clone("demo@1", "copy")
    assert answer["volume"] == upgraded.volume("copy").to_json()
    assert answer["volume"]["made_from"] == "demo@1"
    upgraded["node1"].write("copy", "changed")
    assert upgraded["node1"].read("demo") == "broken"


def test_a_clone_takes_nobodys_name(upgraded: MemoryCluster) -> None:
    for operations in (upgraded["node1"].operations, upgraded["node2"].operations):
        with pytest.raises(Refused, match="there is a volume 'demo' already"):
            operations.changes.clone("demo@1", "demo")
    with pytest.raises(BadRequest, match="cannot be a volume's name"):
        upgraded["node1"].operations.changes.clone("demo@1", "../demo")


# Removed volumes


@ANYWHERE
def test_a_removed_volume_is_in_the_trash_and_can_be_had_back(
    demo: MemoryCluster, node: str
) -> None:
    demo["node1"].operations.snapshots.snapshot(["demo"], "good")
    before = demo.volume("demo")
    demo["node1"].driver.remove("demo")
    [removed] = demo[node].operations.recovery.trash()["removed"]
    assert (removed["name"], removed["owner"]) == ("demo", "node1")
    kept = datetime.fromisoformat(removed["until"]) - datetime.fromisoformat(removed["removed_at"])
    assert kept.total_seconds() == pytest.approx(RETENTION_SECONDS, abs=1)
    answer = demo[node].operations.recovery.undelete("demo")
    volume = demo.volume("demo")
    assert answer == {"volume": volume.to_json()}
    assert (volume.id, volume.owner, volume.epoch) == (before.id, "node1", 2)
    assert demo["node1"].read("demo") == "hello"
    assert len(demo[node].operations.snapshots.snapshots("demo")["snapshots"]) == 1
    assert [what for what, _ in history(demo)][-2:] == ["removed", "undeleted"]
    assert demo["node1"].operations.recovery.trash()["removed"] == []


def test_of_several_of_one_name_the_last_comes_back(cluster: MemoryCluster) -> None:
    node1 = cluster["node1"]
    for text in ("first", "second"):
        node1.driver.create("demo", {})
        node1.write("demo", text)
        volume = cluster.volume("demo")
        node1.driver.remove("demo")
        cluster.ownership.purge(cluster.state.removed[volume.id])
        at = (datetime.now(UTC) + timedelta(seconds=len(text))).isoformat()
        _put_removed(cluster, volume, at)
    node1.operations.recovery.undelete("demo")
    assert node1.read("demo") == "second"


def _put_removed(cluster: MemoryCluster, volume: Volume, at: str) -> None:
    """As if it had been removed at that time."""
    cluster.ownership.create(volume, Event(volume.id, volume.name, at, "node1", "created"))
    cluster.ownership.remove(volume, Event(volume.id, volume.name, at, "node1", "removed"))


@ANYWHERE
def test_a_name_that_is_taken_is_not_taken_back(demo: MemoryCluster, node: str) -> None:
    demo["node1"].driver.remove("demo")
    demo["node1"].driver.create("demo", {})
    with pytest.raises(Refused, match="there is a volume 'demo' again; remove that one first"):
        demo[node].operations.recovery.undelete("demo")


def test_a_name_that_is_taken_meanwhile_leaves_the_removed_one_in_the_trash(
    demo: MemoryCluster,
) -> None:
    node1 = demo["node1"]
    node1.driver.remove("demo")
    node1.etcd.before["undelete"] = lambda: demo["node2"].driver.create("demo", {})
    with pytest.raises(Refused, match="there is a volume 'demo' already"):
        node1.operations.recovery.undelete("demo")
    assert [aside.why for aside in node1.pool.asides()] == ["removed"]
    demo["node2"].driver.remove("demo")
    removed = [each for each in demo.state.removed.values() if each.volume.owner == "node2"]
    demo.ownership.purge(removed[0])
    node1.operations.recovery.undelete("demo")
    assert node1.read("demo") == "hello"


def test_what_a_backup_of_etcd_gives_back_meanwhile_is_not_put_aside(demo: MemoryCluster) -> None:
    """The name was taken, so its data is to go into the trash again."""
    node1, volume = demo["node1"], demo.volume("demo")
    backup = demo.ownership.etcd.backup()
    node1.driver.remove("demo")

    def name_is_taken() -> None:
        demo["node2"].driver.create("demo", {})
        node1.etcd.after["volume"] = lambda: demo.go_back(backup)

    node1.etcd.before["undelete"] = name_is_taken
    with pytest.raises(PoolError, match="volume 'demo' is there again"):
        node1.operations.recovery.undelete("demo")
    assert demo.volume("demo") == volume
    assert node1.pool.has_writable(volume.id)


@pytest.mark.parametrize("call", ["removed", "undelete"])
def test_what_is_purged_meanwhile_does_not_come_back(demo: MemoryCluster, call: str) -> None:
    """Before its data is taken from the trash, and after its epoch was raised."""
    node1, volume = demo["node1"], demo.volume("demo")
    node1.driver.remove("demo")
    removed = demo.state.removed[volume.id]
    node1.etcd.before[call] = lambda: demo.ownership.purge(removed)
    with pytest.raises(Refused):
        node1.operations.recovery.undelete("demo")
    assert "demo" not in demo.state.volumes
    assert node1.pool.volume_ids() == []
    assert [aside.why for aside in node1.pool.asides()] == ["removed"]


def test_tidying_does_not_take_away_what_is_just_coming_back(demo: MemoryCluster) -> None:
    node1 = demo["node1"]
    node1.driver.remove("demo")
    tidying = threading.Thread(target=node1.reconciler.tidy)

    def tidy_meanwhile() -> None:
        tidying.start()
        tidying.join(0.5)

    node1.etcd.before["undelete"] = tidy_meanwhile
    node1.operations.recovery.undelete("demo")
    tidying.join()
    assert node1.read("demo") == "hello"


def test_what_cannot_be_had_back_is_refused(demo: MemoryCluster) -> None:
    operations = demo["node2"].operations
    with pytest.raises(Refused, match="no removed volume 'demo' is kept; `flocker trash` lists"):
        operations.recovery.undelete("demo")
    demo["node1"].driver.remove("demo")
    demo["node1"].is_up = False
    with pytest.raises(OwnerAway, match="node1"):
        operations.recovery.undelete("demo")
    demo["node1"].is_up = True
    pool = demo["node1"].pool
    pool.purge_aside(pool.asides()[0].reference)
    with pytest.raises(Refused, match="the data of volume 'demo' is not on node1 any more"):
        operations.recovery.undelete("demo")


@pytest.mark.parametrize("loss", ["away_for", "unheard"])
def test_an_undelete_that_was_not_answered_can_be_repeated(demo: MemoryCluster, loss: str) -> None:
    node1 = demo["node1"]
    node1.driver.remove("demo")
    setattr(node1.etcd, loss, {"undelete"})
    with pytest.raises(ControlPlaneAway):
        node1.operations.recovery.undelete("demo")
    setattr(node1.etcd, loss, set())
    if loss == "away_for":
        node1.operations.recovery.undelete("demo")
    assert node1.read("demo") == "hello"


@pytest.mark.parametrize("listing", ["conflicts", "trash"])
def test_the_other_nodes_are_asked_for_what_they_keep_side_by_side(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch, listing: str
) -> None:
    both_asked = threading.Barrier(2, timeout=10)

    def asides() -> list[Aside]:
        both_asked.wait()
        return []

    for name in ("node2", "node3"):
        monkeypatch.setattr(cluster[name].pool, "asides", asides)
    assert getattr(cluster["node1"].operations.recovery, listing)()["silent"] == []


def test_trash_and_conflicts_of_all_nodes_are_listed_and_who_is_silent(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo["node1"].driver.create("gone", {})
    removed = demo.volume("gone").id
    demo["node1"].driver.remove("gone")

    def aside(node: str, why: str, minute: int, volume_id: str = removed) -> Aside:
        at = f"2026-01-01T00:{minute:02}:00+00:00"
        return Aside(f"demo@{node}-{why}", volume_id, "demo", why, at)

    put_aside = {
        "node1": [aside("node1", "conflict", 3), aside("node1", "removed", 1)],
        "node2": [
            aside("node2", "restored", 2),
            aside("node2", "conflict", 1),
            aside("node2", "removed", 4, "of a volume that is not removed"),
        ],
    }
    for name, asides in put_aside.items():
        monkeypatch.setattr(demo[name].pool, "asides", lambda asides=asides: asides)
    demo.lose("node3")
    for name in put_aside:
        conflicts = demo[name].operations.recovery.conflicts()
        assert conflicts["silent"] == ["node3"]
        assert [(each["node"], each["reference"]) for each in conflicts["asides"]] == [
            ("node2", "demo@node2-conflict"),
            ("node1", "demo@node1-conflict"),
        ]
        trash = demo[name].operations.recovery.trash()
        assert trash["silent"] == ["node3"]
        whys = [each["why"] for each in trash["asides"]]
        assert whys == ["conflict", "restored", "conflict", "removed"]
        assert [each["name"] for each in trash["removed"]] == ["gone"]


# Sizes


@ANYWHERE
@pytest.mark.parametrize("size_bytes", [GIB, None])
def test_a_size_changes_while_the_volume_is_used(
    demo: MemoryCluster, node: str, size_bytes: int | None
) -> None:
    demo["node1"].run("demo")
    demo[node].operations.changes.resize("demo", 64 * MIB)
    answer = demo[node].operations.changes.resize("demo", size_bytes)
    assert answer == {"volume": demo.volume("demo").to_json()}
    assert demo.volume("demo").size_bytes == size_bytes
    shown = "1GiB" if size_bytes else "no limit"
    assert history(demo)[-2:] == [
        ("resized", "from no limit to 64MiB"),
        ("resized", f"from 64MiB to {shown}"),
    ]


@ANYWHERE
def test_a_size_that_is_too_small_changes_nothing(demo: MemoryCluster, node: str) -> None:
    mountpoint = demo["node1"].run("demo")
    (mountpoint / "big").write_bytes(bytes(17 * MIB))
    with pytest.raises(Refused):
        demo[node].operations.changes.resize("demo", 16 * MIB)
    assert demo.volume("demo").size_bytes is None
    with pytest.raises(VolumeNotFound):
        demo[node].operations.changes.resize("nowhere", GIB)


def test_a_limit_goes_back_when_it_cannot_be_recorded(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = demo["node1"]
    limits: list[int | None] = []
    monkeypatch.setattr(node1.pool, "set_size", lambda _, size_bytes: limits.append(size_bytes))
    node1.operations.changes.resize("demo", 64 * MIB)
    node1.etcd.away_for = {"change"}
    with pytest.raises(ControlPlaneAway):
        node1.operations.changes.resize("demo", GIB)
    assert limits == [64 * MIB, GIB, 64 * MIB]
    assert demo.volume("demo").size_bytes == 64 * MIB


def test_a_size_whose_change_was_not_answered_can_be_given_again(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = demo["node1"]
    limits: list[int | None] = []
    monkeypatch.setattr(node1.pool, "set_size", lambda _, size_bytes: limits.append(size_bytes))
    node1.etcd.unheard = {"change"}
    with pytest.raises(ControlPlaneAway):
        node1.operations.changes.resize("demo", GIB)
    node1.etcd.unheard = set()
    node1.operations.changes.resize("demo", GIB)
    assert demo.volume("demo").size_bytes == limits[-1] == GIB


def test_a_move_that_is_under_way_keeps_the_size_it_began_with_from_being_lost(
    demo: MemoryCluster,
) -> None:
    """The record changes under the move, so the move has to be made again, with the new size."""
    node2 = demo["node2"]
    node2.etcd.before["finish_move"] = lambda: demo["node1"].operations.changes.resize("demo", GIB)
    with pytest.raises(Refused, match="expired"):
        node2.operations.moves.move("demo", None)
    node2.operations.moves.move("demo", None)
    assert (demo.volume("demo").owner, demo.volume("demo").size_bytes) == ("node2", GIB)


# History


def test_history_tells_of_one_volume_or_all_also_of_removed_ones(demo: MemoryCluster) -> None:
    demo["node1"].driver.create("other", {})
    demo["node2"].read("demo")
    demo["node3"].driver.remove("demo")
    operations = demo["node1"].operations
    assert [what for what, _ in history(demo)] == ["created", "moved", "removed"]
    assert [event["volume"] for event in operations.overview.history("other")["events"]] == [
        "other"
    ]
    everything = operations.overview.history(None)["events"]
    assert len(everything) == 4
    assert [event["at"] for event in everything] == sorted(event["at"] for event in everything)
    json.dumps(everything)
    with pytest.raises(VolumeNotFound):
        operations.overview.history("nowhere")


def test_history_of_a_name_tells_of_its_former_bearer_first(demo: MemoryCluster) -> None:
    demo["node1"].driver.remove("demo")
    demo["node1"].driver.create("demo", {})
    assert [what for what, _ in history(demo)] == ["created", "removed", "created"]


# Without etcd


Ask = Callable[[Operations], object]


@pytest.mark.parametrize(
    "ask",
    [
        lambda it: it.moves.move("demo", "node2"),
        lambda it: it.moves.move("demo", None),
        lambda it: it.moves.promote("demo"),
        lambda it: it.recovery.trash(),
        lambda it: it.snapshots.snapshot(["demo"], ""),
        lambda it: it.snapshots.snapshots(None),
        lambda it: it.snapshots.snapshots("never-heard-of"),
        lambda it: it.snapshots.restore("demo@1"),
        lambda it: it.changes.clone("demo@1", "copy"),
        lambda it: it.recovery.undelete("demo"),
        lambda it: it.changes.resize("demo", GIB),
        lambda it: it.overview.history("never-heard-of"),
    ],
)
def test_without_etcd_nothing_is_done_and_nothing_denied(upgraded: MemoryCluster, ask: Ask) -> None:
    before = upgraded.state
    upgraded["node1"].etcd.is_away = True
    with pytest.raises(ControlPlaneAway):
        ask(upgraded["node1"].operations)
    assert upgraded.state == before
    upgraded["node1"].etcd.is_away = False
    assert upgraded["node1"].read("demo") == "broken"
