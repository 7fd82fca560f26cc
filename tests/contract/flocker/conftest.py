"""Real things for the driver's contract suites: btrfs on loop files, an etcd of our own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests

from acceptance.waiting import eventually
from flocker.btrfs import BtrfsPool
from flocker.etcd import EtcdOwnership
from flocker.memory import MemoryOwnership, MemoryPool
from flocker.ownership import Ownership, Volume
from flocker.pool import Pool

POOL_BYTES = 512 << 20
LEASE_SECONDS = 2

MakePool = Callable[[], Pool]


@contextmanager
def mounted_btrfs() -> Iterator[Path]:
    """A fresh btrfs on a loop file, mounted."""
    folder = Path(tempfile.mkdtemp(prefix="flocker-pool-"))
    disk, root = folder / "disk.img", folder / "root"
    with disk.open("wb") as file:
        file.truncate(POOL_BYTES)
    root.mkdir()
    subprocess.run(["mkfs.btrfs", "-q", str(disk)], check=True)
    # The kernel frees the loop device of the pool before a moment after its unmount.
    mount = ["mount", "-o", "loop", str(disk), str(root)]
    eventually(lambda: subprocess.run(mount, check=False).returncode, is_=0, within=10)
    try:
        yield root
    finally:
        subprocess.run(["umount", str(root)], check=True)
        shutil.rmtree(folder)


@pytest.fixture
def make_btrfs_pool() -> Iterator[Callable[[], BtrfsPool]]:
    """Makes pools that are each a file system of their own, as on two nodes."""
    with ExitStack() as mounts:
        yield lambda: BtrfsPool(mounts.enter_context(mounted_btrfs()))


@pytest.fixture(params=["memory", "btrfs"])
def make_pool(request: pytest.FixtureRequest, tmp_path: Path) -> MakePool:
    """Makes pools of every kind there is: one suite for all of them."""
    if request.param == "memory":
        return lambda: MemoryPool(tmp_path / str(uuid.uuid4()))
    make: MakePool = request.getfixturevalue("make_btrfs_pool")
    return make


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


class Etcd:
    """One etcd member on loopback that can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.endpoint = f"http://127.0.0.1:{free_port()}"
        self._peers = f"http://127.0.0.1:{free_port()}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                "etcd",
                *("--name", "only", "--data-dir", str(self._folder / "data")),
                *("--listen-client-urls", self.endpoint),
                *("--advertise-client-urls", self.endpoint),
                *("--listen-peer-urls", self._peers),
                *("--initial-advertise-peer-urls", self._peers),
                *("--initial-cluster", f"only={self._peers}"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=(self._folder / "etcd.log").open("ab"),
        )
        eventually(self._is_healthy, is_=True, within=30)

    def stop(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def _is_healthy(self) -> bool:
        try:
            answer = requests.get(f"{self.endpoint}/health", timeout=2)
        except requests.ConnectionError:
            return False
        return bool(answer.json()["health"] == "true")


@pytest.fixture(scope="session")
def session_etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    etcd = Etcd(tmp_path_factory.mktemp("etcd"))
    etcd.start()
    yield etcd
    etcd.stop()


@pytest.fixture
def etcd(session_etcd: Etcd) -> Iterator[Etcd]:
    """A running etcd; a test that stops it leaves it running again."""
    yield session_etcd
    session_etcd.stop()
    session_etcd.start()


@pytest.fixture(params=["memory", "etcd"])
def join(request: pytest.FixtureRequest) -> Callable[[], Ownership]:
    """Joins the cluster: each call is the view of one more node."""
    if request.param == "memory":
        shared = MemoryOwnership()
        return lambda: shared
    running: Etcd = request.getfixturevalue("session_etcd")
    return lambda: EtcdOwnership([running.endpoint], LEASE_SECONDS, None)


def a_volume(owner: str = "node1") -> Volume:
    """A volume no other test has."""
    volume_id = str(uuid.uuid4())
    return Volume(f"v-{volume_id}", volume_id, owner, 1, "2026-01-01T00:00:00+00:00")
