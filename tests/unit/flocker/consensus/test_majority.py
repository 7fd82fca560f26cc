"""Automatic failover needs an etcd that survives the loss of a node."""

from __future__ import annotations

import pytest

from flocker.base.errors import Refused
from flocker.consensus import majority
from tests.unit.flocker.cluster import MemoryCluster


@pytest.mark.parametrize(("members", "said"), [(1, "has one member:"), (2, "has 2 members:")])
def test_automatic_failover_is_refused_where_nobody_could_decide(
    cluster: MemoryCluster, members: int, said: str
) -> None:
    cluster.ownership.members = members
    with pytest.raises(Refused, match=f"needs three members of etcd, and this cluster {said}"):
        cluster["node1"].driver.create("demo", {"failover": "auto"})
    assert "demo" not in cluster.state.volumes
    cluster["node1"].driver.create("demo", {"failover": "manual"})


def test_volumes_there_are_already_are_a_problem(cluster: MemoryCluster) -> None:
    cluster["node1"].driver.create("demo", {"failover": "auto"})
    cluster["node1"].driver.create("other", {})
    [problem] = majority.problems(1, cluster.state)
    assert problem.startswith("etcd has one member, so no node takes over volumes")
    assert "'demo';" in problem
    assert "other" not in problem


@pytest.mark.parametrize("voters", [None, 3, 5])
def test_with_three_members_or_when_it_is_not_known_nothing_is_wrong(
    cluster: MemoryCluster, voters: int | None
) -> None:
    cluster["node1"].driver.create("demo", {"failover": "auto"})
    assert majority.problems(voters, cluster.state) == []
