"""Members of an etcd of our own, on loopback, that can be stopped, paused and started again."""

from __future__ import annotations

import signal
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from acceptance.base.waiting import eventually
from flocker.consensus.etcd import EtcdOwnership
from flocker.consensus.ownership import Ownership
from judge.machine import signals
from judge.machine.ports import free_port
from tests.twins.memory_ownership import MemoryOwnership

LEASE_SECONDS = 2
UNATTENDED_SECONDS = 60

Join = Callable[[], Ownership]


class Etcd:
    """One member; alone, or one of a cluster whose others join it.

    Args:
        cluster: name -> URL for peers, this member's included; shared by all of them.
        options: more of the command line.
        certs: the folder of a node with its certificates, for https; without, it is http.
    """

    def __init__(
        self,
        folder: Path,
        name: str = "only",
        cluster: dict[str, str] | None = None,
        options: Sequence[str] = (),
        certs: Path | None = None,
    ) -> None:
        self._options = [*options, *(_tls_options(certs / "member") if certs else [])]
        self._asking = requests.Session()
        if certs is not None:
            shown = certs / "etcd"
            self._asking.verify = str(shown / "ca.pem")
            self._asking.cert = (str(shown / "cert.pem"), str(shown / "key.pem"))
        self._folder = folder
        self._name = name
        self._cluster = cluster if cluster is not None else {}
        self.endpoint = f"{'https' if certs else 'http'}://127.0.0.1:{free_port()}"
        self._cluster[name] = f"http://127.0.0.1:{free_port()}"
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start without waiting: members of a new cluster wait for each other."""
        members = ",".join(f"{name}={url}" for name, url in self._cluster.items())
        self._process = subprocess.Popen(
            [
                "etcd",
                *("--name", self._name, "--data-dir", str(self._folder / self._name)),
                *("--listen-client-urls", self.endpoint),
                *("--advertise-client-urls", self.endpoint),
                *("--listen-peer-urls", self._cluster[self._name]),
                *("--initial-advertise-peer-urls", self._cluster[self._name]),
                *("--initial-cluster", members),
                # Tests end it, but fail no power: the kernel keeps what it wrote.
                "--unsafe-no-fsync",
                *self._options,
            ],
            stdout=subprocess.DEVNULL,
            stderr=(self._folder / f"{self._name}.log").open("ab"),
        )

    def start(self) -> None:
        self.launch()
        self.check_healthy()

    def check_healthy(self) -> None:
        eventually(self._is_healthy, is_=True, within=30)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """From now on it answers nothing, and closes no connection either."""
        assert self._process is not None
        signals.send(self._process, signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def is_leader(self) -> bool:
        status = self._status()
        return bool(status["leader"] == status["header"]["member_id"])

    def db_bytes(self) -> int:
        return int(self._status()["dbSize"])

    def compact(self) -> None:
        """Forget every revision but the newest."""
        revision = self._status()["header"]["revision"]
        answer = requests.post(
            f"{self.endpoint}/v3/kv/compaction", json={"revision": revision}, timeout=5
        )
        answer.raise_for_status()

    def store(self, key: str, value: str) -> None:
        """Put a value as something else than this version of flocker would."""
        question = {"key": _base64(key), "value": _base64(value)}
        requests.post(f"{self.endpoint}/v3/kv/put", json=question, timeout=5).raise_for_status()

    def _status(self) -> dict[str, Any]:
        answer = requests.post(f"{self.endpoint}/v3/maintenance/status", json={}, timeout=5)
        status: dict[str, Any] = answer.json()
        return status

    def _is_healthy(self) -> bool:
        try:
            answer = self._asking.get(f"{self.endpoint}/health", timeout=2)
        except requests.ConnectionError:
            return False
        return bool(answer.json()["health"] == "true")


def _tls_options(member: Path) -> list[str]:
    """As provision/etcd-members.sh has them."""
    files = {
        "trusted-ca-file": "ca.pem",
        "cert-file": "cert.pem",
        "key-file": "key.pem",
        "client-crl-file": "refused.crl",
    }
    return ["--client-cert-auth", *(f"--{name}={member / file}" for name, file in files.items())]


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


@pytest.fixture(scope="session")
def session_etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    etcd = Etcd(tmp_path_factory.mktemp("etcd"))
    etcd.start()
    yield etcd
    etcd.stop()


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[Etcd]:
    """A running etcd of the test's own, empty, to be stopped and compacted."""
    etcd = Etcd(tmp_path)
    etcd.start()
    yield etcd
    etcd.stop()


@contextmanager
def running(members: list[Etcd]) -> Iterator[None]:
    """Start the members of one etcd together, and stop them."""
    try:
        for member in members:
            member.launch()
        for member in members:
            member.check_healthy()
        yield
    finally:
        for member in members:
            member.stop()


@pytest.fixture
def members(tmp_path: Path) -> Iterator[list[Etcd]]:
    """Three members that are one etcd."""
    cluster: dict[str, str] = {}
    members = [Etcd(tmp_path, name, cluster) for name in ("first", "second", "third")]
    with running(members):
        yield members


@pytest.fixture(params=["memory", "etcd"])
def join(request: pytest.FixtureRequest) -> Join:
    """Joins the cluster: each call is the view of one more node."""
    return _joining(request, LEASE_SECONDS)


@pytest.fixture(params=["memory", "etcd"])
def join_for_long(request: pytest.FixtureRequest) -> Join:
    """As `join`, for nodes whose lease lasts for the whole test, which renews none."""
    return _joining(request, UNATTENDED_SECONDS)


def _joining(request: pytest.FixtureRequest, lease_seconds: int) -> Join:
    if request.param == "memory":
        shared = MemoryOwnership()
        return lambda: shared
    running: Etcd = request.getfixturevalue("session_etcd")
    return lambda: EtcdOwnership([running.endpoint], lease_seconds, None)
