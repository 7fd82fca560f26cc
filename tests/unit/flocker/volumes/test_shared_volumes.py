"""Volumes on a storage that all nodes reach, from creation to takeover, on the twins."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.base.belief import Belief
from flocker.base.errors import (
    BadRequest,
    ControlPlaneAway,
    FlockerError,
    InUse,
    OwnerLost,
    PoolError,
    PoolHangs,
    Refused,
    StaleEpoch,
    TransferFailed,
)
from flocker.care import shared_clients, shared_leftovers
from flocker.moving.succession import candidates
from flocker.volumes.maintenance import GONE_SECONDS
from tests.twins.memory_remote import MemoryStorage, WayToStorage
from tests.unit.flocker.cluster import RETENTION_SECONDS, MemoryCluster


@pytest.fixture
def storage(tmp_path: Path) -> MemoryStorage:
    return MemoryStorage(tmp_path / "storage")


@pytest.fixture
def cluster(tmp_path: Path, storage: MemoryStorage) -> MemoryCluster:
    return MemoryCluster(tmp_path, reach=storage.way)


@pytest.fixture
def ledger(cluster: MemoryCluster) -> MemoryCluster:
    """A cluster where node1 wrote "hello" to the shared volume "ledger"."""
    cluster["node1"].driver.create("ledger", {"pool": "shared"})
    cluster["node1"].write("ledger", "hello")
    return cluster


def way(cluster: MemoryCluster, node: str) -> WayToStorage:
    remote: object = cluster[node].remote
    assert isinstance(remote, WayToStorage)
    return remote


def clients(cluster: MemoryCluster, node: str) -> list[str]:
    """Ids of the volumes that a node has a client of."""
    return [claim.volume_id for claim in way(cluster, node).opened()]


def own_client(cluster: MemoryCluster, node: str) -> str:
    """The address of a node's own client."""
    address = way(cluster, node).pool.root_address
    assert address is not None
    return address


def look(cluster: MemoryCluster, node: str) -> None:
    """Look after clients and leftovers, as a node does every two seconds."""
    shared = cluster[node].shared
    assert shared is not None
    shared.clients.look()
    shared.leftovers.look()


def lose(cluster: MemoryCluster, node: str) -> None:
    cluster[node].is_up = False
    cluster.ownership.expire(node)


def test_its_record_says_where_it_is_and_that_nothing_is_replicated(ledger: MemoryCluster) -> None:
    volume = ledger.volume("ledger")
    assert (volume.pool, volume.replicas, volume.owner) == ("shared", 0, "node1")
    assert ledger["node1"].pool.volume_ids() == []
    assert way(ledger, "node1").volume_ids() == [volume.id]


def test_its_status_and_its_inspection_say_where_it_is(ledger: MemoryCluster) -> None:
    volume = ledger.volume("ledger")
    [shown] = ledger["node1"].operations.overview.status()["volumes"]
    assert (shown["pool"], shown["problem"], shown["copies"]) == ("shared", None, [])
    assert shown["used_bytes"] == ledger["node1"].driver.status(volume)["used_bytes"] > 0
    assert ledger["node1"].driver.status(volume)["pool"] == "shared"


def test_nothing_of_it_is_published_or_followed(ledger: MemoryCluster) -> None:
    ledger.replicate()
    assert ledger.state.copies == {}
    look_at_volumes = ledger["node1"].publisher.last_look()
    assert look_at_volumes is not None
    assert look_at_volumes.behind == {}
    for node in ("node1", "node2"):
        ledger[node].reconciler.catch_up()
        ledger[node].reconciler.tidy()
        assert ledger[node].troubles.all() == []


def test_it_is_mounted_only_while_something_uses_it(ledger: MemoryCluster) -> None:
    node1, volume = ledger["node1"], ledger.volume("ledger")
    assert clients(ledger, "node1") == []
    assert node1.driver.describe("ledger").mountpoint is None
    assert clients(ledger, "node1") == []  # to describe it has not mounted it
    mountpoint = node1.driver.mount("ledger", "one")
    assert node1.driver.mount("ledger", "two") == mountpoint
    assert node1.driver.describe("ledger").mountpoint == mountpoint
    assert len(ledger.ownership.sessions(volume.id)[1]) == 1
    node1.driver.unmount("ledger", "one")
    assert clients(ledger, "node1") == [volume.id]
    node1.driver.unmount("ledger", "two")
    assert clients(ledger, "node1") == []
    assert ledger.ownership.sessions(volume.id) == {}


