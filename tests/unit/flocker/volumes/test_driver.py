"""What one node may do with a volume."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from flocker.base.errors import (
    BadRequest,
    ControlPlaneAway,
    EngineAway,
    InUse,
    OwnerAway,
    PoolError,
    Refused,
    StillNeeded,
    VolumeNotFound,
)
from flocker.base.records import Volume
from flocker.engine.volume_use import START_SECONDS
from flocker.volumes import mounting
from tests.twins.moves import start_move
from tests.unit.flocker.cluster import MemoryCluster

GIB = 1 << 30


def test_created_twice_is_created_once(cluster: MemoryCluster) -> None:
    cluster["node1"].driver.create("demo", {})
    cluster["node1"].write("demo", "kept")
    cluster["node1"].driver.create("demo", {})
    cluster["node2"].driver.create("demo", {})
    assert cluster["node1"].read("demo") == "kept"
    assert [each.volume.owner for each in cluster["node2"].driver.describe_all()] == ["node1"]


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../etc", "-x", "_x", "ä", "a b", "a\n", "x" * 256, "a\0b"]
)
def test_names_the_engine_would_refuse_are_refused(cluster: MemoryCluster, name: str) -> None:
    with pytest.raises(BadRequest, match="cannot be a volume's name"):
        cluster["node1"].driver.create(name, {})
    assert cluster.state.volumes == {}


@pytest.mark.parametrize("name", ["a", "9", "A.b-c_d", "x" * 255])
def test_names_the_engine_accepts_are_accepted(cluster: MemoryCluster, name: str) -> None:
    cluster["node1"].driver.create(name, {})
    assert cluster["node1"].driver.describe(name).volume.name == name


def test_an_option_is_refused_rather_than_ignored(cluster: MemoryCluster) -> None:
    with pytest.raises(BadRequest, match="unknown option 'colour'"):
        cluster["node1"].driver.create("demo", {"colour": "blue"})
    assert cluster.state.volumes == {}


def test_what_was_asked_for_is_recorded(cluster: MemoryCluster) -> None:
    cluster["node1"].driver.create("demo", {"size": "1GiB", "replicas": "1", "failover": "auto"})
    volume = cluster.volume("demo")
    assert (volume.size_bytes, volume.replicas, volume.failover) == (GIB, 1, "auto")
    assert (volume.owner, volume.epoch, volume.base) == ("node1", 1, None)
    [event] = cluster.ownership.history(volume.id)
    assert (event.what, event.node, event.volume) == ("created", "node1", "demo")


@pytest.mark.parametrize(
    ("option", "asked", "has"),
    [
        ("size", "2GiB", "size=2GiB was asked for, the volume has 1GiB"),
        ("replicas", "0", "replicas=0 was asked for, the volume has 2"),
        ("failover", "auto", "failover=auto was asked for, the volume has manual"),
        ("from", "other", "from=other was asked for, the volume began empty"),
        ("pool", "shared", "pool=shared was asked for, the volume has btrfs"),
    ],
)
@pytest.mark.parametrize("node", ["node1", "node2"])
def test_a_volume_that_is_otherwise_than_asked_for_is_refused_and_stays(
    cluster: MemoryCluster, node: str, option: str, asked: str, has: str
) -> None:
    cluster["node1"].driver.create("demo", {"size": "1GiB"})
    before = cluster.volume("demo")
    with pytest.raises(BadRequest, match=f"volume 'demo' exists already: {has}"):
        cluster[node].driver.create("demo", {option: asked})
    assert cluster.volume("demo") == before


def test_a_shared_volume_is_refused_where_no_storage_is_reached(cluster: MemoryCluster) -> None:
    with pytest.raises(Refused, match="node1 reaches no Ceph; set FLOCKER_CEPH_FILESYSTEM there"):
        cluster["node1"].driver.create("demo", {"pool": "shared"})
    assert cluster.state.volumes == {}
    assert cluster["node1"].pool.volume_ids() == []


def test_options_that_fit_or_are_not_given_are_no_difference(cluster: MemoryCluster) -> None:
    cluster["node1"].driver.create("demo", {"size": "1GiB", "failover": "auto"})
    cluster["node2"].driver.create("demo", {"size": "1024MiB"})
    cluster["node2"].driver.create("demo", {"replicas": "2", "pool": "btrfs"})


def test_a_name_lost_to_another_node_leaves_nothing_here(cluster: MemoryCluster) -> None:
    node1, node2 = cluster["node1"], cluster["node2"]
    node1.etcd.before["create"] = lambda: node2.driver.create("demo", {})
    node1.driver.create("demo", {})
    assert cluster.volume("demo").owner == "node2"
    assert node1.pool.volume_ids() == []


def test_a_name_lost_to_a_volume_that_is_otherwise_is_refused(cluster: MemoryCluster) -> None:
    node1, node2 = cluster["node1"], cluster["node2"]
    node1.etcd.before["create"] = lambda: node2.driver.create("demo", {"size": "1GiB"})
    with pytest.raises(BadRequest, match="the volume has 1GiB"):
        node1.driver.create("demo", {"size": "2GiB"})
    assert cluster.volume("demo").owner == "node2"
    assert node1.pool.volume_ids() == []


def test_a_create_that_never_got_through_does_not_stop_the_next(cluster: MemoryCluster) -> None:
    node1 = cluster["node1"]
    node1.etcd.away_for = {"create"}
    with pytest.raises(ControlPlaneAway):
        node1.driver.create("demo", {})
    assert cluster.state.volumes == {}
    node1.etcd.away_for = set()
    node1.driver.create("demo", {})
    node1.write("demo", "text")
    assert node1.read("demo") == "text"


def test_a_create_whose_answer_was_lost_has_its_data(cluster: MemoryCluster) -> None:
    node1 = cluster["node1"]
    node1.etcd.unheard = {"create"}
    with pytest.raises(ControlPlaneAway):
        node1.driver.create("demo", {})
    node1.etcd.unheard = set()
    node1.driver.create("demo", {})
    node1.write("demo", "text")
    assert cluster["node2"].read("demo") == "text"


def test_a_pool_that_cannot_make_it_records_nothing(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = cluster["node1"]
    monkeypatch.setattr(node1.pool, "create", _broken)
    with pytest.raises(PoolError):
        node1.driver.create("demo", {})
    assert cluster.state.volumes == {}


# from=


@pytest.fixture
def source(cluster: MemoryCluster) -> MemoryCluster:
    """node1 owns "demo", whose snapshot demo@1 says "then" and which says "now"."""
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    node1.write("demo", "then")
    node1.operations.snapshots.snapshot(["demo"], "")
    node1.write("demo", "now")
    return cluster


@pytest.mark.parametrize("node", ["node1", "node2"])
@pytest.mark.parametrize(("reference", "text"), [("demo", "now"), ("demo@1", "then")])
def test_a_volume_can_begin_as_another(
    source: MemoryCluster, node: str, reference: str, text: str
) -> None:
    source[node].driver.create("copy", {"from": reference, "replicas": "0"})
    made = source.volume("copy")
    assert (made.made_from, made.owner, made.replicas) == (reference, "node1", 0)
    assert source[node].read("copy") == text
    assert source["node1"].read("demo") == "now"
    event = source.ownership.history(made.id)[0]
    assert (event.what, event.why) == ("created", f"from {reference}")


def test_a_snapshot_that_is_here_is_used_here(source: MemoryCluster) -> None:
    source.replicate()
    source["node2"].driver.create("copy", {"from": "demo@1"})
    assert source.volume("copy").owner == "node2"
    assert source["node2"].read("copy") == "then"


def test_a_copy_put_aside_can_be_made_a_volume_from_any_node(source: MemoryCluster) -> None:
    node1 = source["node1"]
    node1.driver.remove("demo")
    [aside] = node1.pool.asides()
    for node in ("node1", "node2"):
        source[node].driver.create(f"copy-{node}", {"from": aside.reference})
        assert source.volume(f"copy-{node}").owner == "node1"
        assert source[node].read(f"copy-{node}") == "now"
    assert node1.pool.asides() == [aside]


def test_names_of_nodes_that_begin_alike_are_told_apart(tmp_path: Path) -> None:
    cluster = MemoryCluster(tmp_path, names=("node2", "node1", "node10"))
    node10 = cluster["node10"]
    node10.driver.create("demo", {})
    node10.write("demo", "text")
    node10.driver.remove("demo")
    [aside] = node10.pool.asides()
    cluster["node2"].driver.create("copy", {"from": aside.reference})
    assert cluster["node2"].read("copy") == "text"


@pytest.mark.parametrize("node", ["node1", "node2"])
@pytest.mark.parametrize(
    ("reference", "refusal"),
    [
        ("demo@7", "node1 has no snapshot 7 of volume 'demo'"),
        ("demo@node1-20260101T000000Z", "there is no copy demo@node1-20260101T000000Z"),
        ("demo@node9-20260101T000000Z", "there is no copy demo@node9-20260101T000000Z"),
        ("nothing", "no volume 'nothing'"),
        ("nothing@1", "no volume 'nothing'"),
    ],
)
def test_what_cannot_be_had_makes_no_volume(
    source: MemoryCluster, node: str, reference: str, refusal: str
) -> None:
    before = source["node1"].pool.volume_ids()
    with pytest.raises((Refused, VolumeNotFound), match=refusal):
        source[node].driver.create("copy", {"from": reference})
    assert list(source.state.volumes) == ["demo"]
    assert source["node1"].pool.volume_ids() == before


def test_a_source_on_a_node_that_is_away_is_not_said_to_be_gone(source: MemoryCluster) -> None:
    node1 = source["node1"]
    node1.driver.create("other", {})
    node1.write("other", "text")
    node1.driver.remove("other")
    [aside] = node1.pool.asides()
    source.lose("node1")
    for reference in ("demo", "demo@1", aside.reference):
        with pytest.raises(OwnerAway, match="node1"):
            source["node2"].driver.create("copy", {"from": reference})
    assert list(source.state.volumes) == ["demo"]


def test_a_size_that_is_too_small_for_its_content_is_refused(source: MemoryCluster) -> None:
    node1 = source["node1"]
    mountpoint = node1.driver.mount("demo", "writer")
    (mountpoint / "big").write_bytes(bytes(17 << 20))
    node1.driver.unmount("demo", "writer")
    with pytest.raises(Refused):
        node1.driver.create("copy", {"from": "demo", "size": "16MiB"})
    assert list(source.state.volumes) == ["demo"]


# Mounting


def test_a_mount_of_what_nobody_knows_says_so(cluster: MemoryCluster) -> None:
    with pytest.raises(VolumeNotFound, match="no volume 'nowhere'"):
        cluster["node1"].driver.mount("nowhere", "id")
    with pytest.raises(VolumeNotFound):
        cluster["node1"].driver.unmount("nowhere", "id")
    with pytest.raises(VolumeNotFound):
        cluster["node1"].driver.describe("nowhere")


def test_the_same_mount_id_counts_as_often_as_it_comes(cluster: MemoryCluster) -> None:
    """`docker cp` mounts and unmounts with the ID the running container holds."""
    driver = cluster["node1"].driver
    driver.create("demo", {})
    assert driver.mount("demo", "container") == driver.mount("demo", "container")
    driver.unmount("demo", "container")
    with pytest.raises(InUse):
        cluster["node2"].driver.mount("demo", "other")
    driver.unmount("demo", "container")
    cluster["node2"].driver.mount("demo", "other")


def test_holders_outlive_the_daemon(cluster: MemoryCluster) -> None:
    cluster["node1"].driver.create("demo", {})
    cluster["node1"].run("demo", "container")
    cluster["node1"].start()
    with pytest.raises(InUse):
        cluster["node2"].driver.mount("demo", "other")
    cluster["node1"].stop("demo", "container")
    cluster["node2"].driver.mount("demo", "other")


def test_a_mount_the_engine_never_heard_the_end_of_outlives_the_daemon_as_long_as_a_start_takes(
    cluster: MemoryCluster,
) -> None:
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    node1.driver.mount("demo", "container")
    node1.clock += START_SECONDS - 12
    node1.start()
    with pytest.raises(InUse, match="it counts as in use for 12 s more, then try again"):
        cluster["node2"].driver.mount("demo", "other")
    node1.clock += 12
    cluster["node2"].driver.mount("demo", "other")


def test_an_unmount_that_was_never_mounted_changes_nothing(cluster: MemoryCluster) -> None:
    driver = cluster["node1"].driver
    driver.create("demo", {})
    driver.unmount("demo", "nobody")
    driver.mount("demo", "container")
    driver.unmount("demo", "nobody")
    with pytest.raises(InUse):
        driver.remove("demo")


def test_a_failed_mount_leaves_nothing_mounted(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    with monkeypatch.context() as patch:
        patch.setattr(node1.pool, "writable_path", _broken)
        with pytest.raises(PoolError) as failed:
            node1.driver.mount("demo", "container")
        assert str(failed.value) == "volume 'demo' cannot be opened on node1: the disk is gone"
        # To the engine an error here would mean that the volume does not exist.
        described = node1.driver.describe("demo")
        assert described.mountpoint is None
        assert node1.driver.status(described.volume)["problem"] == str(failed.value)
    assert cluster.state.mounts == {}
    node1.driver.remove("demo")


def test_a_failed_mount_beside_a_good_one_leaves_that_mounted(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    node1.run("demo", "container")
    with monkeypatch.context() as patch:
        patch.setattr(node1.pool, "writable_path", _broken)
        with pytest.raises(PoolError):
            node1.driver.mount("demo", "other")
    assert list(cluster.state.mounts.values()) == ["node1"]
    with pytest.raises(InUse):
        cluster["node2"].driver.mount("demo", "other")


def test_a_count_that_cannot_be_written_is_not_in_force(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", _full)
        with pytest.raises(OSError, match="no space"):
            node1.driver.mount("demo", "container")
    assert cluster.state.mounts == {}
    node1.driver.remove("demo")


def test_a_mount_that_others_keep_waiting_is_refused_in_time(cluster: MemoryCluster) -> None:
    node1 = cluster["node1"]
    node1.answer_seconds = 0.1
    node1.start()
    node1.driver.create("demo", {})
    with (
        node1.use.locked(cluster.volume("demo")),
        pytest.raises(Refused, match="volume 'demo' is busy on node1; run the command again"),
    ):
        node1.driver.mount("demo", "container")
    assert cluster.state.mounts == {}
    node1.driver.mount("demo", "container")


def test_a_volume_that_moves_while_it_is_being_mounted_is_brought_back(
    cluster: MemoryCluster,
) -> None:
    node1, node2 = cluster["node1"], cluster["node2"]
    node1.driver.create("demo", {})
    node1.etcd.after["volume"] = lambda: node2.write("demo", "newer")
    assert node1.read("demo") == "newer"


def test_the_fence_hears_of_uses_that_others_would_take_over(cluster: MemoryCluster) -> None:
    node1 = cluster["node1"]
    node1.driver.create("plain", {})
    node1.driver.create("demo", {"failover": "auto"})
    node1.run("plain")
    node1.stop("plain")
    assert node1.guard.covered == []
    assert node1.guard.used == []
    node1.run("demo", "one")
    node1.run("demo", "two")
    node1.stop("demo", "one")
    assert node1.guard.covered == ["demo", "demo"]
    assert node1.guard.used == []
    node1.stop("demo", "two")
    assert node1.guard.used == [set()]


def test_what_the_fence_would_not_stop_is_not_mounted(cluster: MemoryCluster) -> None:
    """A failed mount is never followed by an unmount, so nothing may stay counted."""
    node1 = cluster["node1"]
    node1.driver.create("demo", {"failover": "auto"})
    node1.guard.refusal = Refused("the fence does not look")
    with pytest.raises(Refused, match="does not look"):
        node1.driver.mount("demo", "one")
    assert node1.use.volumes() == set()
    assert cluster.state.mounts == {}
    node1.guard.refusal = None
    node1.run("demo", "one")


def test_a_lease_that_ends_while_the_fence_is_waited_for_leaves_nothing_mounted(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else containers of two nodes would write: the new lease finds no use to stop yet."""
    node1, node3 = cluster["node1"], cluster["node3"]
    node1.driver.create("demo", {"failover": "auto"})
    node1.write("demo", "hello")
    cluster.replicate()
    node1.announce()

    @contextmanager
    def covering(_volume: Volume, _within: float) -> Iterator[None]:
        cluster.ownership.expire("node1")
        node3.failover.take_over_lost(cluster.state)
        node3.run("demo")
        node1.announce()
        yield

    monkeypatch.setattr(node1.guard, "covering", covering)
    with pytest.raises(InUse, match="in use by container 'writer' on node3"):
        node1.driver.mount("demo", "one")
    assert node1.use.volumes() == set()
    assert cluster.state.mounts == {cluster.volume("demo").id: "node3"}


