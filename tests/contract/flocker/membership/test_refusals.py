"""A real etcd lets no retired node in, by certificates of real authorities."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.base.config import Certificates, Config
from flocker.base.errors import ControlPlaneAway
from flocker.base.records import Node
from flocker.certificates import leaves, signing
from flocker.certificates.renewal import Renewal
from flocker.consensus.etcd import EtcdOwnership
from flocker.consensus.mirror import Mirror
from flocker.membership.refusals import Refusals
from judge.machine.ports import free_port
from tests.contract.flocker.etcd_members import LEASE_SECONDS, Etcd
from tests.contract.flocker.membership.conftest import ADDRESS, NODES, ROOT, make, of_node1
from tests.contract.flocker.own_driver import lone_driver

pytestmark = pytest.mark.contract


@pytest.fixture
def etcd(certs: Path, tmp_path: Path) -> Iterator[Etcd]:
    """An etcd, which is node1's member."""
    etcd = Etcd(tmp_path, certs=certs / "node1")
    etcd.start()
    yield etcd
    etcd.stop()


class Cluster:
    """node1 with its etcd and its list, and how other nodes are treated there."""

    def __init__(self, etcd: Etcd, certs: Path, folder: Path) -> None:
        self._etcd = etcd
        self._certs = certs
        self.ownership = self.of("node1")
        self.mirror = Mirror(self.ownership, folder / "catalog.json")
        self.refusals = Refusals(of_node1(certs), self.mirror)

    def of(self, node: str) -> EtcdOwnership:
        """Return what is agreed, as a node sees it."""
        shown = Certificates.within(self._certs / node / "etcd")
        return EtcdOwnership([self._etcd.endpoint], LEASE_SECONDS, shown)

    def join(self, node: str) -> None:
        """Announce a node as its daemon does."""
        config = Config(node, ADDRESS, [], Certificates.within(self._certs / node))
        authority = Renewal(config).authority_for_etcd()
        self.of(node).announce(Node(node, ADDRESS, "0", 0, 1, authority=authority))

    def leave(self, node: str) -> None:
        eventually(lambda: node in self.ownership.state().nodes, is_=False, within=30)

    def lets_in(self, *nodes: str) -> list[str]:
        """The nodes that can ask etcd something, with a connection of their own.

        Args:
            nodes: the three of the cluster by default.
        """
        return [node for node in nodes or NODES if self._is_let_in(node)]

    def _is_let_in(self, node: str) -> bool:
        try:
            self.of(node).state()
        except ControlPlaneAway as error:
            assert "etcd does not answer" in str(error)
            return False
        return True


@pytest.fixture
def cluster(etcd: Etcd, certs: Path, tmp_path: Path) -> Cluster:
    cluster = Cluster(etcd, certs, tmp_path)
    cluster.refusals.look()
    for node in NODES:
        cluster.join(node)
    assert cluster.lets_in() == list(NODES)
    return cluster


def test_a_retired_node_is_let_in_no_more_and_the_others_are(cluster: Cluster) -> None:
    cluster.leave("node2")
    cluster.ownership.forget_node("node2")
    cluster.refusals.look()
    assert cluster.lets_in() == ["node1", "node3"]


def test_its_successor_has_another_name_and_is_let_in(cluster: Cluster, certs: Path) -> None:
    """It is enrolled as any node is; what the retired one can still sign stays out."""
    cluster.leave("node2")
    cluster.ownership.forget_node("node2")
    cluster.refusals.look()
    names = [f"{node}={ADDRESS}" for node in (*NODES, "node4")]
    subprocess.run([ROOT / "provision" / "certificates", certs, *names], check=True)
    cluster.join("node4")
    assert cluster.lets_in("node4") == ["node4"]
    _, for_etcd, _ = leaves.leaves(certs / "node2", certs / "node2" / "member")
    for_etcd.make("node4", ADDRESS)
    assert cluster.lets_in(*NODES, "node4") == ["node1", "node3", "node4"]
    cluster.refusals.look()
    assert cluster.lets_in("node4") == ["node4"]


