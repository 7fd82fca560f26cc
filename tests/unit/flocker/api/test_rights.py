"""Rights on a volume by the records that a node has heard of, and by those it has not."""

from __future__ import annotations

from typing import cast

import pytest

from flocker.api.rights import Rights
from flocker.base.errors import ControlPlaneAway
from flocker.base.records import ClusterState
from flocker.consensus.ownership import Ownership
from tests.unit.flocker.cluster import MemoryCluster


@pytest.fixture
def demo(cluster: MemoryCluster) -> MemoryCluster:
    """node1 has the volume "demo", and the others have replicas."""
    cluster["node1"].driver.create("demo", {})
    cluster.replicate()
    return cluster


def test_a_removal_that_is_known_needs_no_look_at_all_there_is(demo: MemoryCluster) -> None:
    """Nodes that have not heard of it go on asking; all there is was read for each question."""
    volume = demo.volume("demo")
    demo["node1"].driver.remove("demo")
    removed = demo.state
    etcd = cast(Ownership, demo["node1"].etcd)
    demo["node1"].etcd.away_for = {"state"}
    assert list(Rights(etcd, lambda: removed).refusals([volume.id], "node2")) == [volume.id]
    with pytest.raises(ControlPlaneAway):  # it is what an unknown one needs
        Rights(etcd, ClusterState).refusals([volume.id], "node2")


def test_a_volume_that_came_back_unheard_of_is_read(demo: MemoryCluster) -> None:
    volume = demo.volume("demo")
    demo["node1"].driver.remove("demo")
    removed = demo.state
    demo["node1"].operations.recovery.undelete("demo")
    assert Rights(demo.ownership, lambda: removed).refusals([volume.id], "node2") == {}
    assert Rights(demo.ownership, ClusterState).refusals([volume.id], "node2") == {}
