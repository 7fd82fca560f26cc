"""The answers that scripts rely on have the documented fields, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from flocker.base import answered_records, answers
from tests import answers as published
from tests.unit.flocker.cluster import MemoryCluster


@pytest.fixture
def demo(cluster: MemoryCluster) -> MemoryCluster:
    """A volume with replicas and a snapshot, and one that was removed."""
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    node1.write("demo", "hello")
    cluster.replicate()
    node1.operations.snapshots.snapshot(["demo"], "first")
    node1.driver.create("gone", {})
    node1.driver.remove("gone")
    return cluster


def fields(kind: type) -> set[str]:
    return set(kind.__annotations__)


def check(answer: Mapping[str, Any], kind: type) -> None:
    assert answer.keys() == fields(kind)


def test_a_status_has_its_fields(demo: MemoryCluster) -> None:
    status = demo["node1"].operations.overview.status()
    check(status, answers.Status)
    for node in status["nodes"]:
        check(node, answers.NodeStatus)
    [volume] = status["volumes"]
    check(volume, answers.VolumeStatus)
    for copy in volume["copies"]:
        check(copy, answers.CopyStatus)


def test_a_move_under_way_has_its_fields(demo: MemoryCluster) -> None:
    node2 = demo["node2"]
    node2.ownership.begin_move(demo.volume("demo"), "node2")
    [volume] = node2.operations.overview.status()["volumes"]
    assert volume["move"] is not None
    check(volume["move"], answered_records.MoveStatus)


def test_lists_have_their_fields(demo: MemoryCluster) -> None:
    operations = demo["node1"].operations
    snapshots = operations.snapshots.snapshots(None)
    check(snapshots, answers.SnapshotList)
    check(snapshots["snapshots"][0], answers.TakenSnapshot)
    trash = operations.recovery.trash()
    check(trash, answers.TrashList)
    check(trash["removed"][0], answers.RemovedVolume)
    check(operations.recovery.conflicts(), answers.Conflicts)
    history = operations.overview.history(None)
    check(history, answers.History)
    check(history["events"][0], answers.HistoryEvent)


def test_changes_have_their_fields(demo: MemoryCluster) -> None:
    node1, node2 = demo["node1"], demo["node2"]
    moved = node2.operations.moves.move("demo", None)
    check(moved, answers.Changed)
    check(moved["volume"], answered_records.VolumeRecord)
    assert moved["volume"]["base"] is not None
    check(moved["volume"]["base"], answered_records.SnapshotRecord)
    restored = node2.operations.snapshots.restore("demo@1")
    check(restored, answers.Restored)
    demo.replicate()
    purged = node1.maintenance.purge(None)
    check(purged, answers.Purged)
    check(purged["nodes"][0], answers.PurgedNode)
    demo.lose("node2")
    promoted = node1.operations.moves.promote("demo")
    check(promoted, answers.Promoted)
    check(promoted["volume"]["cuts"][0], answered_records.CutRecord)
    verified = node1.verification.verify("demo")
    check(verified, answers.Verified)
    check(verified["copies"][0], answers.VerifiedCopy)


def test_the_published_schema_is_that_of_the_answers() -> None:
    """A field that is taken away or changed shows there, and makes `answers.FORMAT` grow."""
    assert published.FILE.read_text() == published.text()