# Removing


def test_a_removed_volume_is_gone_everywhere_and_twice(cluster: MemoryCluster) -> None:
    cluster["node1"].driver.create("demo", {})
    cluster["node1"].write("demo", "text")
    cluster["node2"].read("demo")
    cluster["node3"].driver.remove("demo")
    cluster["node3"].driver.remove("demo")
    for machine in cluster.machines.values():
        assert machine.driver.describe_all() == []
        assert machine.pool.volume_ids() == []


def test_a_used_volume_is_not_removed_from_any_node(cluster: MemoryCluster) -> None:
    cluster["node1"].driver.create("demo", {})
    cluster["node1"].run("demo", "app-redis-1")
    for machine in cluster.machines.values():
        with pytest.raises(InUse, match="container 'app-redis-1' on node1"):
            machine.driver.remove("demo")


def test_a_volume_that_only_the_kernel_sees_used_is_not_removed(cluster: MemoryCluster) -> None:
    cluster["node1"].driver.create("demo", {})
    cluster["node1"].containers.mounts.add(cluster.volume("demo").id)
    with pytest.raises(InUse):
        cluster["node1"].driver.remove("demo")


def test_a_volume_of_a_stopped_container_is_not_removed_by_another_node(
    cluster: MemoryCluster,
) -> None:
    """`docker volume prune --all` on node3: its engine knows of no container that has it."""
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    node1.containers.exited["demo"] = ["app-redis-1"]
    with pytest.raises(StillNeeded, match=r"on node1: app-redis-1; .* docker rm app-redis-1"):
        cluster["node3"].driver.remove("demo")
    assert "demo" in cluster.state.volumes
    node1.containers.exited.clear()
    cluster["node3"].driver.remove("demo")
    assert cluster.state.volumes == {}


