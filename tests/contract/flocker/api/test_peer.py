"""One node asks another over mutual TLS: moves, replicas, operations, refusals."""

from __future__ import annotations

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import (
    ControlPlaneAway,
    FlockerError,
    Refused,
    TransferFailed,
)
from flocker.base.records import ClusterState, Snapshot
from flocker.volumes.requests import FORWARDED, Forwarded
from tests.contract.flocker.peer_certificates import Authority
from tests.contract.flocker.peer_server import peers_of_node2
from tests.unit.flocker.cluster import MemoryCluster

pytestmark = pytest.mark.contract


def test_a_volume_moves_over_the_network(demo: MemoryCluster) -> None:
    assert demo["node2"].read("demo") == "hello"
    volume = demo.volume("demo")
    assert volume.owner == "node2"
    old = demo["node1"].pool
    eventually(lambda: old.has_writable(volume.id), is_=False, within=5)  # it is told afterwards


def test_a_refusal_arrives_with_its_words(demo: MemoryCluster) -> None:
    demo["node1"].run("demo", "app-redis-1")
    with pytest.raises(Refused, match="in use by container 'app-redis-1' on node1"):
        demo["node2"].driver.mount("demo", "other")
    with pytest.raises(Refused, match="in use by container 'app-redis-1' on node1"):
        demo["node2"].driver.remove("demo")


def test_an_owner_with_a_stopped_container_refuses_a_removal(demo: MemoryCluster) -> None:
    demo["node1"].containers.exited["demo"] = ["app-redis-1"]
    with pytest.raises(Refused, match="by stopped containers on node1: app-redis-1"):
        demo["node2"].driver.remove("demo")
    assert "demo" in demo.state.volumes


def test_removing_reaches_the_owner(demo: MemoryCluster) -> None:
    demo["node2"].driver.remove("demo")
    assert demo["node1"].pool.volume_ids() == []
    assert demo.state.volumes == {}


def test_a_removal_is_told_to_replicas(
    demo: MemoryCluster, port: int, authority: Authority
) -> None:
    """Asked of node2 this time, whose copy lies on node1."""
    demo["node2"].read("demo")
    node1 = demo["node1"]
    demo["node2"].driver.remove("demo")
    eventually(node1.pool.volume_ids, is_=[], within=5)
    assert [aside.volume for aside in demo["node2"].peers.asides("node1")] == ["demo"]
    assert peers_of_node2(demo, port, authority).asides("node1") == node1.pool.asides()


def test_a_replica_follows_over_the_network(demo: MemoryCluster, sent: list[int]) -> None:
    node1, node2 = demo["node1"], demo["node2"]
    node1.publish()
    node2.follow()
    volume_id = demo.volume("demo").id
    assert node2.pool.snapshots(volume_id) == node1.pool.snapshots(volume_id)
    received = node1.pool.stream_bytes(volume_id, 1, None)
    assert sum(sent) >= received > 0
    assert node1.retention.numbers(demo.volume("demo"), ClusterState()) == {1}


def test_small_changes_come_over_the_network_in_one_stream(
    demo: MemoryCluster, sent: list[int]
) -> None:
    node1, node2 = demo["node1"], demo["node2"]
    node1.driver.create("other", {})
    node1.publish()
    node2.follow()
    for name in ("demo", "other"):
        node1.write(name, "more")
    node1.publish()
    sent.clear()
    volumes = [demo.volume(name) for name in ("demo", "other")]
    assert node2.follower.follow_many("node1", volumes, demo.state) == []
    for volume in volumes:
        assert node2.pool.snapshots(volume.id) == node1.pool.snapshots(volume.id)
        copies = demo.state.copies_of(volume)
        assert copies["node2"].snapshot == copies["node1"].snapshot
    assert sum(sent) > 0


def test_a_volume_is_made_where_its_source_is(demo: MemoryCluster) -> None:
    demo["node2"].driver.create("copy", {"from": "demo", "replicas": "0"})
    copy = demo.volume("copy")
    assert (copy.owner, copy.replicas) == ("node1", 0)
    with pytest.raises(Refused, match="node1 has no snapshot 7 of volume 'demo'"):
        demo["node2"].driver.create("other", {"from": "demo@7"})


