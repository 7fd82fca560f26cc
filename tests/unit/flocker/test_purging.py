"""Old removed volumes and copies are deleted for good; a failure stops no other deletion."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from acceptance.waiting import eventually
from flocker import purging
from flocker.errors import ControlPlaneAway, PoolError
from tests.unit.flocker.cluster import RETENTION_SECONDS, Machine, MemoryCluster


@pytest.fixture
def node1(cluster: MemoryCluster) -> Machine:
    node1 = cluster["node1"]
    for name in ("stuck", "old", "young"):
        node1.driver.create(name, {})
        node1.write(name, "text")
    return node1


def names(node: Machine) -> list[str]:
    return [aside.volume for aside in node.pool.asides()]


def test_only_what_the_retention_is_over_for_is_purged(
    node1: Machine, cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1.driver.remove("old")
    limit = ahead(0.001)
    eventually(lambda: ahead(0) > limit, is_=True, within=5)
    node1.driver.remove("young")
    node1.purging.purge_old()
    assert names(node1) == ["old", "young"]
    monkeypatch.setattr(purging, "ago", {RETENTION_SECONDS: limit}.get)
    cluster["node2"].purging.purge_old()
    assert len(cluster.state.removed) == 2  # for their owner to say
    node1.purging.purge_old()
    assert names(node1) == ["young"]
    assert [each.volume.name for each in cluster.state.removed.values()] == ["young"]


def ahead(seconds: float) -> str:
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    return at.isoformat(timespec="milliseconds")


def test_one_that_cannot_be_purged_stops_no_other(
    node1: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1.driver.remove("stuck")
    node1.driver.remove("old")
    purge_aside = node1.pool.purge_aside

    def refuse(reference: str) -> None:
        if reference.startswith("stuck@"):
            raise PoolError("Directory not empty")
        purge_aside(reference)

    monkeypatch.setattr(purging, "ago", lambda _: ahead(10))
    monkeypatch.setattr(node1.pool, "purge_aside", refuse)
    node1.purging.purge_old()
    assert names(node1) == ["stuck"]
    [trouble] = node1.operations.status()["problems"]
    assert "stuck@node1" in trouble
    assert "Directory not empty" in trouble
    monkeypatch.undo()
    monkeypatch.setattr(purging, "ago", lambda _: ahead(10))
    node1.purging.purge_old()
    assert names(node1) == []
    assert node1.operations.status()["problems"] == []


def test_without_etcd_the_data_goes_and_the_records_stay(
    node1: Machine, cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1.driver.remove("old")
    monkeypatch.setattr(purging, "ago", lambda _: ahead(10))
    node1.etcd.is_away = True
    with pytest.raises(ControlPlaneAway):
        node1.purging.purge_old()
    assert names(node1) == []
    assert len(cluster.state.removed) == 1
