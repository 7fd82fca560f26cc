"""Old removed volumes and copies are deleted for good; a failure stops no other deletion."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flocker.base.errors import ControlPlaneAway, PoolError
from flocker.care.purging import APART_SECONDS, Purging
from flocker.node.retention import Retention
from tests.unit.flocker.cluster import RETENTION_SECONDS, Machine, MemoryCluster

MONTH_SECONDS = 30 * 86400


@pytest.fixture
def node1(cluster: MemoryCluster) -> Machine:
    node1 = cluster["node1"]
    for name in ("stuck", "old", "young"):
        node1.driver.create(name, {})
        node1.write(name, "text")
    return node1


def names(node: Machine) -> list[str]:
    return [aside.volume for aside in node.pool.asides()]


def removed_names(cluster: MemoryCluster) -> list[str]:
    return [each.volume.name for each in cluster.state.removed.values()]


def test_only_what_the_retention_is_over_for_is_purged(
    node1: Machine, cluster: MemoryCluster
) -> None:
    for name in ("old", "young"):
        node1.driver.remove(name)
        node1.purging.purge_old()
        cluster.live(RETENTION_SECONDS / 2 + 60)
    assert names(node1) == ["old", "young"]
    cluster["node2"].purging.purge_old()
    assert len(cluster.state.removed) == 2  # for their owner to say
    node1.purging.purge_old()
    assert names(node1) == ["young"]
    assert removed_names(cluster) == ["young"]


def test_what_a_forgotten_node_removed_is_purged_by_the_others(
    node1: Machine, cluster: MemoryCluster
) -> None:
    node2 = cluster["node2"]
    node1.driver.remove("old")
    for name in ("stuck", "young"):
        node2.write(name, "node2's now")
    cluster.lose("node1")
    cluster.live(700)
    node2.purging.purge_old()
    cluster.live(RETENTION_SECONDS + 60)
    node2.purging.purge_old()
    assert removed_names(cluster) == ["old"], "node1 may come back, and undelete it"
    node2.maintenance.forget("node1")
    node2.purging.purge_old()
    assert removed_names(cluster) == ["old"], "for the retention"
    cluster.live(RETENTION_SECONDS + 60)
    node2.purging.purge_old()
    assert removed_names(cluster) == []


def test_the_first_look_purges_nothing_however_old_it_says_it_is(
    node1: Machine, cluster: MemoryCluster
) -> None:
    """Its clock may have been a month behind when that was put aside."""
    node1.driver.remove("old")
    cluster.live(RETENTION_SECONDS * 2)
    node1.purging.purge_old()
    cluster.live(APART_SECONDS - 60)
    node1.purging.purge_old()
    assert names(node1) == removed_names(cluster) == ["old"]
    cluster.live(120)
    node1.purging.purge_old()
    assert names(node1) == removed_names(cluster) == []


def test_a_short_retention_does_not_bring_the_two_looks_closer_together(
    node1: Machine, cluster: MemoryCluster
) -> None:
    context = replace(node1.context, retention=Retention(60, node1.observed))
    purging = Purging(context)
    node1.driver.remove("old")
    purging.purge_old()
    cluster.live(APART_SECONDS - 60)
    purging.purge_old()
    assert names(node1) == removed_names(cluster) == ["old"]
    cluster.live(120)
    purging.purge_old()
    assert names(node1) == removed_names(cluster) == []


@pytest.mark.parametrize("seconds", [MONTH_SECONDS, -MONTH_SECONDS])
def test_a_clock_that_steps_purges_nothing_early(
    node1: Machine, cluster: MemoryCluster, seconds: float
) -> None:
    node1.driver.remove("old")
    node1.purging.purge_old()
    for name in cluster.machines:  # all agree, as after a step of their time server's
        cluster.ownership.ahead[name] += seconds
        cluster[name].announce()
    node1.purging.purge_old()
    cluster.live(RETENTION_SECONDS - 60)
    node1.purging.purge_old()
    assert names(node1) == removed_names(cluster) == ["old"]


def test_nothing_is_purged_soon_after_the_clock_stepped(
    node1: Machine, cluster: MemoryCluster
) -> None:
    node1.driver.remove("old")
    node1.purging.purge_old()
    cluster.live(RETENTION_SECONDS + 60)
    for name in cluster.machines:
        cluster.ownership.ahead[name] += 600
        cluster[name].announce()
    node1.purging.purge_old()
    assert names(node1) == ["old"]
    assert "clock stepped by 600 s" in str(node1.observed.doubt(cluster.state))
    cluster.live(3660)
    node1.purging.purge_old()
    assert names(node1) == []


def test_nothing_is_purged_while_the_clocks_of_nodes_disagree(
    node1: Machine, cluster: MemoryCluster
) -> None:
    node1.driver.remove("old")
    node1.purging.purge_old()
    cluster.live(RETENTION_SECONDS + 60)
    cluster.ownership.ahead["node3"] += 120
    cluster["node3"].announce()
    node1.purging.purge_old()
    assert names(node1) == removed_names(cluster) == ["old"]
    assert "the clock of node3 differs" in str(node1.observed.doubt(cluster.state))
    cluster.lose("node3")
    node1.purging.purge_old()
    assert names(node1) == []


def test_the_time_is_counted_over_restarts_and_not_while_the_daemon_is_down(
    node1: Machine, cluster: MemoryCluster
) -> None:
    node1.driver.remove("old")
    node1.purging.purge_old()
    cluster.live(RETENTION_SECONDS / 2 + 60)
    node1.lived += MONTH_SECONDS  # the daemon is down meanwhile
    cluster.ownership.ahead["node1"] += MONTH_SECONDS
    for name in ("node2", "node3"):
        cluster.ownership.ahead[name] += MONTH_SECONDS
        cluster[name].announce()
    node1.start()
    node1.purging.purge_old()
    assert names(node1) == ["old"]
    cluster.live(RETENTION_SECONDS / 2 + 60)
    node1.purging.purge_old()
    assert names(node1) == []


def test_a_daemon_that_was_stopped_has_not_seen_the_time_pass(
    node1: Machine, cluster: MemoryCluster
) -> None:
    node1.driver.remove("old")
    node1.purging.purge_old()
    for name in cluster.machines:
        cluster.ownership.ahead[name] += MONTH_SECONDS
    node1.lived += MONTH_SECONDS
    for machine in cluster.machines.values():
        machine.announce()
    node1.purging.purge_old()
    assert names(node1) == ["old"]


@pytest.mark.parametrize("content", ["", "{", '{"seconds": "many"}', '{"seconds": 1, "since": 3}'])
def test_without_its_count_a_node_begins_anew(
    node1: Machine, cluster: MemoryCluster, content: str
) -> None:
    node1.driver.remove("old")
    node1.purging.purge_old()
    cluster.live(RETENTION_SECONDS + 60)
    (node1.folder / "observed.json").write_text(content)
    node1.start()
    node1.purging.purge_old()
    assert names(node1) == ["old"]


def test_one_that_cannot_be_purged_stops_no_other(
    node1: Machine, cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1.driver.remove("stuck")
    node1.driver.remove("old")
    node1.purging.purge_old()
    cluster.live(RETENTION_SECONDS + 60)
    purge_aside = node1.pool.purge_aside

    def refuse(reference: str) -> None:
        if reference.startswith("stuck@"):
            raise PoolError("Directory not empty")
        purge_aside(reference)

    monkeypatch.setattr(node1.pool, "purge_aside", refuse)
    node1.purging.purge_old()
    assert names(node1) == ["stuck"]
    [trouble] = node1.operations.overview.status()["problems"]
    assert "stuck@node1" in trouble
    assert "Directory not empty" in trouble
    monkeypatch.undo()
    node1.purging.purge_old()
    assert names(node1) == []
    assert node1.operations.overview.status()["problems"] == []


def test_what_another_node_has_just_deleted_is_no_trouble(
    node1: Machine, cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a storage that all nodes reach, all of them purge the same copies."""
    node1.driver.remove("old")
    node1.purging.purge_old()
    cluster.live(RETENTION_SECONDS + 60)
    delete = node1.pool.purge_aside

    def late(reference: str) -> None:
        delete(reference)
        delete(reference)

    monkeypatch.setattr(node1.pool, "purge_aside", late)
    node1.purging.purge_old()
    assert names(node1) == []
    assert node1.troubles.all() == []


def test_without_etcd_nothing_is_purged(node1: Machine, cluster: MemoryCluster) -> None:
    node1.driver.remove("old")
    node1.purging.purge_old()
    cluster.live(RETENTION_SECONDS + 60)
    node1.etcd.is_away = True
    with pytest.raises(ControlPlaneAway):
        node1.purging.purge_old()
    assert names(node1) == removed_names(cluster) == ["old"]
