"""What a node does with its copies for others, and when the cluster has changed without it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from flocker.base.belief import Belief
from flocker.base.errors import (
    ControlPlaneAway,
    EngineAway,
    InUse,
    PoolError,
    Refused,
    StaleEpoch,
    StillWanted,
    VolumeNotFound,
)
from flocker.base.records import Event, Snapshot, Volume, now
from flocker.care.agreed_sizes import AgreedSizes
from flocker.consensus import mirror
from flocker.engine.client import EngineUse
from flocker.engine.volume_use import START_SECONDS
from tests.twins.moves import start_move
from tests.unit.flocker.cluster import RETENTION_SECONDS, Machine, MemoryCluster

GIB = 1 << 30
UNKNOWN = "5f0c9b8e-0000-4000-8000-000000000000"


@pytest.fixture
def deaf(demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
    """Old owners are not told of moves."""
    for machine in demo.machines.values():
        monkeypatch.setattr(machine.peers, "put_away", lambda *_: None)
    return demo


# Being asked by a peer


def test_a_use_that_is_counted_refuses_a_peer(demo: MemoryCluster) -> None:
    node1 = demo["node1"]
    node1.driver.mount("demo", "container")
    move = demo.ownership.state().moves
    for ask in (
        lambda: node1.departures.check_unused("demo"),
        lambda: node1.departures.release("demo", 1, "token"),
    ):
        with pytest.raises(InUse, match="volume 'demo' is in use on node1"):
            ask()
    assert demo.state.moves == move


def test_a_use_that_only_the_kernel_knows_of_refuses_a_peer(demo: MemoryCluster) -> None:
    """The daemon lost its counts, or died before it had counted."""
    node1 = demo["node1"]
    node1.containers.mounts.add(demo.volume("demo").id)
    with pytest.raises(InUse):
        node1.departures.check_unused("demo")
    with pytest.raises(InUse):
        demo["node2"].driver.mount("demo", "container")
    node1.containers.mounts.clear()
    assert demo["node2"].read("demo") == "hello"


def test_what_a_dead_engine_left_counted_does_not_refuse_a_peer(demo: MemoryCluster) -> None:
    node1 = demo["node1"]
    node1.run("demo")
    node1.containers.mounts.clear()  # killed, and its containers with it
    with pytest.raises(InUse):
        demo["node2"].driver.mount("demo", "container")
    node1.driver.engine_started()
    assert demo["node2"].read("demo") == "hello"


def test_a_container_that_outlived_its_engine_refuses_a_peer(demo: MemoryCluster) -> None:
    """With live-restore the engine asks for nothing when it is back, and unmounts in the end."""
    node1 = demo["node1"]
    node1.run("demo")
    node1.driver.engine_started()
    with pytest.raises(InUse):
        demo["node2"].driver.mount("demo", "container")
    node1.stop("demo")
    assert demo["node2"].read("demo") == "hello"


def test_a_mount_whose_daemon_died_as_it_answered_refuses_a_peer(demo: MemoryCluster) -> None:
    """Its container is being started: the engine has the answer, the kernel shows nothing yet."""
    node1, node2 = demo["node1"], demo["node2"]
    node1.containers.other_use = EngineUse.BUSY
    node1.driver.mount("demo", "container")
    node1.start()
    node1.reconciler.catch_up()
    with pytest.raises(InUse, match=r"it was mounted there at .*try again when that is done"):
        node2.driver.mount("demo", "another")
    assert list(demo.state.mounts.values()) == ["node1"]
    node1.containers.other_use = EngineUse.STOPPED  # it never started, or has stopped by now
    node1.clock += START_SECONDS
    node2.driver.mount("demo", "another")
    assert demo.volume("demo").owner == "node2"


@pytest.mark.parametrize("call", ["remove", "move"])
def test_a_mount_whose_daemon_died_as_it_answered_is_in_the_way_of_operators(
    demo: MemoryCluster, call: str
) -> None:
    node1 = demo["node1"]
    node1.containers.other_use = EngineUse.BUSY
    node1.driver.mount("demo", "container")
    node1.start()
    node1.reconciler.catch_up()
    with pytest.raises(InUse, match="it was mounted there at"):
        if call == "remove":
            demo["node2"].driver.remove("demo")
        else:
            node1.operations.moves.move("demo", "node2")
    assert demo.volume("demo").owner == "node1"


def test_an_unmount_whose_daemon_died_as_it_answered_has_ended_the_use(demo: MemoryCluster) -> None:
    node1 = demo["node1"]
    node1.driver.mount("demo", "container")
    node1.etcd.is_away = True  # or it would clear the record of the mount too
    node1.driver.unmount("demo", "container")
    node1.start()
    node1.etcd.is_away = False
    node1.announce()
    node1.reconciler.catch_up()
    node1.reconciler.tidy()
    assert demo.state.mounts == {}
    demo["node2"].driver.mount("demo", "another")


def test_a_recorded_mount_that_nothing_holds_is_cleared_for_a_peer(demo: MemoryCluster) -> None:
    demo.ownership.mount(demo.volume("demo"))
    demo["node1"].departures.check_unused("demo")
    assert demo.state.mounts == {}


def test_a_node_that_is_not_the_owner_clears_nobody_elses_mount(demo: MemoryCluster) -> None:
    demo["node1"].run("demo")
    demo["node2"].departures.check_unused("demo")
    assert list(demo.state.mounts.values()) == ["node1"]


def test_release_takes_the_last_snapshot(demo: MemoryCluster) -> None:
    node1 = demo["node1"]
    node1.write("demo", "last")
    move = start_move(demo.ownership, demo.volume("demo"), "node2")
    last = node1.departures.release("demo", 1, move.token)
    assert node1.pool.snapshots(demo.volume("demo").id)[-1] == last
    assert node1.departures.release("demo", 1, move.token) == last


def test_release_needs_that_move_under_way(demo: MemoryCluster) -> None:
    with pytest.raises(StaleEpoch, match="expired"):
        demo["node1"].departures.release("demo", 1, "no such move")
    move = start_move(demo.ownership, demo.volume("demo"), "node2")
    with pytest.raises(StaleEpoch, match="expired"):
        demo["node1"].departures.release("demo", 1, "an earlier one")
    with pytest.raises(StaleEpoch, match="not owned by node1 at epoch 2"):
        demo["node1"].departures.release("demo", 2, move.token)
    with pytest.raises(StaleEpoch, match="not owned by node2"):
        demo["node2"].departures.release("demo", 1, move.token)


def test_what_nobody_knows_is_refused_by_name(cluster: MemoryCluster) -> None:
    departures = cluster["node1"].departures
    for ask in (
        lambda: departures.check_unused("nowhere"),
        lambda: departures.release("nowhere", 1, "token"),
        lambda: departures.put_away("nowhere"),
    ):
        with pytest.raises(VolumeNotFound, match="no volume 'nowhere'"):
            ask()


def test_without_etcd_a_peer_is_told_nothing_wrong(demo: MemoryCluster) -> None:
    node1 = demo["node1"]
    node1.etcd.is_away = True
    for ask in (
        lambda: node1.departures.check_unused("demo"),
        lambda: node1.departures.release("demo", 1, "token"),
        lambda: node1.departures.put_away("demo"),
        lambda: node1.removed_copies.discard(demo.volume("demo").id),
        node1.reconciler.catch_up,
    ):
        with pytest.raises(ControlPlaneAway):
            ask()
    node1.etcd.is_away = False
    assert node1.read("demo") == "hello"


def test_a_node_that_owns_a_volume_does_not_put_it_away(demo: MemoryCluster) -> None:
    demo["node1"].departures.put_away("demo")
    assert demo["node1"].read("demo") == "hello"


def test_a_volume_removed_while_it_is_put_away_leaves_nothing(deaf: MemoryCluster) -> None:
    """The old owner is told of the move, and then of the removal, which is quicker."""
    node1 = deaf["node1"]
    deaf["node2"].write("demo", "newer")
    node1.etcd.after["volume"] = lambda: deaf["node2"].driver.remove("demo")
    node1.departures.put_away("demo")
    assert node1.pool.volume_ids() == []
    assert [aside.why for aside in node1.pool.asides()] == ["removed"]


def test_a_removal_waits_for_a_copy_that_is_being_put_away(
    deaf: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = deaf["node1"]
    deaf["node2"].write("demo", "newer")
    volume = deaf.volume("demo")
    forgetting = threading.Thread(target=node1.removed_copies.discard, args=(volume.id,))
    put_away = node1.pool.put_away

    def while_it_is_removed(
        record: Volume, node: str, confirm: Callable[[], None], kept: list[Snapshot]
    ) -> object:
        deaf.ownership.remove(volume, replace(deaf.ownership.history(volume.id)[0], what="removed"))
        forgetting.start()
        forgetting.join(0.2)  # it waits, or is done by then
        return put_away(record, node, confirm, kept)

    monkeypatch.setattr(node1.pool, "put_away", while_it_is_removed)
    node1.departures.put_away("demo")
    forgetting.join()
    assert node1.pool.volume_ids() == []


# Removed volumes


def test_a_copy_of_a_volume_that_exists_is_never_forgotten(demo: MemoryCluster) -> None:
    for machine in demo.machines.values():
        with pytest.raises(Refused, match="has not been removed"):
            machine.removed_copies.discard(demo.volume("demo").id)
    assert demo["node1"].read("demo") == "hello"


def test_a_removed_volume_is_put_aside_under_its_name(demo: MemoryCluster) -> None:
    demo["node1"].driver.remove("demo")
    for machine in demo.machines.values():
        [aside] = machine.pool.asides()
        assert (aside.why, aside.volume) == ("removed", "demo")
        assert aside.reference.startswith(f"demo@{machine.name}-")


def test_only_a_purge_puts_aside_what_is_not_recorded_as_removed(demo: MemoryCluster) -> None:
    demo["node3"].is_up = False
    volume = demo.volume("demo")
    demo["node1"].driver.remove("demo")
    removed = demo.state.removed[volume.id]
    demo.ownership.purge(removed)
    node3 = demo["node3"]
    with pytest.raises(Refused, match=f"volume {volume.id} is not recorded as removed"):
        node3.removed_copies.discard(volume.id)
    assert node3.pool.volume_ids() == [volume.id]
    node3.removed_copies.discard_purged(removed)
    assert node3.pool.volume_ids() == []


def test_neither_a_removal_nor_a_move_reads_all_there_is_in_etcd(demo: MemoryCluster) -> None:
    """Hundreds at once would each hold a copy of it."""
    for name in ("node1", "node3"):
        demo[name].etcd.away_for = {"state"}
    demo["node2"].driver.mount("demo", "container")
    demo["node2"].driver.unmount("demo", "container")
    demo["node2"].driver.remove("demo")
    for machine in demo.machines.values():
        assert machine.pool.volume_ids() == []


# Catching up


def test_mounts_are_recorded_again_after_a_lease_ran_out(demo: MemoryCluster) -> None:
    node1 = demo["node1"]
    node1.driver.create("idle", {})
    node1.run("demo")
    demo.ownership.expire("node1")
    assert demo.state.mounts == {}
    node1.announce()
    node1.reconciler.catch_up()
    assert demo.state.mounts == {demo.volume("demo").id: "node1"}


def test_a_mount_is_recorded_that_only_the_kernel_knows_of(demo: MemoryCluster) -> None:
    node1 = demo["node1"]
    node1.containers.mounts.add(demo.volume("demo").id)
    node1.reconciler.catch_up()
    assert list(demo.state.mounts.values()) == ["node1"]


def test_an_owner_that_was_overtaken_while_away_puts_its_copy_away(deaf: MemoryCluster) -> None:
    node1 = deaf["node1"]
    volume = deaf.volume("demo")
    deaf["node2"].write("demo", "newer")
    node1.start()
    node1.reconciler.catch_up()
    assert not node1.pool.has_writable(volume.id)
    assert node1.pool.asides() == []  # the new owner began with all it had
    with pytest.raises(StaleEpoch):
        node1.pool.writable_path(volume.claim)


def test_a_move_that_is_over_is_not_in_the_way(deaf: MemoryCluster) -> None:
    """The record changed between reading it and recording the mount."""
    node1 = deaf["node1"]
    deaf["node2"].write("demo", "newer")
    node1.reconciler.catch_up()
    node1.reconciler.catch_up()
    assert deaf.volume("demo").owner == "node2"


def test_a_mount_that_cannot_be_recorded_any_more_is_logged(
    deaf: MemoryCluster, caplog: pytest.LogCaptureFixture
) -> None:
    node1 = deaf["node1"]
    node1.run("demo")

    def overtake() -> None:
        deaf.ownership.expire("node1")
        deaf["node2"].failover.promote("demo")

    node1.etcd.before["mount"] = overtake
    with caplog.at_level(logging.INFO):
        node1.reconciler.catch_up()
    assert "has changed" in caplog.text


def test_a_mount_that_a_move_is_in_the_way_of_is_recorded_later(demo: MemoryCluster) -> None:
    """The lease ran out, so another node could begin to fetch what is mounted here."""
    node1 = demo["node1"]
    node1.driver.create("zulu", {})
    for name in ("demo", "zulu"):
        node1.run(name)
    demo.ownership.expire("node1")
    move = start_move(demo.ownership, demo.volume("demo"), "node2")
    node1.announce()
    assert not node1.reconciler.catch_up()
    assert node1.troubles.all()[0].startswith("volume 'demo': volume 'demo' is on its way")
    assert demo.state.mounts == {demo.volume("zulu").id: "node1"}
    with pytest.raises(InUse):
        node1.departures.release("demo", 1, move.token)
    demo.ownership.abandon_move(move)
    assert node1.reconciler.catch_up()
    assert node1.troubles.all() == []
    assert demo.volume("demo").id in demo.state.mounts


@pytest.mark.parametrize("node", ["node1", "node2"])
def test_a_volume_removed_while_the_node_was_away_is_put_aside(
    demo: MemoryCluster, node: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = demo[node]
    volume = demo.volume("demo")
    with monkeypatch.context() as patch:
        for each in demo.machines.values():
            patch.setattr(each.peers, "discard", lambda _: None)
        if node == "node1":  # it died before it could put its copy aside
            event = Event(volume.id, "demo", now(), "node1", "removed")
            demo.ownership.remove(volume, event)
        else:
            demo["node3"].driver.remove("demo")
    machine.start()
    machine.reconciler.tidy()
    assert machine.pool.volume_ids() == []
    [aside] = machine.pool.asides()
    assert (aside.volume, aside.why) == ("demo", "removed")


def test_a_node_says_again_what_it_holds(demo: MemoryCluster) -> None:
    volume = demo.volume("demo")
    said = demo.state.copies[volume.id]["node2"]
    demo.ownership.withdraw([said])
    demo["node2"].reconciler.catch_up()
    copy = demo.state.copies[volume.id]["node2"]
    assert copy.snapshot == said.snapshot
    assert copy.taken_at == volume.created_at  # it may be as old as that


def test_what_is_said_already_keeps_its_time(demo: MemoryCluster) -> None:
    said = demo.state.copies
    for machine in demo.machines.values():
        machine.reconciler.catch_up()
    assert demo.state.copies == said


@pytest.mark.parametrize("leaves", ["an empty pool", "an empty volume"])
def test_a_node_that_lost_its_copy_says_so(demo: MemoryCluster, leaves: str) -> None:
    volume = demo.volume("demo")
    demo["node2"].pool.discard(volume.id, "demo", "node2", Belief(lambda: None))
    [removed] = demo["node2"].pool.asides()
    demo["node2"].pool.purge_aside(removed.reference)  # or it would be taken from there
    if leaves == "an empty volume":
        demo["node2"].pool.put_away(volume, "node2", lambda: None)
    demo["node2"].reconciler.catch_up()
    assert "node2" not in demo.state.copies[volume.id]
    demo.replicate()
    assert "node2" in demo.state.copies[volume.id]


def test_one_volume_that_cannot_be_put_away_does_not_stop_the_others(
    deaf: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = deaf["node1"]
    for name in ("another", "zulu"):
        node1.driver.create(name, {})
        node1.write(name, "hello")
    for name in ("another", "demo", "zulu"):
        deaf["node2"].write(name, "newer")
    put_away = node1.pool.put_away
    bad = deaf.volume("demo").id

    def fail_once(
        volume: Volume, node: str, confirm: Callable[[], None], kept: list[Snapshot]
    ) -> object:
        if volume.id == bad:
            raise PoolError("the disk is bad")
        return put_away(volume, node, confirm, kept)

    with monkeypatch.context() as patch:
        patch.setattr(node1.pool, "put_away", fail_once)
        for look in (node1.reconciler.catch_up, node1.reconciler.tidy):
            look()
            assert node1.troubles.all() == ["volume 'demo': the disk is bad"]
    still_writable = [v.name for v in deaf.state.volumes.values() if node1.pool.has_writable(v.id)]
    assert still_writable == ["demo"]
    node1.reconciler.tidy()
    assert not node1.pool.has_writable(bad)
    assert node1.reconciler.catch_up()
    assert node1.troubles.all() == []


# Stepping back


@pytest.fixture
def overtaken(demo: MemoryCluster) -> Machine:
    """node1, which wrote "never replicated" and was cut off; node2 was promoted meanwhile."""
    node1 = demo["node1"]
    node1.write("demo", "never replicated")
    demo.ownership.expire("node1")
    demo["node2"].failover.promote("demo")
    return node1


def test_what_only_a_former_owner_had_is_kept_and_told(
    demo: MemoryCluster, overtaken: Machine
) -> None:
    overtaken.reconciler.catch_up()
    [aside] = overtaken.pool.asides()
    assert (aside.volume, aside.why) == ("demo", "conflict")
    last = demo.ownership.history(demo.volume("demo").id)[-1]
    assert (last.what, last.node) == ("conflict", "node1")
    assert aside.reference in last.why
    overtaken.reconciler.catch_up()
    assert overtaken.pool.asides() == [aside]


def test_containers_of_a_former_owner_are_stopped_first(
    demo: MemoryCluster, overtaken: Machine
) -> None:
    volume_id = demo.volume("demo").id
    live = overtaken.pool.root / volume_id / "live"  # type: ignore[attr-defined]
    overtaken.containers.running["demo"] = ["app-redis-1"]
    overtaken.containers.mounts.add(volume_id)

    def write_to_the_end(_: str) -> None:
        with overtaken.use.locked(demo.volume("demo"), within=0):  # the engine unmounts meanwhile
            pass
        (live / "file").write_text("written while it was stopped")

    overtaken.containers.on_stop = write_to_the_end
    overtaken.announce()
    overtaken.reconciler.catch_up()
    assert overtaken.containers.stopped == ["app-redis-1"]
    assert overtaken.containers.mounts == set()
    [aside] = overtaken.pool.asides()
    overtaken.driver.create("lost", {"from": aside.reference})
    assert overtaken.read("lost") == "written while it was stopped"


def test_without_an_engine_what_uses_a_lost_volume_is_ended(
    demo: MemoryCluster, overtaken: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> list[str]:
        raise EngineAway("no answer")

    overtaken.containers.mounts.add(demo.volume("demo").id)
    monkeypatch.setattr(overtaken.containers, "stop_using", away)
    overtaken.reconciler.catch_up()
    assert overtaken.containers.mounts == set()
    assert not overtaken.pool.has_writable(demo.volume("demo").id)


def test_a_conflict_that_cannot_be_told_is_kept_all_the_same(overtaken: Machine) -> None:
    overtaken.etcd.away_for = {"record"}
    overtaken.reconciler.catch_up()
    assert [aside.why for aside in overtaken.pool.asides()] == ["conflict"]


def test_a_volume_that_came_back_meanwhile_is_left_alone(deaf: MemoryCluster) -> None:
    """Between reading that another node owns it and acting on that, it was brought back here."""
    node1 = deaf["node1"]
    deaf["node2"].write("demo", "newer")
    behind = deaf.volume("demo")
    node1.run("demo")
    assert deaf.volume("demo").owner == "node1"
    node1.demotion.demote(behind)
    assert node1.containers.stopped == []
    assert node1.pool.has_writable(behind.id)


def test_a_volume_that_a_backup_of_etcd_gives_back_is_not_put_away(demo: MemoryCluster) -> None:
    """It is restored while the containers of the former owner are being stopped."""
    node1, backup = demo["node1"], demo.ownership.etcd.backup()
    node1.run("demo", "app-redis-1")
    demo.ownership.expire("node1")
    demo["node2"].failover.promote("demo")
    lost = demo.volume("demo")
    node1.containers.on_stop = lambda _: demo.go_back(backup)
    with pytest.raises(StaleEpoch, match="volume 'demo' came to node1 meanwhile"):
        node1.demotion.demote(lost)
    assert node1.read("demo") == "hello"
    assert node1.pool.asides() == []


# Tidying


def test_the_kernel_is_not_asked_while_no_volume_in_use_is_gone(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To read the mount tables of all processes every few seconds would cost much for nothing."""
    node1 = demo["node1"]
    node1.driver.mount("demo", "writer")
    monkeypatch.setattr(node1.containers, "mounted", lambda _: pytest.fail("it was asked"))
    node1.reconciler.end_unbacked_uses()