def test_its_address_is_recorded_before_the_engine_is_answered(ledger: MemoryCluster) -> None:
    node1, volume = ledger["node1"], ledger.volume("ledger")
    node1.etcd.away_for = {"begin_session"}
    with pytest.raises(Exception, match="etcd does not answer"):
        node1.driver.mount("ledger", "one")
    assert clients(ledger, "node1") == []
    assert not node1.use.any(volume)
    assert volume.id not in ledger.state.mounts


def test_a_move_copies_nothing_and_leaves_no_client_behind(ledger: MemoryCluster) -> None:
    assert ledger["node2"].read("ledger") == "hello"
    volume = ledger.volume("ledger")
    assert (volume.owner, volume.epoch, volume.base) == ("node2", 2, None)
    assert ledger["node1"].pool.volume_ids() == ledger["node2"].pool.volume_ids() == []
    assert way(ledger, "node2").epoch(volume.id) == 2
    moved = ledger.ownership.history(volume.id)[-1]
    assert moved.what == "moved"
    assert "nothing was copied" in moved.why


def test_it_goes_round_and_comes_back(ledger: MemoryCluster) -> None:
    for number, name in enumerate(["node2", "node3", "node1", "node3"]):
        ledger[name].write("ledger", f"text {number}")
    assert ledger["node1"].read("ledger") == "text 3"


def test_a_move_waits_for_what_the_owner_has_not_flushed(ledger: MemoryCluster) -> None:
    node1, volume = ledger["node1"], ledger.volume("ledger")
    unflushed = way(ledger, "node1").pool.unflushed
    node1.driver.mount("ledger", "one")
    unflushed.add(volume.id)
    node1.driver.unmount("ledger", "one")  # the engine is answered
    assert clients(ledger, "node1") == [volume.id]
    with pytest.raises(TransferFailed, match="the storage takes nothing"):
        ledger["node2"].operations.moves.move("ledger", None)
    assert ledger.volume("ledger") == volume
    assert ledger.state.moves == {}
    unflushed.clear()
    look(ledger, "node1")
    assert clients(ledger, "node1") == []
    ledger["node2"].operations.moves.move("ledger", None)
    assert ledger.volume("ledger").owner == "node2"


def test_a_volume_in_use_stays(ledger: MemoryCluster) -> None:
    ledger["node1"].run("ledger")
    with pytest.raises(InUse):
        ledger["node2"].driver.mount("ledger", "one")
    look(ledger, "node1")
    assert clients(ledger, "node1") == [ledger.volume("ledger").id]


def test_a_move_that_was_recorded_and_not_done_is_finished_by_the_mount(
    ledger: MemoryCluster,
) -> None:
    volume = ledger.volume("ledger")
    node2 = ledger["node2"]
    node2.etcd.after["finish_move"] = lambda: setattr(way(ledger, "node2"), "is_away", True)
    with pytest.raises(PoolError, match="cannot be opened on node2: Ceph does not answer"):
        node2.driver.mount("ledger", "one")
    assert ledger.volume("ledger").owner == "node2"
    assert way(ledger, "node1").epoch(volume.id) == 1
    way(ledger, "node2").is_away = False
    assert node2.read("ledger") == "hello"
    assert way(ledger, "node1").epoch(volume.id) == 2


def test_a_move_says_that_ceph_has_not_let_the_new_owner_in(ledger: MemoryCluster) -> None:
    volume = ledger.volume("ledger")
    node2 = ledger["node2"]
    node2.etcd.after["finish_move"] = lambda: setattr(way(ledger, "node2"), "is_away", True)
    for _ in range(2):
        with pytest.raises(PoolError, match="'ledger' is node2's now, and Ceph has not let node2"):
            node2.operations.moves.move("ledger", None)
    assert ledger.volume("ledger").owner == "node2"
    way(ledger, "node2").is_away = False
    node2.operations.moves.move("ledger", None)
    assert way(ledger, "node1").epoch(volume.id) == 2


