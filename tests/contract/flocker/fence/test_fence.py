"""The fence for real: containers of a real dockerd, with their data on a real btrfs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.engine.client import Engine
from flocker.engine.pool_mounts import Kill
from flocker.fence.fence import Fence, boottime
from flocker.fence.lease_file import AutoVolume, LeaseFile
from judge.machine.engine import OwnEngine, own_engine
from tests.contract.flocker.conftest import mounted_btrfs
from tests.contract.flocker.mounted import processes_with

pytestmark = pytest.mark.contract

LEASE_SECONDS = 15
DUE_SECONDS = 10
CHECKOUT = Path(__file__).parents[4]

# It finds the test's files where those of a node are. It follows the machine's mounts otherwise:
# with a copy of its own it would itself keep mounted what the engine unmounts.
RUN_FENCE = """
mount -t tmpfs tmpfs /run
mkdir /run/flocker
touch /run/docker.sock
mount --bind "$1" /run/flocker
mount --bind "$2" /run/docker.sock
exec "$3" -m flocker.fence
"""


@pytest.fixture(scope="module")
def pool() -> Iterator[Path]:
    with mounted_btrfs() as root:
        yield root


@pytest.fixture(scope="module")
def dockerd(pool: Path) -> Iterator[OwnEngine]:  # noqa: ARG001 its containers end before the pool
    with own_engine() as running:
        yield running


class Node:
    """A node with two volumes, of which "auto" is on failover=auto."""

    def __init__(self, folder: Path, pool: Path, dockerd: OwnEngine) -> None:
        self.folder = folder
        self.files = LeaseFile(folder)
        self.dockerd = dockerd
        self.fence = self.make_fence()
        self.renewed_at = 0.0
        self.volumes = {name: self._volume(pool, name) for name in ("auto", "manual")}
        self.files.write_auto([self.volumes["auto"]])

    def make_fence(self, kill: Kill = os.kill) -> Fence:
        engine = Engine(self.dockerd.socket, self.folder)
        return Fence("node1", self.files, engine, kill=kill)

    def renew(self, seconds_ago: float = 0) -> None:
        """Have the lease renewed at that time."""
        self.renewed_at = boottime() - seconds_ago
        self.files.write_renewed(self.renewed_at, LEASE_SECONDS)

    def processes(self, volume: str = "auto") -> list[int]:
        """Those that have the volume mounted."""
        return processes_with(Path(self.volumes[volume].path))

    def is_in_time(self) -> bool:
        """True if the lease has not ended yet: nobody may have taken the volumes over."""
        return boottime() < self.renewed_at + LEASE_SECONDS

    def _volume(self, pool: Path, name: str) -> AutoVolume:
        live = pool / "volumes" / f"{self.folder.name}-{name}" / "live"
        live.parent.mkdir(parents=True)
        subprocess.run(["btrfs", "-q", "subvolume", "create", live], check=True)
        options = [f"--opt={option}" for option in ("type=none", "o=bind", f"device={live}")]
        self.dockerd.docker("volume", "create", *options, name)
        return AutoVolume(name, live.parent.name, str(live))


@pytest.fixture
def node(tmp_path: Path, pool: Path, dockerd: OwnEngine) -> Iterator[Node]:
    """A node where "db" and "web" use the volume on auto, and others do not."""
    node = Node(tmp_path, pool, dockerd)
    dockerd.run("db", "--restart=always", volume="auto")
    dockerd.run("web", "--restart=unless-stopped", volume="auto")
    dockerd.run("other", volume="manual")
    dockerd.run("plain")
    try:
        yield node
    finally:
        dockerd.remove_all()


def states(node: Node) -> dict[str, str]:
    return {name: node.dockerd.state(name) for name in ("db", "web", "other", "plain")}


RUNNING = {"db": "running", "web": "running", "other": "running", "plain": "running"}
FENCED = {"db": "exited", "web": "exited", "other": "running", "plain": "running"}


def test_while_the_lease_is_renewed_nothing_happens(node: Node) -> None:
    node.renew(seconds_ago=DUE_SECONDS - 2)
    node.fence.check()
    assert states(node) == RUNNING


def test_only_containers_on_auto_volumes_are_stopped(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    node.renew(seconds_ago=DUE_SECONDS)
    node.fence.check()
    assert node.is_in_time()
    assert node.processes() == []
    assert node.processes("manual") != []
    assert states(node) == FENCED
    assert sorted(message.partition(", ")[0] for message in caplog.messages) == [
        "node1 was not heard of for 10 s: nothing uses volumes with failover=auto any more "
        "(1 before)",
        "node1 was not heard of for 10 s: stopped container 'db'",
        "node1 was not heard of for 10 s: stopped container 'web'",
    ]


def test_a_container_that_comes_in_an_outage_is_stopped_too(node: Node) -> None:
    node.renew(seconds_ago=DUE_SECONDS)
    node.fence.check()
    node.dockerd.run("late", volume="auto")
    assert node.processes() != []
    node.fence.check()
    assert node.processes() == []
    assert node.dockerd.state("late") == "exited"


def test_the_next_outage_is_fenced_as_well(node: Node) -> None:
    node.renew(seconds_ago=DUE_SECONDS)
    node.fence.check()
    node.renew()
    node.dockerd.docker("start", "db", "web")
    node.fence.check()
    assert states(node) == RUNNING
    node.renew(seconds_ago=DUE_SECONDS)
    node.fence.check()
    assert states(node) == FENCED


def states_after_a_look(node: Node) -> dict[str, str]:
    node.fence.check()
    return states(node)


def test_an_engine_that_hangs_does_not_save_its_containers(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    node.renew(seconds_ago=DUE_SECONDS)
    node.dockerd.signal(signal.SIGSTOP)
    try:
        node.fence.check()
        assert node.is_in_time()
        assert node.processes() == []
        assert node.processes("manual") != []
    finally:
        node.dockerd.signal(signal.SIGCONT)
    # Once it goes on it does what it was asked for, or it would start them again.
    eventually(lambda: states_after_a_look(node), is_=FENCED, within=20)
    assert "('sleep'), which uses volume 'auto' (failover=auto): another node may" in caplog.text


def test_containers_whose_engine_is_dead_are_stopped(tmp_path: Path, pool: Path) -> None:
    """With live-restore they outlive it."""
    with own_engine() as dockerd:
        node = Node(tmp_path, pool, dockerd)
        dockerd.run("db", "--restart=always", volume="auto")
        dockerd.run("other", volume="manual")
        node.renew(seconds_ago=DUE_SECONDS)
        dockerd.signal(signal.SIGKILL)
        assert node.processes() != []
        node.fence.check()
        assert node.is_in_time()
        assert node.processes() == []
        assert node.processes("manual") != []
        dockerd.start()
        assert dockerd.state("other") == "running"


def test_what_bypasses_the_engine_is_killed(node: Node) -> None:
    path = node.volumes["auto"].path
    node.dockerd.run("by-path", "--volume", f"{path}:/x", program="sleep 600 & sleep 600")
    script = 'mount --bind "$1" /mnt; echo ready; sleep 600 & exec sleep 600'
    own = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", script, "sh", path], stdout=subprocess.PIPE, text=True
    )
    assert own.stdout is not None
    assert own.stdout.readline() == "ready\n"
    node.renew(seconds_ago=DUE_SECONDS)
    node.fence.check()
    assert own.wait(5) == -signal.SIGKILL
    own.stdout.close()
    assert node.processes() == []
    assert node.is_in_time()


def test_a_process_that_cannot_be_killed_is_told_of_once(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    """As one that waits for a broken disk."""
    node.renew(seconds_ago=LEASE_SECONDS - 2)
    node.dockerd.signal(signal.SIGSTOP)
    try:
        fence = node.make_fence(kill=lambda *_: None)
        fence.check()
        fence.check()
    finally:
        node.dockerd.signal(signal.SIGCONT)
    assert len([text for text in caplog.messages if "cannot stop process" in text]) == 1
    assert "another node may take it over" not in caplog.text


@contextmanager
def running_fence(node: Node, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    names = ("NODE", "ADDRESS", "ETCD_ENDPOINTS", "CERTS")
    settings = {f"FLOCKER_{name}": "node1" for name in names}
    with log.open("wb") as output:
        fence = subprocess.Popen(
            [
                *("unshare", "--mount", "--propagation=slave", "sh", "-euc", RUN_FENCE, "sh"),
                *(node.folder, node.dockerd.socket, sys.executable),
            ],
            env={**os.environ, **settings}, cwd=CHECKOUT, stderr=output,
        )  # fmt: skip
    try:
        yield fence
    finally:
        fence.kill()
        fence.wait()


def test_the_process_itself_stops_them_without_any_daemon(node: Node, tmp_path: Path) -> None:
    log = tmp_path / "fence.log"
    with running_fence(node, log) as fence:
        node.renew(seconds_ago=DUE_SECONDS - 2)
        eventually(node.processes, is_=[], within=LEASE_SECONDS)
        assert node.is_in_time()
        assert boottime() > node.renewed_at + DUE_SECONDS
        eventually(lambda: log.read_text().count("stopped container"), is_=2, within=5)
        fence.terminate()
        assert fence.wait(5) == 0
    assert states(node) == FENCED


def test_the_process_goes_on_after_an_error(node: Node, tmp_path: Path) -> None:
    log = tmp_path / "fence.log"
    (tmp_path / "lease.json").write_text('{"renewed_at": "long ago", "lease_seconds": 15}')
    with running_fence(node, log):
        eventually(lambda: "a look at the lease failed" in log.read_text(), is_=True, within=10)
        node.renew(seconds_ago=DUE_SECONDS)
        eventually(node.processes, is_=[], within=5)


def test_the_process_is_small_and_stays_in_memory(node: Node, tmp_path: Path) -> None:
    node.renew(seconds_ago=DUE_SECONDS)
    with running_fence(node, tmp_path / "fence.log") as fence:
        eventually(node.processes, is_=[], within=5)
        status = Path(f"/proc/{fence.pid}/status").read_text()
    kib = {name: int(status.partition(f"{name}:")[2].split()[0]) for name in ("VmRSS", "VmLck")}
    assert kib["VmRSS"] < 40 << 10
    assert kib["VmLck"] > 20 << 10
