"""Two nodes that talk over mutual TLS, with the certificates a cluster is made with."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from acceptance.waiting import eventually
from flocker.config import Certificates
from flocker.errors import OwnerAway, PoolError, Refused, TransferFailed
from flocker.ownership import Node
from flocker.peer import HttpPeers, serve_peers
from flocker.pool import Snapshot
from tests.contract.flocker.conftest import free_port
from tests.unit.flocker.cluster import MemoryCluster

pytestmark = pytest.mark.contract

ROOT = Path(__file__).parents[3]
ADDRESS = "127.0.0.1"


def made_certificates(folder: Path) -> Path:
    nodes = [f"{node}={ADDRESS}" for node in ("node1", "node2")]
    subprocess.run([ROOT / "provision" / "certificates", folder, *nodes], check=True)
    return folder


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_certificates(tmp_path_factory.mktemp("cluster"))


@pytest.fixture
def cluster(tmp_path: Path) -> MemoryCluster:
    return MemoryCluster(tmp_path, names=("node1", "node2"))


@pytest.fixture
def port(cluster: MemoryCluster, certificates: Path) -> Iterator[int]:
    """node1 serves its peers on a port of its own."""
    node1 = cluster["node1"]
    files = Certificates.within(certificates / "node1")
    config = uvicorn.Config(
        serve_peers(node1.driver, node1.pool),
        host=ADDRESS,
        port=free_port(),
        timeout_graceful_shutdown=1,
        log_config=None,
        ssl_certfile=str(files.cert),
        ssl_keyfile=str(files.key),
        ssl_ca_certs=str(files.ca),
        ssl_cert_reqs=ssl.CERT_REQUIRED,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    eventually(lambda: server.started, is_=True, within=10)
    yield config.port
    server.should_exit = True
    thread.join()


def peers_of_node2(cluster: MemoryCluster, port: int, certificates: Path) -> HttpPeers:
    """What node2 uses; it finds node1 where node1 announced itself."""
    cluster.ownership.announce(Node("node1", ADDRESS, "0", 0, 1))
    return HttpPeers(
        "node2", cluster.ownership.nodes, port, Certificates.within(certificates / "node2")
    )


@pytest.fixture
def demo(cluster: MemoryCluster, port: int, certificates: Path) -> MemoryCluster:
    """node1 wrote "hello" to the volume "demo"; node2 reaches it over the network only."""
    node2 = cluster["node2"]
    node2.peers = peers_of_node2(cluster, port, certificates)
    node2.start()
    cluster["node1"].driver.create("demo", {})
    cluster["node1"].write("demo", "hello")
    return cluster


def test_a_volume_moves_over_the_network(demo: MemoryCluster) -> None:
    assert demo["node2"].read("demo") == "hello"
    volume = demo.ownership.volume("demo")
    assert volume is not None
    assert volume.owner == "node2"
    old = demo["node1"].pool
    eventually(lambda: old.is_open(volume.id), is_=False, within=5)  # it is told afterwards


def test_a_refusal_arrives_with_its_words(demo: MemoryCluster) -> None:
    demo["node1"].containers["demo"] = ["app-redis-1"]
    demo["node1"].driver.mount("demo", "container")
    with pytest.raises(Refused, match="in use by container 'app-redis-1' on node1"):
        demo["node2"].driver.mount("demo", "other")
    with pytest.raises(Refused, match="in use by container 'app-redis-1' on node1"):
        demo["node2"].driver.remove("demo")


def test_removing_reaches_the_owner(demo: MemoryCluster) -> None:
    demo["node2"].driver.remove("demo")
    assert demo["node1"].pool.volume_ids() == []
    assert demo.ownership.volume("demo") is None


def test_a_stream_that_breaks_off_is_an_error(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = demo["node1"].pool
    send = pool.send

    def cut(*arguments: object) -> Iterator[bytes]:
        yield next(send(*arguments))  # type: ignore[arg-type]
        raise PoolError("btrfs send failed")

    with monkeypatch.context() as patch:
        patch.setattr(pool, "send", cut)
        with pytest.raises(TransferFailed, match="the stream from node1 broke off"):
            demo["node2"].driver.mount("demo", "container")
    assert demo["node2"].read("demo") == "hello"


def test_a_receiver_that_hangs_up_ends_the_stream(
    demo: MemoryCluster, port: int, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()

    def endless(*_: object) -> Iterator[bytes]:
        try:
            while True:
                yield bytes(1 << 16)
        finally:
            ended.set()

    monkeypatch.setattr(demo["node1"].pool, "send", endless)
    volume = demo["node1"].driver.describe("demo").volume
    move = demo.ownership.start_move(volume, "node2")
    peers = peers_of_node2(demo, port, certificates)
    stream = peers.stream(move, Snapshot(1, "identity"), None)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    eventually(ended.is_set, is_=True, within=10)


def test_what_cannot_be_sent_is_refused_with_the_reason(demo: MemoryCluster) -> None:
    volume = demo["node1"].driver.describe("demo").volume
    move = demo.ownership.start_move(volume, "node2")
    with pytest.raises(TransferFailed, match=r"node1 cannot send: .*no snapshot 7"):
        next(demo["node2"].peers.stream(move, Snapshot(7, "identity"), None))


def test_a_node_that_does_not_listen_is_away(cluster: MemoryCluster, certificates: Path) -> None:
    cluster["node1"].driver.create("demo", {})
    volume = cluster["node1"].driver.describe("demo").volume
    with pytest.raises(OwnerAway, match="owned by node1, which does not answer"):
        peers_of_node2(cluster, free_port(), certificates).check_unused(volume)


def test_a_node_whose_lease_ran_out_is_away(cluster: MemoryCluster, certificates: Path) -> None:
    cluster["node1"].driver.create("demo", {})
    volume = cluster["node1"].driver.describe("demo").volume
    peers = peers_of_node2(cluster, free_port(), certificates)
    cluster.ownership.expire("node1")
    with pytest.raises(OwnerAway, match="its lease has run out"):
        peers.check_unused(volume)


@pytest.mark.parametrize("stranger", ["nobody", "another cluster"])
def test_strangers_are_not_answered(port: int, tmp_path: Path, stranger: str) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if stranger == "another cluster":
        files = Certificates.within(made_certificates(tmp_path) / "node2")
        context.load_cert_chain(files.cert, files.key)
    with pytest.raises(httpx.TransportError):
        httpx.post(f"https://{ADDRESS}:{port}/volumes/demo/check-unused", verify=context)


def test_a_stranger_is_not_asked(demo: MemoryCluster, port: int, tmp_path: Path) -> None:
    """A machine at node1's address that has not this cluster's certificate gets nothing."""
    volume = demo["node1"].driver.describe("demo").volume
    others = peers_of_node2(demo, port, made_certificates(tmp_path / "other"))
    with pytest.raises(OwnerAway, match=r"(?i)certificate"):
        others.check_unused(volume)
