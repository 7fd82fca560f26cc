"""Data that the cluster has no record of is freed if it is empty, else it can be brought back."""

from __future__ import annotations

import uuid
from typing import Any, cast

import pytest

from flocker.base.errors import BadRequest, ControlPlaneAway, InUse, Refused, StaleEpoch
from flocker.base.records import Claim
from flocker.care import strays
from tests.twins.memory_ownership import MemoryOwnership
from tests.twins.memory_pool import MemoryPool
from tests.unit.flocker.cluster import MemoryCluster


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strays, "STRAY_SECONDS", 0)


@pytest.fixture
def lost(cluster: MemoryCluster) -> MemoryCluster:
    """demo is owned by node2 and has copies; then etcd was lost, and begins anew, empty."""
    cluster["node1"].driver.create("demo", {"size": "64MiB"})
    cluster["node1"].write("demo", "first")
    cluster["node2"].write("demo", "second")
    cluster.replicate()
    for machine in cluster.machines.values():
        machine.strays.look()
    cluster["node2"].write("demo", "newest")
    lose_etcd(cluster)
    return cluster


def lose_etcd(cluster: MemoryCluster) -> None:
    cluster.ownership = MemoryOwnership()
    for machine in cluster.machines.values():
        machine.etcd._shared = cluster.ownership
        (machine.folder / "catalog.json").unlink()
        machine.start()


def test_a_volume_comes_back_with_its_name_its_options_and_all_of_its_data(
    lost: MemoryCluster,
) -> None:
    assert lost.state.volumes == {}
    answer = lost["node2"].maintenance.bring_back("demo", None)
    assert answer["silent"] == []
    volume = lost.volume("demo")
    assert (volume.owner, volume.epoch, volume.size_bytes) == ("node2", 3, 64 << 20)
    for machine in lost.machines.values():
        machine.reconciler.catch_up()
        machine.reconciler.tidy()
    lost.replicate()
    assert {copy.snapshot.number for copy in lost.state.copies_of(volume).values()} == {
        lost["node2"].pool.snapshots(volume.id)[-1].number
    }
    assert lost["node3"].read("demo") == "newest"
    assert lost["node1"].read("demo") == "newest"


def test_the_snapshots_of_an_imported_volume_are_kept(cluster: MemoryCluster) -> None:
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    node1.write("demo", "kept")
    node1.operations.snapshots.snapshot(["demo"], "for the audit")
    for text in ("two", "three", "four", "five"):
        node1.write("demo", text)
        cluster.replicate()
    node1.strays.look()
    lose_etcd(cluster)
    node1.maintenance.bring_back("demo", None)
    for text in ("six", "seven", "eight", "nine"):
        node1.write("demo", text)
        cluster.replicate()
    listed = node1.operations.snapshots.snapshots("demo")["snapshots"]
    assert (listed[0]["number"], listed[0]["label"]) == (1, "found by flocker import")
    node1.operations.snapshots.restore("demo@1")
    assert node1.read("demo") == "kept"


def test_data_without_a_record_is_shown_with_what_to_type(lost: MemoryCluster) -> None:
    node2 = lost["node2"]
    node2.strays.look()
    [problem] = node2.operations.overview.status()["problems"]
    assert "its data is on node2 (called 'demo')" in problem
    assert "`flocker import " in problem
    node2.maintenance.bring_back("demo", None)
    node2.strays.look()
    assert node2.operations.overview.status()["problems"] == []


def test_an_older_state_is_not_imported_while_a_newer_one_is_there(lost: MemoryCluster) -> None:
    with pytest.raises(Refused, match=r"node2 has a newer state of volume .* there"):
        lost["node1"].maintenance.bring_back("demo", None)
    assert lost.state.volumes == {}
    lost["node2"].is_up = False  # and its disk with it
    answer = lost["node1"].maintenance.bring_back("demo", None)
    assert answer["silent"] == ["node2"]
    assert lost["node1"].read("demo") == "second"