def test_a_former_count_is_dropped_once_nothing_is_mounted(demo: MemoryCluster) -> None:
    node1 = demo["node1"]
    node1.run("demo")
    node1.driver.engine_started()
    node1.reconciler.tidy()
    assert list(demo.state.mounts.values()) == ["node1"]
    node1.containers.mounts.clear()
    node1.reconciler.tidy()
    assert demo.state.mounts == {}
    assert not node1.use.any(demo.volume("demo"))


def test_a_count_of_the_engine_that_runs_stays_though_nothing_is_mounted(
    demo: MemoryCluster,
) -> None:
    """A container is being created: its mount is answered, its first process not yet started."""
    demo["node1"].driver.mount("demo", "container")
    demo["node1"].reconciler.tidy()
    assert list(demo.state.mounts.values()) == ["node1"]


def test_a_use_of_a_volume_that_was_removed_elsewhere_ends(demo: MemoryCluster) -> None:
    """Its unmount comes for a name that nobody knows any more."""
    node1, volume_id = demo["node1"], demo.volume("demo").id
    node1.run("demo")
    demo.replicate()
    demo.ownership.expire("node1")
    demo["node2"].failover.promote("demo")
    demo["node2"].driver.remove("demo")
    with pytest.raises(VolumeNotFound):
        node1.driver.unmount("demo", "writer")
    node1.clock += START_SECONDS + 1
    node1.reconciler.end_unbacked_uses()
    assert node1.use.volumes() == {volume_id}, "a process still has it mounted"
    node1.containers.mounts.clear()
    node1.etcd.is_away = True
    node1.reconciler.end_unbacked_uses()
    assert node1.use.volumes() == {volume_id}, "it may be there"
    node1.etcd.is_away = False
    node1.reconciler.end_unbacked_uses()
    assert node1.use.volumes() == set()


