"""What one node may do with a volume."""

from __future__ import annotations

from pathlib import Path

import pytest

from flocker.errors import (
    BadRequest,
    ControlPlaneAway,
    EngineAway,
    FlockerError,
    InUse,
    OwnerAway,
    PoolError,
    StaleEpoch,
    VolumeNotFound,
)
from flocker.ownership import Volume
from tests.unit.flocker.cluster import MemoryCluster


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
    assert cluster.ownership.volumes() == []


@pytest.mark.parametrize("name", ["a", "9", "A.b-c_d", "x" * 255])
def test_names_the_engine_accepts_are_accepted(cluster: MemoryCluster, name: str) -> None:
    cluster["node1"].driver.create(name, {})
    assert cluster["node1"].driver.describe(name).volume.name == name


def test_an_option_is_refused_rather_than_ignored(cluster: MemoryCluster) -> None:
    with pytest.raises(BadRequest, match="unknown option 'size'"):
        cluster["node1"].driver.create("demo", {"size": "1GiB"})
    assert cluster.ownership.volumes() == []


def test_a_name_lost_to_another_node_leaves_nothing_here(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = cluster["node1"]

    def lose(mine: Volume) -> Volume:
        return Volume(mine.name, "5f0c9b8e-0000-4000-8000-000000000000", "node2", 1, "")

    monkeypatch.setattr(node1.ownership, "create", lose)
    node1.driver.create("demo", {})
    assert node1.pool.volume_ids() == []


def test_a_crash_between_data_and_record_does_not_stop_the_next_create(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = cluster["node1"]
    with monkeypatch.context() as broken:
        broken.setattr(node1.ownership, "create", _away)
        with pytest.raises(ControlPlaneAway):
            node1.driver.create("demo", {})
    node1.driver.create("demo", {})
    node1.write("demo", "text")
    assert node1.read("demo") == "text"


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
    cluster["node1"].driver.mount("demo", "container")
    cluster["node1"].start()
    with pytest.raises(InUse):
        cluster["node2"].driver.mount("demo", "other")
    cluster["node1"].driver.unmount("demo", "container")
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

    def broken(_: object) -> None:
        raise PoolError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(node1.pool, "open", broken)
        with pytest.raises(PoolError, match="the disk is gone"):
            node1.driver.mount("demo", "container")
        # To the engine an error here would mean that the volume does not exist.
        described = node1.driver.describe("demo")
        assert described.mountpoint is None
        assert described.status["problem"] == "the disk is gone"
    assert cluster.ownership.mounts() == {}
    node1.driver.remove("demo")


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
    cluster["node1"].containers["demo"] = ["app-redis-1"]
    cluster["node1"].driver.mount("demo", "container")
    for machine in cluster.machines.values():
        with pytest.raises(InUse, match="container 'app-redis-1' on node1"):
            machine.driver.remove("demo")


def test_a_volume_whose_owner_is_away_is_not_removed(cluster: MemoryCluster) -> None:
    cluster["node1"].driver.create("demo", {})
    cluster["node1"].is_up = False
    with pytest.raises(OwnerAway, match="owned by node1, which does not answer"):
        cluster["node2"].driver.remove("demo")
    assert cluster.ownership.volume("demo") is not None


def test_a_copy_of_a_volume_that_exists_is_never_forgotten(cluster: MemoryCluster) -> None:
    cluster["node1"].driver.create("demo", {})
    volume = cluster["node1"].driver.describe("demo").volume
    with pytest.raises(FlockerError, match="has not been removed"):
        cluster["node1"].driver.forget(volume.id)
    assert cluster["node1"].pool.is_open(volume.id)


def test_an_engine_that_does_not_answer_only_costs_the_names(cluster: MemoryCluster) -> None:
    class Away(dict[str, list[str]]):
        def get(self, *_: object) -> list[str]:
            raise EngineAway("no answer")

    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    node1.driver.mount("demo", "container")
    node1.containers = Away()
    with pytest.raises(InUse, match="volume 'demo' is in use on node1"):
        node1.driver.remove("demo")


def test_an_owner_that_was_overtaken_while_away_puts_its_copy_away(
    cluster: MemoryCluster,
) -> None:
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    volume = node1.driver.describe("demo").volume
    move = cluster.ownership.start_move(volume, "node2")
    cluster.ownership.finish_move(volume, move)
    node1.start()
    node1.driver.catch_up()
    assert not node1.pool.is_open(volume.id)
    with pytest.raises(StaleEpoch):
        node1.pool.open(volume.claim)


def test_a_mount_nobody_recorded_the_end_of_does_not_stop_a_removal(
    cluster: MemoryCluster,
) -> None:
    cluster["node1"].driver.create("demo", {})
    cluster.ownership.mount(cluster["node1"].driver.describe("demo").volume)
    cluster["node2"].driver.remove("demo")
    assert cluster.ownership.volumes() == []


def test_mounts_are_recorded_again_after_a_lease_ran_out(cluster: MemoryCluster) -> None:
    node1 = cluster["node1"]
    for name in ("demo", "idle"):
        node1.driver.create(name, {})
    node1.driver.mount("demo", "container")
    cluster.ownership.expire("node1")
    assert cluster.ownership.mounts() == {}
    node1.driver.catch_up()
    assert list(cluster.ownership.mounts().values()) == ["node1"]


def test_a_count_that_cannot_be_written_is_not_in_force(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = cluster["node1"]
    node1.driver.create("demo", {})

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", _full)
        with pytest.raises(OSError, match="no space"):
            node1.driver.mount("demo", "container")
    assert cluster.ownership.mounts() == {}
    node1.driver.remove("demo")


def test_what_was_created_here_is_known_while_etcd_is_away(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    node1.driver.mount("demo", "container")
    monkeypatch.setattr(cluster.ownership, "volume", _away)
    monkeypatch.setattr(cluster.ownership, "volumes", _away)
    monkeypatch.setattr(cluster.ownership, "unmount", _away)
    assert node1.driver.describe("demo").volume.owner == "node1"
    assert [each.volume.name for each in node1.driver.describe_all()] == ["demo"]
    node1.driver.unmount("demo", "container")
    with pytest.raises(ControlPlaneAway):
        node1.driver.describe("never-heard-of")


@pytest.mark.parametrize("content", ["", "{", "[]", '[{"name": 1}]', "null"])
def test_a_catalog_that_cannot_be_read_is_begun_anew(cluster: MemoryCluster, content: str) -> None:
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


def _full(*_: object) -> None:
    raise OSError("no space left on device")


def _away(*_: object) -> Volume:
    raise ControlPlaneAway("etcd does not answer")