def test_a_certificate_that_it_signs_afterwards_is_refused_too(
    cluster: Cluster, certs: Path
) -> None:
    cluster.leave("node2")
    cluster.ownership.forget_node("node2")
    cluster.refusals.look()
    for leaf in leaves.leaves(certs / "node2", certs / "node2" / "member"):
        leaf.make("node2", ADDRESS)
    assert cluster.lets_in() == ["node1", "node3"]


def test_a_retired_node_is_refused_with_etcdctl_too(
    cluster: Cluster, etcd: Etcd, certs: Path
) -> None:
    """Drivers speak JSON, `etcdctl` does not."""

    def asks(node: str) -> bool:
        shown = certs / node / "etcd"
        files = {"cacert": "ca.pem", "cert": "cert.pem", "key": "key.pem"}
        done = subprocess.run(
            [
                *("etcdctl", f"--endpoints={etcd.endpoint}", "--command-timeout=5s"),
                *(f"--{option}={shown / file}" for option, file in files.items()),
                *("get", "demo"),
            ],
            env={"ETCDCTL_API": "3", "PATH": os.environ["PATH"]},
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        return done.returncode == 0

    assert asks("node2")
    cluster.leave("node2")
    cluster.ownership.forget_node("node2")
    cluster.refusals.look()
    assert [node for node in NODES if asks(node)] == ["node1", "node3"]


def test_who_resumes_a_session_is_looked_at_as_well(
    cluster: Cluster, etcd: Etcd, certs: Path
) -> None:
    files = Certificates.within(certs / "node2" / "etcd")
    tls = ssl.create_default_context(cafile=files.ca)
    tls.load_cert_chain(files.cert, files.key)

    def ask(session: ssl.SSLSession | None) -> tuple[bool, bytes, ssl.SSLSession | None]:
        where = (ADDRESS, int(etcd.endpoint.rpartition(":")[2]))
        with (
            socket.create_connection(where, timeout=10) as connection,
            tls.wrap_socket(connection, server_hostname="localhost", session=session) as wrapped,
        ):
            wrapped.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            return bool(wrapped.session_reused), wrapped.recv(12), wrapped.session

    session = ask(None)[2]
    assert ask(session)[:2] == (True, b"HTTP/1.0 200")
    cluster.leave("node2")
    cluster.ownership.forget_node("node2")
    cluster.refusals.look()
    try:
        answer = ask(session)[:2]
    except (ConnectionError, ssl.SSLError):
        answer = True, b""
    assert answer == (True, b"")


def test_the_authorities_that_a_machine_had_before_are_refused(
    cluster: Cluster, certs: Path
) -> None:
    """As docs/operations.md has them replaced."""
    stolen = shutil.copytree(certs / "node2", certs.parent / "stolen")
    shutil.rmtree(certs / "node2")
    make(certs)
    cluster.leave("node2")
    cluster.join("node2")
    cluster.refusals.look()
    assert cluster.lets_in() == list(NODES)
    shutil.rmtree(certs / "node2")
    shutil.move(stolen, certs / "node2")
    assert cluster.lets_in() == ["node1", "node3"]


def test_etcd_keeps_asking_itself_and_starts_with_a_list(cluster: Cluster, etcd: Etcd) -> None:
    cluster.leave("node2")
    cluster.ownership.forget_node("node2")
    cluster.refusals.look()
    etcd.stop()
    etcd.start()
    assert cluster.lets_in() == ["node1", "node3"]


def test_a_daemon_tells_its_authority_and_keeps_the_list(
    cluster: Cluster, etcd: Etcd, certs: Path, tmp_path: Path
) -> None:
    cluster.leave("node1")
    cluster.leave("node2")
    # The daemon's own folder is node3's; etcd's is node1's.
    shutil.rmtree(certs / "node3" / "member")
    (certs / "node3" / "member").symlink_to(certs / "node1" / "member")
    with lone_driver(tmp_path / "driver", etcd, certs / "node3", free_port()) as driver:
        driver.start()
        authority = certs / "node3" / "authority" / "etcd" / "cert.pem"

        def is_told() -> bool:
            node = cluster.ownership.state().nodes.get("node3")
            return node is not None and node.authority == signing.serial(authority)

        eventually(is_told, is_=True, within=30)
        cluster.ownership.forget_node("node2")
        eventually(cluster.lets_in, is_=["node1", "node3"], within=30)