CALLS = ["begin_move", "lock_move", "finish_move", "mount", "sessions", "begin_session"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("how", ["away_for", "unheard"])
def test_a_move_that_breaks_off_anywhere_is_made_by_the_next_mount(
    ledger: MemoryCluster, call: str, how: str
) -> None:
    node2 = ledger["node2"]
    getattr(node2.etcd, how).add(call)
    with pytest.raises(FlockerError):
        node2.read("ledger")
    getattr(node2.etcd, how).clear()
    assert not node2.use.any(ledger.volume("ledger"))
    node2.reconciler.tidy()  # it ends the moves that nobody works on
    assert node2.read("ledger") == "hello"
    assert ledger.volume("ledger").owner == "node2"
    for node in ("node1", "node2"):
        look(ledger, node)
        assert clients(ledger, node) == []
    assert ledger.state.mounts == {}
    assert ledger.state.moves == {}


@pytest.mark.parametrize(
    "call", ["lost_roots", "end_root", "promote_shared", "sessions", "end_session"]
)
@pytest.mark.parametrize("how", ["away_for", "unheard"])
def test_a_takeover_that_breaks_off_anywhere_is_finished_by_the_next_mount(
    ledger: MemoryCluster, storage: MemoryStorage, call: str, how: str
) -> None:
    ledger["node1"].run("ledger")
    [address] = ledger.ownership.sessions(ledger.volume("ledger").id)[1]
    lose(ledger, "node1")
    node2 = ledger["node2"]
    getattr(node2.etcd, how).add(call)
    with pytest.raises(FlockerError):
        node2.operations.moves.promote("ledger")
    getattr(node2.etcd, how).clear()
    if ledger.volume("ledger").owner == "node1":
        node2.operations.moves.promote("ledger")
    assert node2.read("ledger") == "hello"
    assert storage.blocked == {address, own_client(ledger, "node1")}
    assert (ledger.volume("ledger").owner, ledger.volume("ledger").epoch) == ("node2", 2)


def test_a_lost_owner_is_kept_out_by_the_storage(
    ledger: MemoryCluster, storage: MemoryStorage
) -> None:
    ledger["node1"].run("ledger")
    volume = ledger.volume("ledger")
    [address] = ledger.ownership.sessions(volume.id)[1]
    lose(ledger, "node1")
    with pytest.raises(OwnerLost, match=r"flocker promote ledger` on a node that reaches Ceph"):
        ledger["node2"].driver.mount("ledger", "one")
    answer = ledger["node2"].operations.moves.promote("ledger")
    assert answer["volume"]["owner"] == "node2"
    assert storage.blocked == {address, own_client(ledger, "node1")}
    assert ledger.ownership.sessions(volume.id) == {}
    assert ledger["node2"].read("ledger") == "hello"
    assert "all that was flushed is there" in ledger.ownership.history(volume.id)[-1].why


def test_a_takeover_that_ceph_did_not_answer_is_finished_by_the_mount(
    ledger: MemoryCluster, storage: MemoryStorage
) -> None:
    ledger["node1"].run("ledger")
    volume = ledger.volume("ledger")
    [address] = ledger.ownership.sessions(volume.id)[1]
    lose(ledger, "node1")
    node2 = ledger["node2"]
    node2.etcd.after["promote_shared"] = lambda: setattr(way(ledger, "node2"), "is_away", True)
    with pytest.raises(PoolError, match=r"is node2's now \(epoch 2\), and Ceph has not stopped"):
        node2.operations.moves.promote("ledger")
    assert ledger.volume("ledger").owner == "node2"
    assert storage.blocked == {own_client(ledger, "node1")}
    way(ledger, "node2").is_away = False
    assert ledger["node2"].read("ledger") == "hello"
    assert storage.blocked == {address, own_client(ledger, "node1")}


def test_a_takeover_after_which_etcd_is_away_is_not_said_to_have_failed(
    ledger: MemoryCluster,
) -> None:
    lose(ledger, "node1")
    node2 = ledger["node2"]
    node2.etcd.away_for = {"sessions"}
    with pytest.raises(PoolError, match=r"is node2's now \(epoch 2\), .*: etcd does not answer"):
        node2.operations.moves.promote("ledger")
    node2.etcd.away_for = set()
    assert node2.read("ledger") == "hello"


def test_a_node_that_ceph_does_not_answer_leaves_a_lost_volume_to_others(
    cluster: MemoryCluster,
) -> None:
    """It owned the volume otherwise, and is there: nobody else would take it over then."""
    cluster["node1"].driver.create("ledger", {"pool": "shared", "failover": "auto"})
    cluster["node1"].write("ledger", "hello")
    lose(cluster, "node1")
    first, second = candidates(cluster.volume("ledger"), cluster.state)
    way(cluster, first).is_away = True
    with pytest.raises(PoolError, match="Ceph does not answer"):
        cluster[first].operations.moves.promote("ledger")
    assert cluster.volume("ledger").owner == "node1"
    cluster[second].operations.moves.promote("ledger")
    assert cluster[second].read("ledger") == "hello"


def test_a_node_that_ceph_does_not_answer_leaves_a_volume_where_it_is(
    ledger: MemoryCluster,
) -> None:
    way(ledger, "node2").is_away = True
    with pytest.raises(TransferFailed, match="did not come from node1 to node2: Ceph does not"):
        ledger["node2"].driver.mount("ledger", "one")
    assert ledger.volume("ledger").owner == "node1"
    assert ledger.state.moves == {}
    assert ledger["node1"].read("ledger") == "hello"


def test_an_owner_that_is_up_is_not_replaced(ledger: MemoryCluster) -> None:
    with pytest.raises(Refused, match="is owned by node1, which is up"):
        ledger["node2"].operations.moves.promote("ledger")
    with pytest.raises(Refused, match="is owned by node1 already"):
        ledger["node1"].operations.moves.promote("ledger")


def test_a_lost_auto_volume_is_taken_over_by_one_node_and_needs_no_fence(
    cluster: MemoryCluster, storage: MemoryStorage
) -> None:
    cluster["node1"].driver.create("ledger", {"pool": "shared", "failover": "auto"})
    cluster["node1"].write("ledger", "hello")
    cluster["node1"].run("ledger")
    assert cluster["node1"].guard.covered == []
    assert cluster["node1"].guard.listed() == []
    [address] = cluster.ownership.sessions(cluster.volume("ledger").id)[1]
    lose(cluster, "node1")
    for name in ("node2", "node3"):
        cluster[name].failover.take_over_lost(cluster.state)
    volume = cluster.volume("ledger")
    assert (volume.owner in ("node2", "node3"), volume.epoch) == (True, 2)
    assert storage.blocked == {address, own_client(cluster, "node1")}
    assert cluster[volume.owner].read("ledger") == "hello"


def test_a_node_without_ceph_takes_nothing_over(ledger: MemoryCluster) -> None:
    ledger["node2"].remote = None
    ledger["node2"].start()
    ledger["node3"].is_up = False
    lose(ledger, "node3")
    lose(ledger, "node1")
    with pytest.raises(Refused, match="on a Ceph that node2 does not reach"):
        ledger["node2"].operations.moves.promote("ledger")
    assert ledger.volume("ledger").owner == "node1"


def test_a_move_to_a_node_without_ceph_is_refused(ledger: MemoryCluster) -> None:
    ledger["node2"].remote = None
    ledger["node2"].start()
    with pytest.raises(Refused, match="on a Ceph that node2 does not reach; use it on another"):
        ledger["node2"].driver.mount("ledger", "one")
    assert ledger.state.moves == {}
    [shown] = ledger["node2"].operations.overview.status()["volumes"]
    assert shown["pool"] == "shared"


def test_a_former_owner_ends_its_client_and_what_uses_it(ledger: MemoryCluster) -> None:
    node1 = ledger["node1"]
    node1.run("ledger")
    lose(ledger, "node1")
    ledger["node2"].operations.moves.promote("ledger")
    ledger["node2"].run("ledger")
    node1.is_up = True
    node1.announce()
    assert clients(ledger, "node1") == [ledger.volume("ledger").id]
    look(ledger, "node1")
    assert clients(ledger, "node1") == []
    assert node1.containers.stopped == ["writer"]
    look(ledger, "node2")
    assert clients(ledger, "node2") == [ledger.volume("ledger").id]


def test_a_mount_that_lost_the_race_with_a_takeover_ends_unused(ledger: MemoryCluster) -> None:
    node1, node2 = ledger["node1"], ledger["node2"]

    def promoted_meanwhile() -> None:
        lose(ledger, "node1")
        node2.operations.moves.promote("ledger")

    node1.etcd.before["begin_session"] = promoted_meanwhile
    node1.etcd.away_for = {"begin_move"}  # it does not ask for the volume back
    with pytest.raises(Exception, match=r"etcd does not answer|owned by|changed"):
        node1.driver.mount("ledger", "one")
    assert clients(ledger, "node1") == []
    assert ledger.ownership.sessions(ledger.volume("ledger").id) == {}


def test_a_takeover_first_keeps_the_lost_nodes_own_client_out(
    ledger: MemoryCluster, storage: MemoryStorage
) -> None:
    node2, lost = ledger["node2"], own_client(ledger, "node1")
    ledger["node3"].read("ledger")
    living = own_client(ledger, "node3")
    ledger["node1"].read("ledger")
    lose(ledger, "node1")
    seen = []
    node2.etcd.before["promote_shared"] = lambda: seen.append(set(storage.blocked))
    node2.operations.moves.promote("ledger")
    [before_the_record] = seen
    assert before_the_record == {lost}
    assert living not in storage.blocked
    assert ledger.ownership.root("node1") == []
    assert ledger.ownership.root("node3") == [living]


def test_a_node_that_was_kept_out_mounts_anew_and_is_recorded_first(
    ledger: MemoryCluster, storage: MemoryStorage
) -> None:
    node1, node2 = ledger["node1"], ledger["node2"]
    node1.driver.create("kept", {"pool": "shared"})
    node1.run("kept")
    client = way(ledger, "node1").pool.address(ledger.volume("kept").id)
    former = own_client(ledger, "node1")
    lose(ledger, "node1")
    node2.operations.moves.promote("ledger")
    node1.is_up = True
    node1.announce()
    node1.etcd.away_for = {"begin_root"}
    with pytest.raises(PoolError, match="cannot be recorded: etcd does not answer"):
        node1.operations.snapshots.snapshot(["kept"], "")
    node1.etcd.away_for = set()
    node1.operations.snapshots.snapshot(["kept"], "")
    [address] = ledger.ownership.root("node1")
    assert address == own_client(ledger, "node1")
    assert address not in storage.blocked
    assert former in storage.blocked
    assert client not in storage.blocked, "its containers go on"


def test_a_node_whose_own_lease_has_ended_does_not_keep_itself_out(
    ledger: MemoryCluster, storage: MemoryStorage
) -> None:
    node2 = ledger["node2"]
    node2.read("ledger")
    lose(ledger, "node2")
    lose(ledger, "node1")
    node2.is_up = True
    own = own_client(ledger, "node2")
    node2.context.pools.check_reached(ledger.volume("ledger"))
    assert own not in storage.blocked
    assert own_client(ledger, "node1") in storage.blocked


def test_a_takeover_that_ceph_does_not_let_begin_records_nothing(ledger: MemoryCluster) -> None:
    lose(ledger, "node1")
    way(ledger, "node2").is_away = True
    with pytest.raises(PoolHangs):
        ledger["node2"].operations.moves.promote("ledger")
    assert ledger.volume("ledger").owner == "node1"
    assert ledger.ownership.root("node1") != []


def test_snapshots_restores_and_clones_stay_in_the_pool(ledger: MemoryCluster) -> None:
    node1 = ledger["node1"]
    operations = node1.operations
    operations.snapshots.snapshot(["ledger"], "first")
    node1.write("ledger", "second")
    ledger["node2"].read("ledger")  # it has moved, and its snapshots count
    [taken] = operations.snapshots.snapshots("ledger")["snapshots"]
    assert (taken["number"], taken["label"]) == (1, "first")
    restored = operations.snapshots.restore("ledger@1")
    assert restored["kept_as"] == "ledger@2"
    [replaced] = operations.recovery.trash()["asides"]
    assert replaced["volume"] == "ledger"
    assert replaced["reference"].startswith("ledger@node2-")
    ledger["node3"].driver.create("replaced", {"from": replaced["reference"]})
    assert ledger["node3"].read("replaced") == "second"
    assert ledger["node2"].read("ledger") == "hello"
    operations.changes.clone("ledger@2", "copy")
    assert ledger.volume("copy").pool == "shared"
    assert ledger["node3"].read("copy") == "second"
    operations.changes.clone("ledger", "now")
    assert ledger["node3"].read("now") == "hello"
    source = ledger.volume("ledger").id
    assert [each.number for each in way(ledger, "node1").snapshots(source)] == [1, 2]
    operations.snapshots.prune("ledger@1")
    assert [each.number for each in way(ledger, "node1").snapshots(source)] == [2]


def test_a_snapshot_that_ceph_did_not_delete_can_be_pruned_again(ledger: MemoryCluster) -> None:
    operations = ledger["node1"].operations
    operations.snapshots.snapshot(["ledger"], "first")
    way(ledger, "node1").is_away = True
    with pytest.raises(PoolError):
        operations.snapshots.prune("ledger@1")
    way(ledger, "node1").is_away = False
    assert operations.snapshots.prune("ledger@1") == {"reference": "ledger@1"}
    assert way(ledger, "node1").snapshots(ledger.volume("ledger").id) == []
    assert operations.snapshots.snapshots("ledger")["snapshots"] == []


def test_a_clone_is_made_though_ceph_keeps_what_it_was_made_from(
    ledger: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*_: object) -> None:
        raise PoolHangs("Ceph has not answered for 40 s")

    monkeypatch.setattr(way(ledger, "node1").pool, "drop_snapshot", hang)
    ledger["node1"].operations.changes.clone("ledger", "copy")
    assert ledger["node2"].read("copy") == "hello"


def test_a_volume_is_made_from_another_in_the_same_pool_only(ledger: MemoryCluster) -> None:
    ledger["node1"].driver.create("demo", {})
    with pytest.raises(Refused, match="ledger is in the pool shared, and no data goes"):
        ledger["node1"].driver.create("other", {"from": "ledger", "pool": "btrfs"})
    with pytest.raises(Refused, match="demo is in the pool btrfs"):
        ledger["node1"].driver.create("other", {"from": "demo", "pool": "shared"})
    with pytest.raises(BadRequest, match="replicas=1 cannot be had with pool=shared"):
        ledger["node1"].driver.create("other", {"from": "ledger", "replicas": "1"})
    assert set(ledger.state.volumes) == {"demo", "ledger"}


def test_a_removed_volume_comes_back_on_any_node(ledger: MemoryCluster) -> None:
    ledger["node2"].driver.remove("ledger")
    assert way(ledger, "node1").volume_ids() == []
    [aside] = way(ledger, "node1").asides()
    assert (aside.volume, aside.why) == ("ledger", "removed")
    lose(ledger, "node1")
    ledger["node3"].operations.recovery.undelete("ledger")
    volume = ledger.volume("ledger")
    assert (volume.owner, volume.epoch) == ("node3", 2)
    assert ledger["node3"].read("ledger") == "hello"


def test_a_volume_that_is_had_back_before_its_data_is_put_aside_stays(
    ledger: MemoryCluster,
) -> None:
    """Another node was faster than the one that removes it."""
    node1, node2 = ledger["node1"], ledger["node2"]
    node1.etcd.after["remove"] = lambda: node2.operations.recovery.undelete("ledger")
    node1.driver.remove("ledger")
    assert ledger.volume("ledger").owner == "node2"
    assert way(ledger, "node2").asides() == []
    assert node2.read("ledger") == "hello"


def test_a_removal_that_ceph_did_not_answer_is_done_later(ledger: MemoryCluster) -> None:
    volume = ledger.volume("ledger")
    way(ledger, "node1").is_away = True
    ledger["node1"].driver.remove("ledger")
    assert ledger.state.volumes == {}
    assert way(ledger, "node2").volume_ids() == [volume.id]
    look(ledger, "node2")  # it is not node2's
    assert way(ledger, "node2").volume_ids() == [volume.id]
    way(ledger, "node1").is_away = False
    look(ledger, "node1")
    assert way(ledger, "node2").volume_ids() == []


def remove_without_ceph(ledger: MemoryCluster) -> None:
    """Have node1 remove the volume and put nothing aside, and end for good."""
    way(ledger, "node1").is_away = True
    ledger["node1"].driver.remove("ledger")
    lose(ledger, "node1")


def test_what_a_lost_owner_has_removed_is_purged_by_another_node(ledger: MemoryCluster) -> None:
    remove_without_ceph(ledger)
    purged = ledger["node2"].maintenance.purge("ledger")
    assert purged["silent"] == ["node1"]
    assert way(ledger, "node2").volume_ids() == []
    assert way(ledger, "node2").asides() == []


def test_what_a_forgotten_owner_has_removed_is_put_aside_and_purged_by_another_node(
    ledger: MemoryCluster,
) -> None:
    remove_without_ceph(ledger)
    node2 = ledger["node2"]
    node2.observed.look(node2.mirror.state)
    ledger.live(GONE_SECONDS)
    node2.maintenance.forget("node1")
    look(ledger, "node2")
    [aside] = way(ledger, "node2").asides()
    assert (aside.volume, aside.why) == ("ledger", "removed")

    node2.purging.purge_old()
    ledger.live(RETENTION_SECONDS + 60)
    node2.purging.purge_old()
    assert ledger.state.removed == {}


def test_a_removal_that_comes_late_is_found_in_the_trash(ledger: MemoryCluster) -> None:
    volume = ledger.volume("ledger")
    remove_without_ceph(ledger)
    ledger["node2"].operations.recovery.undelete("ledger")
    belief = Belief(lambda: None, volume.epoch)
    way(ledger, "node1").pool.discard(volume.id, "ledger", "node1", belief)
    [aside] = ledger["node2"].operations.recovery.trash()["asides"]
    assert (aside["volume"], aside["why"]) == ("ledger", "removed")
    ledger["node2"].operations.changes.clone(aside["reference"], "rescued")
    assert ledger["node2"].read("rescued") == "hello"


def test_a_snapshot_nobody_could_be_told_of_is_deleted_a_day_later(
    ledger: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_leftovers, "PURGE_SECONDS", 0)
    monkeypatch.setattr(shared_leftovers, "UNKNOWN_SECONDS", 600.0)
    node1, volume = ledger["node1"], ledger.volume("ledger")
    node1.operations.snapshots.snapshot(["ledger"], "kept")
    node1.etcd.away_for = {"keep_snapshots"}
    with pytest.raises(ControlPlaneAway):
        node1.operations.snapshots.snapshot(["ledger"], "")
    node1.etcd.away_for = set()

    def there() -> list[int]:
        for name in ("node1", "node2"):
            look(ledger, name)
        return [each.number for each in way(ledger, "node1").snapshots(volume.id)]

    assert there() == [1, 2]
    node1.live(shared_leftovers.UNKNOWN_SECONDS - 60)
    assert there() == [1, 2]
    node1.live(120)
    assert there() == [1]


@pytest.mark.parametrize("made_from", ["nothing", "ledger"])
def test_a_creation_that_etcd_could_not_be_told_of_is_freed_or_shown_a_day_later(
    ledger: MemoryCluster, monkeypatch: pytest.MonkeyPatch, made_from: str
) -> None:
    monkeypatch.setattr(shared_leftovers, "PURGE_SECONDS", 0)
    monkeypatch.setattr(shared_leftovers, "UNKNOWN_SECONDS", 600.0)
    node1, node2, volume = ledger["node1"], ledger["node2"], ledger.volume("ledger")
    node1.etcd.away_for = {"create"}
    options = {"pool": "shared"} if made_from == "nothing" else {"from": "ledger"}
    with pytest.raises(ControlPlaneAway):
        node1.driver.create("new", options)
    [left] = set(way(ledger, "node1").volume_ids()) - {volume.id}

    look(ledger, "node2")
    ledger.live(shared_leftovers.UNKNOWN_SECONDS - 60)
    look(ledger, "node2")
    assert left in way(ledger, "node1").volume_ids()
    assert node2.troubles.all() == []
    ledger.live(120)
    look(ledger, "node2")
    if made_from == "nothing":
        assert way(ledger, "node1").volume_ids() == [volume.id]
        assert node2.troubles.all() == []
    else:
        [trouble] = node2.troubles.all()
        assert trouble.startswith(f"volume {left}: its data is on Ceph, and the cluster does not")
    assert ledger["node3"].read("ledger") == "hello"


def test_a_purge_that_ceph_did_not_answer_is_shown_and_tried_again_soon(
    ledger: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_leftovers, "RETRY_SECONDS", 0)
    way(ledger, "node1").is_away = True
    look(ledger, "node1")
    assert ledger["node1"].troubles.all() == [
        "snapshots without a record: Ceph does not answer (snapshots)",
        "volumes without a record: Ceph does not answer (volume_ids)",
        "what was put aside: Ceph does not answer (asides)",
    ]
    way(ledger, "node1").is_away = False
    look(ledger, "node1")
    assert ledger["node1"].troubles.all() == []


def test_a_deletion_that_takes_long_holds_up_no_client(
    ledger: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1, shared = ledger["node1"], ledger["node1"].shared
    assert shared is not None
    volume = ledger.volume("ledger")
    node1.driver.mount("ledger", "one")
    way(ledger, "node1").pool.unflushed.add(volume.id)
    node1.driver.unmount("ledger", "one")
    assert clients(ledger, "node1") == [volume.id]

    begun, stopping = threading.Event(), threading.Event()

    def delete(*_: object) -> None:
        begun.set()
        assert stopping.wait(30)

    monkeypatch.setattr(node1.purging, "purge_asides", delete)
    for module in (shared_clients, shared_leftovers):
        monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    shared.leftovers.start(stopping)
    shared.clients.start(stopping)
    try:
        assert begun.wait(10)
        way(ledger, "node1").pool.unflushed.clear()
        eventually(lambda: clients(ledger, "node1"), is_=[], within=10)
    finally:
        stopping.set()


def test_a_client_that_others_took_over_waits_for_no_idle_one(
    ledger: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1, pool = ledger["node1"], way(ledger, "node1").pool
    ids = []
    for name in ("a", "b", "c"):
        node1.driver.create(name, {"pool": "shared"})
        node1.driver.mount(name, "one")
        ids.append(ledger.volume(name).id)
        if name != "b":
            pool.unflushed.add(ids[-1])
            node1.driver.unmount(name, "one")
    lose(ledger, "node1")
    ledger["node2"].operations.moves.promote("b")
    ledger["node1"].is_up = True
    node1.announce()
    ended: list[str] = []
    cut_off, close = pool.cut_off, pool.close
    monkeypatch.setattr(pool, "cut_off", lambda each: (ended.append(each), cut_off(each)))
    monkeypatch.setattr(pool, "close", lambda each: (ended.append(each), close(each)))
    look(ledger, "node1")
    assert ended[0] == ids[1]


def test_what_was_put_aside_is_listed_once_and_purged(ledger: MemoryCluster) -> None:
    node1, node2 = ledger["node1"], ledger["node2"]
    node1.operations.snapshots.snapshot(["ledger"], "")
    node1.write("ledger", "second")
    node1.operations.snapshots.restore("ledger@1")
    [aside] = node2.operations.recovery.trash()["asides"]
    assert aside["why"] == "restored"
    node1.driver.remove("ledger")
    purged = node2.maintenance.purge(None)
    assert purged["silent"] == []
    assert [each["failed"] for each in purged["nodes"]] == [[], [], []]
    assert way(ledger, "node1").asides() == []


def test_sizes_are_the_storages(ledger: MemoryCluster) -> None:
    node2 = ledger["node2"]
    with pytest.raises(Refused, match="cannot have that size"):
        node2.operations.changes.resize("ledger", 1)
    node2.operations.changes.resize("ledger", 32 << 20)
    assert ledger.volume("ledger").size_bytes == 32 << 20


def test_a_storage_that_is_away_holds_up_nothing_else(ledger: MemoryCluster) -> None:
    node1 = ledger["node1"]
    node1.driver.create("demo", {})
    way(ledger, "node1").is_away = True
    status = node1.operations.overview.status()
    shown = {each["name"]: each for each in status["volumes"]}
    assert "Ceph does not answer" in str(shown["ledger"]["problem"])
    assert shown["ledger"]["used_bytes"] is None
    assert shown["demo"]["problem"] is None
    assert {each.volume.name for each in node1.driver.describe_all()} == {"demo", "ledger"}
    node1.write("demo", "text")
    assert node1.operations.recovery.trash()["silent"] == ["Ceph"]
    with pytest.raises(PoolError, match="'ledger' cannot be opened on node1: Ceph does not answer"):
        node1.driver.mount("ledger", "one")


def test_a_storage_that_refuses_this_node_hides_nothing_of_its_disk(
    ledger: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ceph has no right for the node, or ceph-fuse cannot mount."""
    node1 = ledger["node1"]
    node1.driver.create("demo", {})
    node1.write("demo", "text")
    node1.operations.snapshots.snapshot(["demo"], "")
    node1.operations.snapshots.restore("demo@1")
    node1.driver.remove("demo")

    def refuse() -> None:
        raise PoolError("Ceph does not answer as client.flocker-node")

    for call in ("asides", "volume_ids"):
        monkeypatch.setattr(way(ledger, "node1").pool, call, refuse)
    listed = node1.operations.recovery.trash()
    assert [each["name"] for each in listed["removed"]] == ["demo"]
    assert listed["silent"] == ["Ceph"]
    assert node1.operations.recovery.conflicts()["silent"] == ["Ceph"]
    with pytest.raises(Refused, match=r"there is no copy demo@node9-2026\S+; .*; Ceph did not an"):
        node1.driver.create("new", {"from": "demo@node9-20261122T190000Z"})
    purged = node1.maintenance.purge("demo")
    [own] = [each for each in purged["nodes"] if each["node"] == "node1"]
    assert own["failed"] == ["Ceph does not answer as client.flocker-node"]
    assert node1.pool.asides() == []


def test_a_node_or_a_volume_that_can_be_promoted_is_not_forgotten(ledger: MemoryCluster) -> None:
    lose(ledger, "node1")
    with pytest.raises(Refused, match=r"flocker promote ledger` typed on a node that reaches"):
        ledger["node2"].maintenance.forget("ledger")
    ledger["node2"].live(GONE_SECONDS + 60)
    with pytest.raises(Refused, match="node1 owns volumes that are on Ceph: ledger; `flocker pro"):
        ledger["node2"].maintenance.forget("node1")


def test_a_pool_that_cannot_be_written_to_gives_no_shared_volume_up(
    cluster: MemoryCluster,
) -> None:
    node1 = cluster["node1"]
    node1.driver.create("ledger", {"pool": "shared", "failover": "auto"})
    node1.pool.is_read_only = True  # type: ignore[attr-defined]
    node1.look_at_pool()
    node1.write("ledger", "text")
    cluster["node2"].failover.take_over_lost(cluster.state)
    assert cluster.volume("ledger").owner == "node1"


def test_only_the_owner_of_the_epoch_opens_it(ledger: MemoryCluster) -> None:
    old = ledger.volume("ledger")
    ledger["node2"].write("ledger", "second")
    with pytest.raises(StaleEpoch):
        ledger["node1"].context.pools.owned(old)