def test_what_a_newer_version_says_of_a_stray_is_no_obstacle(
    lost: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("node1", "node3"):
        mine = lost[name].maintenance.strays_here()
        newer = [{**each, "colour": "green"} for each in mine]
        monkeypatch.setattr(lost[name].maintenance, "strays_here", lambda newer=newer: newer)
    assert lost["node2"].maintenance.bring_back("demo", None)["silent"] == []


def test_a_name_that_is_taken_is_refused_and_another_can_be_had(lost: MemoryCluster) -> None:
    lost["node1"].driver.create("demo", {})
    with pytest.raises(Refused, match=r"there is a volume 'demo' already; .* --as NEW-NAME"):
        lost["node2"].maintenance.bring_back("demo", None)
    with pytest.raises(BadRequest):
        lost["node2"].maintenance.bring_back("demo", "no/name")
    lost["node2"].maintenance.bring_back("demo", "demo-again")
    assert lost["node2"].read("demo-again") == "newest"


def test_what_the_cluster_knows_is_not_imported(lost: MemoryCluster) -> None:
    lost["node2"].maintenance.bring_back("demo", None)
    for reference in ("demo", lost.volume("demo").id, "never"):
        with pytest.raises(Refused, match="that the cluster does not know"):
            lost["node2"].maintenance.bring_back(reference, "other")


def test_without_a_record_beside_it_a_volume_needs_a_name(cluster: MemoryCluster) -> None:
    node1, claim = cluster["node1"], Claim(str(uuid.uuid4()), 1)
    node1.pool.create(claim)
    (node1.pool.writable_path(claim) / "file").write_text("old")
    with pytest.raises(Refused, match=f"type `flocker import {claim.volume_id} --as NAME`"):
        node1.maintenance.bring_back(claim.volume_id, None)
    node1.maintenance.bring_back(claim.volume_id, "found")
    assert node1.read("found") == "old"


def test_a_creation_that_failed_half_way_is_freed(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = cluster["node1"]
    node1.etcd.away_for = {"create"}
    with pytest.raises(ControlPlaneAway):
        node1.driver.create("demo", {})
    monkeypatch.setattr(strays, "STRAY_SECONDS", 60)
    node1.strays.look()
    assert len(node1.pool.volume_ids()) == 1  # it may be under way
    monkeypatch.setattr(strays, "STRAY_SECONDS", 0)
    node1.strays.look()
    assert node1.pool.volume_ids() == []
    assert node1.troubles.all() == []


def test_a_creation_that_reaches_etcd_after_its_data_was_freed_is_not_made(
    cluster: MemoryCluster,
) -> None:
    """Else node1 owned a volume without data."""
    node1, etcd = cluster["node1"], cluster.ownership.etcd
    late: list[dict[str, Any]] = []

    def hold(_: str, question: dict[str, Any]) -> None:
        if any("request_put" in each for each in question.get("success", ())):
            late.append(question)
            raise ControlPlaneAway("etcd does not answer")

    etcd.before = hold
    with pytest.raises(ControlPlaneAway):
        node1.driver.create("demo", {})
    etcd.before = None
    node1.strays.look()
    assert node1.pool.volume_ids() == []
    for question in late:
        etcd.execute(question)
    assert cluster.state.volumes == {}


def test_of_two_imports_of_one_volume_at_once_one_is_refused(lost: MemoryCluster) -> None:
    """Each looked at the others before the other one began; a different name is no way around."""
    node1, node3 = lost["node1"], lost["node3"]
    lost["node2"].is_up = False

    def import_there() -> None:
        node1.is_up = False
        node3.maintenance.bring_back("demo", "other")
        node1.is_up = True

    node1.etcd.before["create"] = import_there
    with pytest.raises(Refused, match="there is a volume 'other' on node3 by now, which is this"):
        node1.maintenance.bring_back("demo", None)
    assert [each.owner for each in lost.state.volumes.values()] == ["node3"]
    node1.reconciler.catch_up()
    assert not node1.pool.has_writable(lost.volume("other").id)
    assert node1.read("other") == "second"


@pytest.fixture
def gone_back(cluster: MemoryCluster) -> MemoryCluster:
    """demo moved to node2 and is written to there; then a backup was restored that names node1."""
    node1, node2 = cluster["node1"], cluster["node2"]
    node1.driver.create("demo", {})
    node1.write("demo", "first")
    cluster.replicate()
    backup = cluster.ownership.etcd.backup()
    (node2.run("demo") / "file").write_text("second")
    cluster.replicate()
    look_everywhere(cluster)
    (node2.pool.writable_path(cluster.volume("demo").claim) / "file").write_text("third")
    cluster.go_back(backup)
    return cluster


def look_everywhere(cluster: MemoryCluster) -> None:
    for machine in cluster.machines.values():
        machine.reconciler.catch_up()
        machine.reconciler.tidy()
        machine.strays.look()


def test_a_volume_that_etcd_has_an_older_record_of_goes_on_where_it_is(
    gone_back: MemoryCluster,
) -> None:
    node2 = gone_back["node2"]
    for _ in range(2):
        look_everywhere(gone_back)
    assert node2.containers.running == {"demo": ["writer"]}
    [problem] = node2.operations.overview.status()["problems"]
    assert "older (epoch 1, owned by node1)" in problem
    assert "`flocker import demo` typed there" in problem
    with pytest.raises(StaleEpoch):
        gone_back["node1"].driver.mount("demo", "reader")
    node2.maintenance.bring_back("demo", None)
    assert (gone_back.volume("demo").owner, gone_back.volume("demo").epoch) == ("node2", 3)
    look_everywhere(gone_back)
    gone_back.replicate()
    assert node2.operations.overview.status()["problems"] == []
    assert node2.containers.running == {"demo": ["writer"]}
    node2.stop("demo")
    assert gone_back["node1"].read("demo") == "third"
    assert [each.pool.asides() for each in gone_back.machines.values()] == [[], [], []]


def test_an_auto_volume_is_imported_once_nobody_takes_it_over(cluster: MemoryCluster) -> None:
    node1 = cluster["node1"]
    node1.driver.create("demo", {"failover": "auto"})
    node1.write("demo", "hello")
    cluster.replicate()
    node1.strays.look()
    lose_etcd(cluster)
    cast(MemoryPool, node1.pool).is_read_only = True
    node1.look_at_pool()
    cast(MemoryPool, node1.pool).is_read_only = False
    with pytest.raises(Refused, match="cannot be used on node1: the pool cannot be written to"):
        node1.maintenance.bring_back("demo", None)
    node1.look_at_pool()
    node1.maintenance.bring_back("demo", None)
    assert node1.read("demo") == "hello"


def test_nobody_waits_for_a_volume_while_other_nodes_are_asked(
    gone_back: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node2, asked = gone_back["node2"], []

    def strays_there(node: str) -> list[dict[str, object]]:
        with node2.use.locked(gone_back.volume("demo"), within=0):
            asked.append(node)
        return []

    monkeypatch.setattr(node2.peers, "strays", strays_there)
    node2.maintenance.bring_back("demo", None)
    assert asked == ["node1", "node3"]


def test_an_older_record_is_not_replaced_under_another_name_or_where_others_use_it(
    gone_back: MemoryCluster,
) -> None:
    node2, volume = gone_back["node2"], gone_back.volume("demo")
    with pytest.raises(Refused, match="is called 'demo', and keeps that name"):
        node2.maintenance.bring_back("demo", "other")
    gone_back.ownership.mount(volume)
    with pytest.raises(InUse):
        node2.maintenance.bring_back("demo", None)
    gone_back.ownership.unmount(volume)
    node2.maintenance.bring_back("demo", None)
    assert node2.read("demo") == "third"


def test_what_a_container_has_is_not_freed_though_nothing_is_in_it_yet(
    lost: MemoryCluster,
) -> None:
    node3, before = lost["node3"], lost.ownership.etcd.backup()
    node3.driver.create("empty", {})
    node3.run("empty")
    volume = lost.volume("empty")
    lost.go_back(before)
    node3.strays.look()
    assert node3.pool.has_writable(volume.id)
    node3.containers.mounts.clear()
    node3.use.remove(volume, "writer")
    node3.strays.look()
    assert not node3.pool.has_writable(volume.id)


def test_of_two_equal_copies_one_may_have_no_record_beside_it(lost: MemoryCluster) -> None:
    lost["node2"].is_up = False
    lost["node3"].pool._records.clear()
    lost["node1"].maintenance.bring_back("demo", None)
    assert lost["node1"].read("demo") == "second"


def test_a_creation_whose_answer_was_lost_is_not_freed(cluster: MemoryCluster) -> None:
    node1 = cluster["node1"]
    node1.etcd.unheard = {"create"}
    with pytest.raises(ControlPlaneAway):
        node1.driver.create("demo", {})
    node1.strays.look()
    assert node1.pool.has_writable(cluster.volume("demo").id)


def test_a_record_that_is_kept_is_looked_at_again_after_a_minute(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    looked_at: list[str] = []
    monkeypatch.setattr(node1.pool, "keep_record", lambda volume: looked_at.append(volume.name))
    node1.strays.look()
    node1.strays.look()
    assert looked_at == ["demo"]
    monkeypatch.setattr(strays, "RECORD_SECONDS", 0)
    node1.strays.look()
    assert looked_at == ["demo", "demo"]