def test_a_move_left_behind_is_ended(demo: MemoryCluster) -> None:
    start_move(demo.ownership, demo.volume("demo"), "node2")
    demo["node1"].reconciler.tidy()
    demo["node3"].reconciler.tidy()
    assert len(demo.state.moves) == 1  # that is for node2 to say
    demo["node2"].reconciler.tidy()
    assert demo.state.moves == {}


def test_an_old_owner_that_was_not_told_finds_out(deaf: MemoryCluster) -> None:
    deaf["node2"].write("demo", "newer")
    deaf["node1"].reconciler.tidy()
    assert not deaf["node1"].pool.has_writable(deaf.volume("demo").id)
    assert deaf["node1"].pool.asides() == []


def test_tidying_costs_nothing_when_nothing_is_lost(demo: MemoryCluster) -> None:
    for machine in demo.machines.values():
        machine.etcd.calls.clear()
        machine.reconciler.tidy()
        assert machine.etcd.calls == []


# Copies that are not kept up any more


def test_a_volume_that_is_had_back_while_it_is_taken_for_removed_stays(
    demo: MemoryCluster,
) -> None:
    """Its node works through a list in which it is still removed, and a container starts."""
    node1 = demo["node1"]
    node1.write("demo", "first")
    volume = demo.volume("demo")
    demo.ownership.remove(volume, Event(volume.id, "demo", now(), "node1", "removed"))

    def start() -> None:
        node1.operations.recovery.undelete("demo")
        (node1.run("demo") / "file").write_text("second")

    starting = threading.Thread(target=start)
    node1.etcd.after["removed"] = starting.start
    node1.reconciler.tidy()
    starting.join(10)
    again = demo.volume("demo")
    assert (node1.pool.writable_path(again.claim) / "file").read_text() == "second"
    assert node1.pool.asides() == []


