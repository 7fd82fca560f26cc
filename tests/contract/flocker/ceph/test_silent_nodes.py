"""A node that falls silent with its own mount of the volumes' folder, which the next owner needs.

Ceph gives a silent client up after a minute. Nobody waits for that who has it blocked.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import PoolError
from tests.contract.flocker.ceph.clients import Writer
from tests.contract.flocker.ceph.fixtures import LONGEST_SECONDS
from tests.contract.flocker.ceph.silent_nodes import SilentNodes
from tests.contract.flocker.ceph.small_ceph import SmallCeph
from tests.unit.flocker.cluster import Machine, MemoryCluster

pytestmark = pytest.mark.contract


@pytest.fixture
def ways(ceph: SmallCeph, top: Path) -> Iterator[SilentNodes]:
    folder = uuid.uuid4().hex[:8]
    (top / folder).mkdir()
    nodes = SilentNodes(ceph, f"/{folder}")
    too_late = threading.Timer(LONGEST_SECONDS, nodes.kill)
    too_late.start()
    yield nodes
    too_late.cancel()
    nodes.end()


@pytest.fixture
def cluster(ways: SilentNodes, tmp_path: Path) -> MemoryCluster:
    return MemoryCluster(tmp_path, ("node1", "node2"), reach=ways.way)


def lose(cluster: MemoryCluster, node: str) -> None:
    cluster[node].is_up = False
    cluster.ownership.expire(node)


def text_of(machine: Machine, volume: str) -> str:
    mountpoint = machine.driver.mount(volume, "reader")
    text = (mountpoint / "lines").read_text()
    machine.driver.unmount(volume, "reader")
    return text


def volume_ids(machine: Machine) -> list[str]:
    assert machine.remote is not None
    return machine.remote.volume_ids()


def test_a_takeover_does_not_wait_for_the_lost_nodes_own_mount(
    cluster: MemoryCluster, ways: SilentNodes
) -> None:
    node1, node2 = cluster["node1"], cluster["node2"]
    node1.driver.create("ledger", {"pool": "shared", "failover": "auto"})
    with Writer(node1.run("ledger")) as writer:
        assert (writer.write("saved\n"), writer.flush()) == (0, 0)
        with ways.silent("node1"):
            lose(cluster, "node1")
            began = time.monotonic()
            node2.failover.take_over_lost(cluster.state)
            assert text_of(node2, "ledger") == "saved\n"
            assert time.monotonic() - began < 10  # on a busy machine; 1 s on an idle one


def test_a_node_that_comes_back_mounts_anew_and_keeps_what_nobody_took(
    cluster: MemoryCluster, ways: SilentNodes
) -> None:
    node1, node2 = cluster["node1"], cluster["node2"]
    node1.driver.create("ledger", {"pool": "shared"})
    node1.driver.create("kept", {"pool": "shared"})
    with Writer(node1.run("kept")) as writer:
        assert (writer.write("before\n"), writer.flush()) == (0, 0)
        former = ways.own("node1")
        with ways.silent("node1"):
            lose(cluster, "node1")
            node2.operations.moves.promote("ledger")
            assert cluster.ownership.root("node1") == []
        node1.is_up = True
        node1.announce()
        eventually(lambda: len(volume_ids(node1)), is_=2, within=30, not_yet=(PoolError,))
        present = ways.own("node1")
        assert present.address != former.address
        assert cluster.ownership.root("node1") == [present.address]
        assert (writer.write("after\n"), writer.flush()) == (0, 0)
        node1.operations.snapshots.snapshot(["kept"], "")
    node1.stop("kept")
    assert text_of(node2, "kept") == "before\nafter\n"
    assert not present.is_refused(), "nobody blocks a node that is up"


def test_a_mount_that_cannot_be_recorded_ends_unused(
    cluster: MemoryCluster, ways: SilentNodes
) -> None:
    node1 = cluster["node1"]
    node1.etcd.away_for = {"begin_root"}
    with pytest.raises(PoolError, match="cannot be recorded: etcd does not answer"):
        volume_ids(node1)
    assert ways.clients("node1") == []
    node1.etcd.away_for = set()
    assert volume_ids(node1) == []
    assert cluster.ownership.root("node1") == [ways.own("node1").address]


def test_nobody_waits_for_a_nodes_own_mount_that_was_killed(
    cluster: MemoryCluster, ways: SilentNodes
) -> None:
    node1, node2 = cluster["node1"], cluster["node2"]
    node1.driver.create("ledger", {"pool": "shared"})
    ways.own("node1").kill()
    began = time.monotonic()
    assert volume_ids(node1) == [cluster.volume("ledger").id]
    assert list(node2.driver.mount("ledger", "reader").iterdir()) == []
    assert time.monotonic() - began < 10
    assert cluster.ownership.root("node1") == [ways.own("node1").address]
