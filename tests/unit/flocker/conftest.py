from pathlib import Path

import pytest

from flocker.volumes import mounting
from tests.unit.flocker.clocks import Clock
from tests.unit.flocker.cluster import MemoryCluster


@pytest.fixture
def cluster(tmp_path: Path) -> MemoryCluster:
    return MemoryCluster(tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _wait_for_no_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount gives up at once while etcd is away, unless a test says otherwise."""
    monkeypatch.setattr(mounting, "LEADER_POLL_SECONDS", 3600)