def test_a_replica_of_a_volume_that_is_had_back_this_moment_stays(demo: MemoryCluster) -> None:
    node1, node2, volume = demo["node1"], demo["node2"], demo.volume("demo")
    demo.ownership.remove(volume, Event(volume.id, "demo", now(), "node1", "removed"))
    before = node2.pool.snapshots(volume.id)
    node2.etcd.after["removed"] = lambda: node1.operations.recovery.undelete("demo")
    with pytest.raises(Refused, match="has not been removed"):
        node2.removed_copies.discard(volume.id)
    assert node2.pool.snapshots(volume.id) == before != []


def test_data_stays_while_etcd_may_still_record_that_the_volume_is_back(
    demo: MemoryCluster,
) -> None:
    """A member may do late what it was asked."""
    node1, volume = demo["node1"], demo.volume("demo")
    node1.driver.remove("demo")
    node1.etcd.away_for = {"undelete"}
    with pytest.raises(ControlPlaneAway):
        node1.operations.recovery.undelete("demo")
    with pytest.raises(StillWanted, match="later epoch"):
        node1.removed_copies.discard(volume.id)
    node1.etcd.away_for = set()
    node1.operations.recovery.undelete("demo")
    assert node1.pool.writable_path(demo.volume("demo").claim).is_dir()