def test_stopped_containers_that_a_move_left_behind_do_not_keep_a_volume(
    cluster: MemoryCluster,
) -> None:
    """`docker-compose stop` on node1, `up` and then `down --volumes` on node2."""
    node1, node2 = cluster["node1"], cluster["node2"]
    node1.driver.create("demo", {})
    node1.containers.exited["demo"] = ["app-redis-1"]
    node2.run("demo", "app-redis-1")
    node2.stop("demo", "app-redis-1")
    node2.containers.exited["demo"] = ["app-redis-1"]
    with pytest.raises(StillNeeded, match="on node2: app-redis-1"):
        node1.driver.remove("demo")
    node2.containers.exited.clear()
    node2.driver.remove("demo")
    assert cluster.state.volumes == {}


def test_what_an_owners_own_engine_removes_is_not_asked_about_again(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(_: str) -> list[str]:
        raise AssertionError("it waits for this very answer")

    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    monkeypatch.setattr(node1.containers, "containers_with", asked)
    node1.driver.remove("demo")
    assert cluster.state.volumes == {}


def test_a_volume_is_kept_while_its_owners_engine_does_not_say_who_needs_it(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: str) -> list[str]:
        raise EngineAway("the Docker engine does not answer")

    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    monkeypatch.setattr(node1.containers, "containers_with", away)
    with pytest.raises(Refused, match="stopped containers on node1 may need it, and the Docker"):
        cluster["node2"].driver.remove("demo")
    assert "demo" in cluster.state.volumes


def test_a_volume_whose_owner_is_away_is_not_removed(cluster: MemoryCluster) -> None:
    cluster["node1"].driver.create("demo", {})
    cluster["node1"].is_up = False
    with pytest.raises(OwnerAway, match="owned by node1, which does not answer"):
        cluster["node2"].driver.remove("demo")
    assert "demo" in cluster.state.volumes


def test_an_engine_that_does_not_answer_only_costs_the_names(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: str) -> list[str]:
        raise EngineAway("no answer")

    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    node1.run("demo")
    monkeypatch.setattr(node1.containers, "containers_using", away)
    with pytest.raises(InUse, match="volume 'demo' is in use on node1"):
        node1.driver.remove("demo")


def test_a_mount_nobody_recorded_the_end_of_does_not_stop_a_removal(
    cluster: MemoryCluster,
) -> None:
    cluster["node1"].driver.create("demo", {})
    cluster.ownership.mount(cluster.volume("demo"))
    cluster["node2"].driver.remove("demo")
    assert cluster.state.volumes == {}


def test_a_removal_that_never_got_through_keeps_everything(cluster: MemoryCluster) -> None:
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    node1.write("demo", "text")
    node1.etcd.away_for = {"remove"}
    with pytest.raises(ControlPlaneAway):
        node1.driver.remove("demo")
    node1.etcd.away_for = set()
    assert node1.read("demo") == "text"


def test_a_removal_whose_answer_was_lost_is_done(cluster: MemoryCluster) -> None:
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    node1.write("demo", "text")
    node1.etcd.unheard = {"remove"}
    with pytest.raises(ControlPlaneAway):
        node1.driver.remove("demo")
    node1.etcd.unheard = set()
    node1.driver.remove("demo")
    node1.reconciler.tidy()
    assert node1.pool.volume_ids() == []
    assert [aside.why for aside in node1.pool.asides()] == ["removed"]


# What is known


def test_every_call_but_those_that_decide_is_answered_while_etcd_is_away(
    cluster: MemoryCluster,
) -> None:
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    mountpoint = node1.run("demo", "container")
    node1.etcd.is_away = True
    described = node1.driver.describe("demo")
    assert (described.volume.owner, described.mountpoint) == ("node1", mountpoint)
    assert [each.volume.name for each in node1.driver.describe_all()] == ["demo"]
    assert "etcd does not answer" in node1.driver.status(described.volume)["problem"]
    node1.stop("demo", "container")
    assert not node1.use.any(described.volume)


def test_without_etcd_nothing_is_ever_said_not_to_be_there(cluster: MemoryCluster) -> None:
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    node1.etcd.is_away = True
    for name in ("demo", "never-heard-of"):
        with pytest.raises(ControlPlaneAway):
            node1.driver.mount(name, "container")
        with pytest.raises(ControlPlaneAway):
            node1.driver.remove(name)
    for call in (node1.driver.describe, lambda name: node1.driver.unmount(name, "container")):
        with pytest.raises(ControlPlaneAway):
            call("never-heard-of")
    with pytest.raises(ControlPlaneAway):
        node1.driver.create("never-heard-of", {})
    with pytest.raises(ControlPlaneAway):
        node1.driver.create("never-heard-of", {"from": "neither"})
    node1.driver.create("demo", {})  # known to be there
    assert cluster.state.mounts == {}


def test_what_was_known_is_known_after_a_restart_without_etcd(cluster: MemoryCluster) -> None:
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    node1.etcd.is_away = True
    node1.start()
    assert node1.driver.describe("demo").mountpoint is not None


@pytest.mark.parametrize("content", ["", "{", "[]", '[{"name": 1}]', "null"])
def test_a_mirror_that_cannot_be_read_is_begun_anew(cluster: MemoryCluster, content: str) -> None:
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    (node1.folder / "catalog.json").write_text(content)
    node1.start()
    assert node1.driver.describe("demo").volume.owner == "node1"


def test_a_full_disk_does_not_turn_an_answer_into_an_error(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    node1.folder.joinpath("catalog.json").unlink()
    monkeypatch.setattr(Path, "write_text", _full)
    node2 = cluster["node2"]
    assert node2.driver.describe("demo").volume.owner == "node1"


def test_inspect_shows_who_has_it_and_how_current_the_replicas_are(cluster: MemoryCluster) -> None:
    node1, node2 = cluster["node1"], cluster["node2"]
    node1.driver.create("demo", {"size": "1GiB", "failover": "auto"})
    node1.write("demo", "text")
    cluster.replicate()
    status = node1.driver.status(cluster.volume("demo"))
    assert status["owner"] == "node1"
    assert status["epoch"] == 1
    assert status["size"] == "1GiB"
    assert status["failover"] == "auto"
    assert status["pool"] == "btrfs"
    assert status["replicas"] == {"node2": "current", "node3": "current"}
    assert status["used_bytes"] > 0
    assert "problem" not in status
    node1.write("demo", "more")
    node1.publish()
    node2.follow()
    status = node2.driver.status(cluster.volume("demo"))
    behind = cluster.state.copies[cluster.volume("demo").id]["node3"]
    assert status["replicas"] == {
        "node2": "current",
        "node3": f"complete up to {behind.taken_at}",
    }
    assert "used_bytes" not in status


def test_inspect_shows_a_move(cluster: MemoryCluster) -> None:
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    move = start_move(cluster.ownership, cluster.volume("demo"), "node2")
    assert node1.driver.status(cluster.volume("demo"))["move"] == "to node2"
    half = type(move)(**{**vars(move), "bytes_done": 5, "bytes_total": 10})
    cluster.ownership.report_move(half)
    assert node1.driver.status(cluster.volume("demo"))["move"] == "to node2, 50 %"


def test_inspect_answers_also_when_a_volume_cannot_be_looked_into(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    monkeypatch.setattr(node1.pool, "problem", _broken)
    assert node1.driver.status(cluster.volume("demo"))["problem"] == "the disk is gone"
    assert node1.operations.overview.status()["volumes"][0]["problem"] == "the disk is gone"


def test_inspect_says_that_the_owner_is_away(cluster: MemoryCluster) -> None:
    cluster["node1"].driver.create("demo", {})
    cluster.lose("node1")
    problem = cluster["node2"].driver.status(cluster.volume("demo"))["problem"]
    assert "owned by node1, which is away since" in problem


def _broken(*_: object) -> None:
    raise PoolError("the disk is gone")


def _full(*_: object) -> None:
    raise OSError("no space left on device")


def test_a_removal_ends_a_use_without_asking_the_engine_that_asks(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dockerd answers no question about volumes while it removes one."""

    def hangs(_: Collection[str]) -> None:
        raise EngineAway("the Docker engine does not answer")

    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    node1.driver.mount("demo", "container")  # and its unmount was lost
    monkeypatch.setattr(node1.containers, "uses_of", hangs)
    with pytest.raises(InUse, match="counts as in use for 30 s more"):
        node1.driver.remove("demo")
    node1.clock += START_SECONDS
    node1.driver.remove("demo")
    assert cluster.state.volumes == {}


def test_a_mount_waits_until_etcd_has_a_leader(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After all nodes got their power back: the engine starts a container that restarts once."""
    monkeypatch.setattr(mounting, "LEADER_POLL_SECONDS", 0.05)
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    node1.etcd.away_for = {"volume"}
    with ThreadPoolExecutor() as threads:
        start = threads.submit(node1.driver.mount, "demo", "container")
        with pytest.raises(TimeoutError):
            start.result(0.3)
        node1.etcd.away_for = {"mount"}
        with pytest.raises(TimeoutError):
            start.result(0.3)
        node1.etcd.away_for = set()
        assert start.result(10).is_dir()
    assert node1.use.any(cluster.volume("demo"))


def test_a_mount_waits_for_etcd_no_longer_than_the_engine_does(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounting, "LEADER_POLL_SECONDS", 0.05)
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    node1.answer_seconds = 0.3
    node1.start()
    node1.etcd.is_away = True
    before = time.monotonic()
    with pytest.raises(ControlPlaneAway):
        node1.driver.mount("demo", "container")
    assert 0.2 < time.monotonic() - before < 5