@pytest.mark.parametrize(
    ("operation", "arguments", "answers"),
    [
        ("snapshot", {"volumes": ["demo"], "label": "größer"}, "snapshots"),
        ("resize", {"volume": "demo", "size_bytes": None}, "volume"),
        ("restore", {"reference": "demo@1"}, "kept_as"),
        ("move", {"volume": "demo", "to": "node1"}, "volume"),
    ],
)
def test_an_operation_is_done_where_the_data_is(
    demo: MemoryCluster, operation: str, arguments: dict[str, object], answers: str
) -> None:
    demo["node1"].operations.snapshots.snapshot(["demo"], "")
    request = FORWARDED[operation].model_validate(arguments)
    there = demo["node1"].operations.do(request)
    answer = demo["node2"].peers.operate("node1", request)
    assert answer.keys() == there.keys()
    assert answers in answer


def test_a_snapshot_is_given_up_where_the_data_is(demo: MemoryCluster) -> None:
    demo["node1"].operations.snapshots.snapshot(["demo"], "")
    assert demo["node2"].operations.snapshots.prune("demo@1") == {"reference": "demo@1"}
    assert demo["node1"].operations.snapshots.snapshots("demo") == {"snapshots": []}


def test_an_operation_brings_a_removed_volume_back(demo: MemoryCluster) -> None:
    demo["node1"].driver.remove("demo")
    answer = demo["node2"].operations.recovery.undelete("demo")
    assert answer["volume"]["owner"] == "node1"
    assert demo["node2"].read("demo") == "hello"


def test_a_removed_volume_is_purged_at_a_peer(demo: MemoryCluster) -> None:
    demo["node1"].driver.remove("demo")
    answer = demo["node2"].maintenance.purge("demo")
    [node1] = [each for each in answer["nodes"] if each["node"] == "node1"]
    assert len(node1["purged"]) == 1
    assert demo["node1"].pool.asides() == []


def test_copies_are_compared_with_a_peers(demo: MemoryCluster) -> None:
    demo["node1"].publish()
    demo["node2"].follow()
    answer = demo["node2"].verification.verify("demo")  # asks node1, the owner
    assert [copy["result"] for copy in answer["copies"]] == ["same", "same"]
    [snapshot] = demo["node1"].pool.snapshots(demo.volume("demo").id)
    peers = demo["node2"].peers
    read = peers.digest(demo.volume("demo").id, "node1", snapshot, 1 << 40)
    assert read == demo["node2"].pool.digest(demo.volume("demo").id, snapshot.number, 1 << 40)
    with pytest.raises(Refused, match="snapshot 9 is gone from node1"):
        peers.digest(demo.volume("demo").id, "node1", Snapshot(9, "gone"), 1 << 40)


@pytest.mark.parametrize("operation", ["purge", "promote", "_freeze", "driver", "nothing"])
def test_peers_are_not_asked_for_any_other_operation(demo: MemoryCluster, operation: str) -> None:
    class Other(Forwarded):
        pass

    Other.operation = operation
    with pytest.raises(Refused, match=f"no operation '{operation}'"):
        demo["node2"].peers.operate("node1", Other())


def test_what_a_peer_could_not_do_is_told(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ControlPlaneAway("etcd does not answer")

    monkeypatch.setattr(demo["node1"].departures, "check_unused", broken)
    with pytest.raises(FlockerError, match="node1 could not do it: etcd does not answer"):
        demo["node2"].driver.mount("demo", "container")
    assert demo.volume("demo").owner == "node1"


def test_a_defect_of_a_peer_is_told(demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(demo["node1"].departures, "check_unused", broken)
    with pytest.raises(TransferFailed, match=r"volume 'demo' did not come.*node1 could not do it"):
        demo["node2"].driver.mount("demo", "container")