@pytest.fixture
def left_behind(cluster: MemoryCluster) -> MemoryCluster:
    """node2 had the one replica and was away; node3 has it now."""
    cluster["node1"].driver.create("demo", {"replicas": "1"})
    cluster["node1"].write("demo", "one")
    cluster.replicate()
    cluster.lose("node2")
    cluster["node1"].write("demo", "two")
    cluster.replicate()
    cluster.bring_back("node2")
    cluster["node2"].reconciler.tidy()
    return cluster


@pytest.fixture
def surplus(left_behind: MemoryCluster) -> MemoryCluster:
    """That was long ago."""
    left_behind.live(RETENTION_SECONDS + 60)
    return left_behind


def holders_of_copies(cluster: MemoryCluster) -> set[str]:
    return set(cluster.state.copies_of(cluster.volume("demo")))


def test_a_copy_that_was_long_not_kept_up_is_given_up(surplus: MemoryCluster) -> None:
    volume_id = surplus.volume("demo").id
    surplus["node2"].reconciler.tidy()
    assert holders_of_copies(surplus) == {"node1", "node3"}
    assert surplus["node2"].pool.snapshots(volume_id) == []
    # Nobody keeps the snapshot any more that it ended with.
    for text in ("three", "four", "five"):
        surplus["node1"].write("demo", text)
        surplus.replicate()
    assert 1 not in [each.number for each in surplus["node1"].pool.snapshots(volume_id)]


