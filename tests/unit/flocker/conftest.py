import os
from collections.abc import Iterator
from pathlib import Path
from shutil import disk_usage
from tempfile import gettempdir, mkdtemp

import pytest

from flocker.volumes import mounting
from tests.unit.flocker.clocks import Clock
from tests.unit.flocker.cluster import MemoryCluster
from tests.unit.flocker.own_folder import own_folder

MEMORY = Path("/dev/shm")  # noqa: S108 - own_folder makes the folder in it
NEEDED_BYTES = 256 << 20  # all tests together leave 50 MB there


@pytest.fixture(scope="session")
def memory() -> Iterator[Path]:
    """A folder in memory; it outlives each test, as threads of a test may still write."""
    has_room = MEMORY.is_dir() and disk_usage(MEMORY).free >= NEEDED_BYTES
    with own_folder(MEMORY if has_room else Path(gettempdir())) as folder:
        yield folder


@pytest.fixture
def tmp_path(memory: Path) -> Path:
    """On a disk, each file that takes the place of another would be waited for."""
    return Path(mkdtemp(dir=memory))


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
