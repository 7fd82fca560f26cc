"""Two thousand connections to a daemon, from somebody without a certificate.

The daemon is a process of its own with as few files as systemd gives without LimitNOFILE. While
the connections last, it must answer its engine, other nodes and monitors, and renew its lease.
"""

from __future__ import annotations

import resource
import selectors
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from acceptance.base.waiting import eventually
from flocker.fence.lease_file import LeaseFile, boottime
from judge.machine.ports import free_port
from tests.contract.flocker.etcd_members import Etcd
from tests.contract.flocker.own_driver import OwnDriver, lone_driver
from tests.contract.flocker.peer_caller import asking
from tests.contract.flocker.peer_certificates import ADDRESS, Authority

pytestmark = pytest.mark.contract

CONNECTIONS = 2000
ATTACKERS = [f"127.0.1.{number}" for number in range(1, 9)]
USUAL_FILES = 1024
AGAIN_SECONDS = 1.0  # before those that were ended come again: idle is what they are
ATTACK_SECONDS = 12.0  # more than twice the time of a handshake
FENCE_SECONDS = 10.0  # a lease that was not renewed for so long has its fence stop containers
ANSWER_SECONDS = 5.0


class Attack:
    """Keeps connections open that say nothing, and opens each anew that is ended."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._looking = selectors.DefaultSelector()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.opened = 0

    @contextmanager
    def under_way(self) -> Iterator[None]:
        for _ in range(CONNECTIONS):
            self._open()
        self._thread.start()
        try:
            yield
        finally:
            self._ending.set()
            self._thread.join()
            for key in list(self._looking.get_map().values()):
                self._close(key.fileobj)

    def _run(self) -> None:
        while not self._ending.wait(AGAIN_SECONDS):
            for key, _ in self._looking.select(0):
                self._close(key.fileobj)
                self._open()

    def _open(self) -> None:
        connection = socket.socket()
        connection.setblocking(False)
        connection.bind((ATTACKERS[self.opened % len(ATTACKERS)], 0))
        connection.connect_ex((ADDRESS, self._port))
        self._looking.register(connection, selectors.EVENT_READ)
        self.opened += 1

    def _close(self, connection: object) -> None:
        assert isinstance(connection, socket.socket)
        self._looking.unregister(connection)
        connection.close()


@pytest.fixture(autouse=True)
def _files() -> Iterator[None]:
    """As many files as the attack needs."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], CONNECTIONS + 1000), limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "keys")


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def driver(etcd: Etcd, tmp_path: Path, authority: Authority, port: int) -> Iterator[OwnDriver]:
    certificates = authority.of("node", "node1")
    # This etcd asks for none; what the driver would show it is read all the same.
    shutil.copytree(certificates.folder, certificates.for_etcd.folder)
    folder = certificates.folder
    with lone_driver(tmp_path / "driver", etcd, folder, port, node="node1") as made:
        made.start()
        resource.prlimit(made.process, resource.RLIMIT_NOFILE, (USUAL_FILES, USUAL_FILES))
        yield made


def plugin(driver: OwnDriver, call: str, body: dict[str, object]) -> dict[str, object]:
    transport = httpx2.HTTPTransport(uds=str(driver.socket))
    with httpx2.Client(transport=transport, timeout=ANSWER_SECONDS) as client:
        answer: dict[str, object] = client.post(f"http://d/VolumeDriver.{call}", json=body).json()
    return answer


def lease_age(driver: OwnDriver) -> float:
    lease = LeaseFile(driver.runtime).read_lease()
    return boottime() - lease.renewed_at if lease else FENCE_SECONDS


def test_idle_connections_change_nothing(
    driver: OwnDriver, authority: Authority, port: int
) -> None:
    monitor = asking(port, authority.of("monitor", "prometheus"))
    node2 = asking(port, authority.of("node", "node2"))
    eventually(lambda: lease_age(driver) < FENCE_SECONDS, is_=True, within=30)
    assert plugin(driver, "Create", {"Name": "demo", "Opts": {}})["Err"] == ""
    attack, files = Attack(port), Path(f"/proc/{driver.process}/fd")
    with attack.under_way():
        until = time.monotonic() + ATTACK_SECONDS
        while time.monotonic() < until:
            use = {"Name": "demo", "ID": "container"}
            assert plugin(driver, "Mount", use)["Err"] == ""
            assert plugin(driver, "Unmount", use)["Err"] == ""
            assert plugin(driver, "List", {})["Volumes"]
            assert "flocker_" in monitor("GET", "/metrics").text
            assert node2("GET", "/asides").json() == []
            assert lease_age(driver) < FENCE_SECONDS, "its fence would stop containers"
            assert len(list(files.iterdir())) < 0.8 * USUAL_FILES
    assert attack.opened > CONNECTIONS, "none was ended"
    said = driver.log.read_text()
    assert "Too many open files" not in said
    assert "Traceback" not in said