def test_a_copy_that_comes_back_into_use_is_not_given_up(surplus: MemoryCluster) -> None:
    node2 = surplus["node2"]
    node2.etcd.before["withdraw"] = lambda: node2.run("demo")
    node2.reconciler.tidy()
    assert surplus.volume("demo").owner == "node2"
    assert node2.read("demo") == "two"


def test_a_copy_that_is_asked_for_again_is_not_given_up(surplus: MemoryCluster) -> None:
    """A container starts here, and the move has begun before the pool is asked."""
    node2, volume = surplus["node2"], surplus.volume("demo")
    before = node2.pool.snapshots(volume.id)
    node2.etcd.before["move"] = lambda: start_move(surplus.ownership, volume, "node2")
    node2.reconciler.tidy()
    assert node2.pool.snapshots(volume.id) == before != []
    assert "is needed after all" in node2.troubles.all()[0]


def test_a_copy_is_not_given_up_once_another_node_owns_the_volume(surplus: MemoryCluster) -> None:
    """Copies that counted as newer may not be part of it any more."""
    node2, volume = surplus["node2"], surplus.volume("demo")
    before = node2.pool.snapshots(volume.id)
    node2.etcd.before["move"] = lambda: surplus["node3"].run("demo")
    node2.reconciler.tidy()
    assert surplus.volume("demo").owner == "node3"
    assert node2.pool.snapshots(volume.id) == before != []
    assert "is needed after all" in node2.troubles.all()[0]


