import os
from pathlib import Path

import pytest

from flocker.volumes import mounting
from tests.unit.flocker.clocks import Clock
from tests.unit.flocker.cluster import MemoryCluster


@pytest.fixture
def cluster(tmp_path: Path) -> MemoryCluster:
    return MemoryCluster(tmp_path)


@pytest.fixture
def demo(cluster: MemoryCluster) -> MemoryCluster:
    """node1 wrote "hello" to the volume "demo", and the others have replicas."""
    cluster["node1"].driver.create("demo", {})
    cluster["node1"].write("demo", "hello")
    cluster.replicate()
    return cluster


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _wait_for_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power fails here, and beside other work a disk takes most of a test's time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(autouse=True)
def _wait_for_no_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount gives up at once while etcd is away, unless a test says otherwise."""
    monkeypatch.setattr(mounting, "LEADER_POLL_SECONDS", 3600)
