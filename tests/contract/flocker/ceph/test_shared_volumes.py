"""The driver's own parts on two nodes, with a shared volume on a real Ceph between them."""

from __future__ import annotations

import errno
import time
from pathlib import Path

import pytest

from flocker.base.errors import InUse, StaleEpoch
from tests.contract.flocker.ceph.clients import Writer
from tests.contract.flocker.ceph.fixtures import SharedNodes
from tests.unit.flocker.cluster import Machine, MemoryCluster

pytestmark = pytest.mark.contract


@pytest.fixture
def cluster(shared_nodes: SharedNodes, tmp_path: Path) -> MemoryCluster:
    return MemoryCluster(tmp_path, ("node1", "node2"), reach=shared_nodes.way)


@pytest.fixture
def ledger(cluster: MemoryCluster) -> MemoryCluster:
    """Two nodes; node1 has made the shared volume "ledger"."""
    cluster["node1"].driver.create("ledger", {"pool": "shared"})
    return cluster


def opened(machine: Machine) -> list[str]:
    assert machine.remote is not None
    return [claim.volume_id for claim in machine.remote.opened()]


def lose(cluster: MemoryCluster, node: str) -> None:
    cluster[node].is_up = False
    cluster.ownership.expire(node)


def lines(machine: Machine) -> list[str]:
    mountpoint = machine.driver.mount("ledger", "reader")
    found = (mountpoint / "lines").read_text().splitlines()
    machine.driver.unmount("ledger", "reader")
    return found


def test_a_planned_move_brings_what_was_never_flushed_and_copies_nothing(
    ledger: MemoryCluster,
) -> None:
    node1, node2 = ledger["node1"], ledger["node2"]
    mountpoint = node1.run("ledger")
    (mountpoint / "big").write_bytes(b"x" * (32 << 20))
    with pytest.raises(InUse):
        node2.driver.mount("ledger", "writer")
    node1.stop("ledger")
    assert opened(node1) == []
    mountpoint = node2.run("ledger")
    assert (mountpoint / "big").read_bytes() == b"x" * (32 << 20)
    assert ledger.ownership.sessions(ledger.volume("ledger").id).keys() == {2}
    node2.stop("ledger")
    assert ledger.ownership.sessions(ledger.volume("ledger").id) == {}


def test_a_promotion_keeps_a_living_owner_out_and_loses_nothing_that_was_flushed(
    ledger: MemoryCluster,
) -> None:
    node1, node2 = ledger["node1"], ledger["node2"]
    with Writer(node1.run("ledger")) as writer:
        assert (writer.write("saved\n"), writer.flush()) == (0, 0)
        lose(ledger, "node1")
        node2.operations.moves.promote("ledger")
        assert lines(node2) == ["saved"]
        assert errno.ESHUTDOWN in (writer.write("late\n"), writer.flush())
    assert lines(node2) == ["saved"]
    node1.is_up = True
    node1.announce()
    assert node1.shared is not None
    node1.shared.clients.look()
    assert opened(node1) == []
    assert node1.containers.stopped == ["writer"]


def test_an_auto_volume_is_taken_over_within_seconds_of_the_lease(cluster: MemoryCluster) -> None:
    node1, node2 = cluster["node1"], cluster["node2"]
    node1.driver.create("ledger", {"pool": "shared", "failover": "auto"})
    with Writer(node1.run("ledger")) as writer:
        assert (writer.write("saved\n"), writer.flush()) == (0, 0)
        lose(cluster, "node1")
        began = time.monotonic()
        node2.failover.take_over_lost(cluster.state)
        assert lines(node2) == ["saved"]
        assert time.monotonic() - began < 10  # on a busy machine; 1 s on an idle one
        assert errno.ESHUTDOWN in (writer.write("late\n"), writer.flush())


def test_a_mount_that_loses_its_volume_before_it_is_recorded_ends(ledger: MemoryCluster) -> None:
    node1, node2 = ledger["node1"], ledger["node2"]

    def taken() -> None:
        lose(ledger, "node1")
        node2.operations.moves.promote("ledger")
        assert node2.run("ledger").is_dir()

    node1.etcd.before["begin_session"] = taken
    with pytest.raises((StaleEpoch, InUse)):
        node1.driver.mount("ledger", "writer")
    assert opened(node1) == []
    assert ledger.ownership.sessions(ledger.volume("ledger").id).keys() == {2}


def test_snapshots_go_with_the_volume_and_a_removed_one_comes_back(ledger: MemoryCluster) -> None:
    node1, node2 = ledger["node1"], ledger["node2"]
    node1.write("ledger", "first")
    node1.operations.snapshots.snapshot(["ledger"], "")
    node2.write("ledger", "second")
    node2.operations.snapshots.restore("ledger@1")
    assert node1.read("ledger") == "first"
    node1.operations.changes.clone("ledger@2", "copy")
    assert node2.read("copy") == "second"
    node2.driver.remove("ledger")
    node2.operations.recovery.undelete("ledger")
    assert node1.read("ledger") == "first"
    node1.operations.snapshots.prune("ledger@1")
    [left] = node1.operations.snapshots.snapshots("ledger")["snapshots"]
    assert left["number"] == 2
