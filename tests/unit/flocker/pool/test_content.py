"""A volume arrives exactly as it was, or it stays and a person is told why."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from flocker.base.errors import FlockerError, Refused
from flocker.base.records import Claim
from tests.unit.flocker.cluster import MemoryCluster


def add_subvolume(cluster: MemoryCluster, node: str) -> Path:
    """What docker-in-docker does in a container that uses the volume."""
    machine = cluster[node]
    folder = machine.run("demo") / "layer.subvolume"
    folder.mkdir()
    (folder / "file").write_text("inside")
    machine.stop("demo")
    return folder


def problem(cluster: MemoryCluster, node: str) -> str | None:
    said: str | None = cluster[node].operations.overview.status()["volumes"][0]["problem"]
    return said


def test_a_volume_with_a_subvolume_inside_stays_where_it_is(demo: MemoryCluster) -> None:
    folder = add_subvolume(demo, "node1")
    for _ in range(2):
        with pytest.raises(
            Refused, match=r"volume 'demo' cannot leave node1: the folder 'layer.subvolume' in it"
        ):
            demo["node2"].driver.mount("demo", "reader")
    assert demo.volume("demo").owner == "node1"
    assert demo.state.moves == {}
    assert (folder / "file").read_text() == "inside"

    shutil.rmtree(folder)
    assert demo["node2"].read("demo") == "hello"


def test_its_owner_says_so(demo: MemoryCluster) -> None:
    folder = add_subvolume(demo, "node1")
    assert "'layer.subvolume'" in str(problem(demo, "node1"))
    shutil.rmtree(folder)
    assert problem(demo, "node1") is None


def test_replicas_of_the_rest_are_kept_up(demo: MemoryCluster) -> None:
    add_subvolume(demo, "node1")
    demo["node1"].write("demo", "later")
    demo.replicate()
    demo.lose("node1")
    demo["node2"].failover.promote("demo")
    assert demo["node2"].read("demo") == "later"


def test_what_a_promotion_left_behind_is_kept_with_the_subvolume(demo: MemoryCluster) -> None:
    add_subvolume(demo, "node1")
    demo.replicate()
    demo.lose("node1")
    demo["node2"].failover.promote("demo")
    demo.bring_back("node1")
    [aside] = demo["node1"].pool.asides()
    assert aside.why == "conflict"
    assert not demo["node1"].pool.has_writable(demo.volume("demo").id)


@pytest.mark.parametrize(("size", "is_contained"), [("64MiB", True), (None, False)])
def test_of_a_volume_with_a_size_it_may_not_grow(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch, size: str | None, is_contained: bool
) -> None:
    node1 = cluster["node1"]
    node1.driver.create("demo", {"replicas": "0", **({"size": size} if size else {})})
    contained: list[Claim] = []
    monkeypatch.setattr(node1.pool, "contain", contained.append)
    node1.publish()
    assert contained == ([cluster.volume("demo").claim] if is_contained else [])


@pytest.mark.parametrize("asked", ["snapshot", "restore", "clone"])
def test_no_snapshot_is_taken_that_lacks_something(demo: MemoryCluster, asked: str) -> None:
    operations = demo["node1"].operations
    operations.snapshots.snapshot(["demo"], "")
    add_subvolume(demo, "node1")
    with pytest.raises(FlockerError, match=r"volume 'demo'.*folder 'layer.subvolume'"):
        match asked:
            case "snapshot":
                operations.snapshots.snapshot(["demo"], "")
            case "restore":
                operations.snapshots.restore("demo@1")
            case "clone":
                operations.changes.clone("demo", "other")