def test_a_copy_that_was_given_up_is_not_lost_yet(surplus: MemoryCluster) -> None:
    surplus["node2"].reconciler.tidy()
    surplus.lose("node3")
    surplus.replicate()
    assert holders_of_copies(surplus) == {"node1", "node2", "node3"}
    assert surplus["node2"].read("demo") == "two"


@pytest.mark.parametrize("clock_steps_by", [0.0, 30 * 86400])
def test_a_copy_that_may_still_shorten_a_move_is_kept(
    left_behind: MemoryCluster, clock_steps_by: float
) -> None:
    left_behind.ownership.ahead["node2"] += clock_steps_by
    left_behind.live(RETENTION_SECONDS - 60)
    left_behind["node2"].reconciler.tidy()
    assert holders_of_copies(left_behind) == {"node1", "node2", "node3"}


def test_no_copy_is_given_up_while_clocks_disagree(surplus: MemoryCluster) -> None:
    surplus.ownership.ahead["node3"] -= 3600
    surplus["node3"].announce()
    surplus["node2"].reconciler.tidy()
    assert holders_of_copies(surplus) == {"node1", "node2", "node3"}


def test_a_copy_is_kept_while_there_are_not_enough_newer_ones(surplus: MemoryCluster) -> None:
    surplus.lose("node3")
    surplus["node2"].reconciler.tidy()
    assert holders_of_copies(surplus) == {"node1", "node2", "node3"}


def test_a_former_owner_keeps_the_only_other_copy(cluster: MemoryCluster) -> None:
    cluster["node1"].driver.create("demo", {"replicas": "0"})
    cluster["node1"].write("demo", "one")
    assert cluster["node2"].read("demo") == "one"
    cluster["node1"].reconciler.catch_up()  # says what it has
    cluster["node1"].reconciler.tidy()
    cluster.live(RETENTION_SECONDS + 60)
    cluster["node1"].reconciler.tidy()
    assert cluster["node1"].pool.snapshots(cluster.volume("demo").id)


def test_a_copy_on_its_way_back_is_not_given_up(
    surplus: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surplus["node2"].arrivals, "is_bringing", lambda _: True)
    surplus["node2"].reconciler.tidy()
    assert "node2" in holders_of_copies(surplus)


def test_a_copy_that_is_needed_after_all_is_still_known(surplus: MemoryCluster) -> None:
    node2, volume = surplus["node2"], surplus.volume("demo")
    node2.etcd.before["withdraw"] = lambda: surplus.ownership.begin_move(volume, "node2")
    node2.reconciler.tidy()
    assert "needed after all" in str(node2.troubles.all())
    assert node2.pool.snapshots(volume.id) != []
    assert "node2" in holders_of_copies(surplus)


def test_without_etcd_no_copy_is_given_up(surplus: MemoryCluster) -> None:
    node2 = surplus["node2"]
    node2.etcd.is_away = True
    node2.reconciler.tidy()  # who is alive, and so keeps a newer one, is not known
    node2.etcd.is_away = False
    node2.etcd.away_for = {"withdraw"}
    with pytest.raises(ControlPlaneAway):
        node2.reconciler.tidy()
    assert surplus["node2"].pool.snapshots(surplus.volume("demo").id)


# Trouble


def test_a_removal_that_the_disk_is_in_the_way_of_is_made_up_for(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = demo["node1"]
    node1.driver.create("other", {})
    node1.write("other", "text")
    volume = demo.volume("demo")
    with monkeypatch.context() as full:

        def refuse(*_: str) -> None:
            raise PoolError("No space left on device")

        full.setattr(node1.pool, "discard", refuse)
        node1.driver.remove("demo")  # etcd has it: from now on there is no such volume
        assert volume.id in node1.pool.volume_ids()
        node1.reconciler.tidy()
        assert node1.troubles.all() == ["removed volume 'demo': No space left on device"]
    node1.reconciler.tidy()
    assert volume.id not in node1.pool.volume_ids()
    assert node1.troubles.all() == []


# Sizes


def limit_of(demo: MemoryCluster) -> int | None:
    return demo["node1"].pool.limits[demo.volume("demo").id]


@pytest.mark.parametrize("size_bytes", [2 * GIB, None])
def test_a_size_whose_change_nobody_answered_is_in_force_soon(
    demo: MemoryCluster, size_bytes: int | None
) -> None:
    node1 = demo["node1"]
    node1.operations.changes.resize("demo", GIB)
    node1.reconciler.tidy()
    node1.etcd.unheard = {"change"}
    with pytest.raises(ControlPlaneAway):
        node1.operations.changes.resize("demo", size_bytes)
    node1.etcd.unheard = set()
    assert (limit_of(demo), demo.volume("demo").size_bytes) == (GIB, size_bytes)
    node1.reconciler.tidy()
    assert limit_of(demo) == size_bytes


def test_a_size_that_was_set_and_not_recorded_is_taken_back(demo: MemoryCluster) -> None:
    """The daemon ended before it recorded the change."""
    demo["node1"].pool.set_size(demo.volume("demo").claim, GIB)
    demo["node1"].reconciler.tidy()
    assert limit_of(demo) is None


def test_a_size_is_set_again_only_when_it_has_changed(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1, limits = demo["node1"], []
    monkeypatch.setattr(node1.pool, "set_size", lambda _, size_bytes: limits.append(size_bytes))
    for _ in range(3):
        node1.reconciler.tidy()
    assert limits == [None]
    node1.operations.changes.resize("demo", GIB)
    node1.reconciler.tidy()
    node1.reconciler.tidy()
    assert limits == [None, GIB, GIB]


def test_a_size_that_has_changed_meanwhile_is_left_to_the_next_round(demo: MemoryCluster) -> None:
    node1 = demo["node1"]
    before = demo.volume("demo")
    node1.operations.changes.resize("demo", GIB)
    AgreedSizes(node1.context).apply(before)
    assert limit_of(demo) == GIB


def test_a_size_that_this_node_has_not_heard_of_yet_stays_in_force(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = demo["node1"]
    node1.reconciler.tidy()
    node1.operations.changes.resize("demo", GIB)
    with monkeypatch.context() as late:
        late.setattr(mirror, "SETTLE_SECONDS", 0)
        late.setattr(node1.mirror, "_is_following", True)  # and hears of nothing
        node1.operations.changes.resize("demo", 2 * GIB)
        node1.reconciler.tidy()
        assert limit_of(demo) == 2 * GIB
    node1.reconciler.tidy()
    assert limit_of(demo) == 2 * GIB
