"""Two nodes that talk over mutual TLS, with the certificates a cluster is made with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.flocker.peer_certificates import Authority
from tests.contract.flocker.peer_server import peers_app, peers_of_node2, served
from tests.unit.flocker.cluster import MemoryCluster


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("cluster") / "keys")


@pytest.fixture
def cluster(tmp_path: Path) -> MemoryCluster:
    return MemoryCluster(tmp_path, names=("node1", "node2"))


@pytest.fixture
def sent() -> list[int]:
    """The bytes of each part of a stream that node1 sent."""
    return []


@pytest.fixture
def port(cluster: MemoryCluster, authority: Authority, sent: list[int]) -> Iterator[int]:
    """node1 serves its peers on a port of its own."""
    node1 = cluster["node1"]
    with served(peers_app(node1, sent.append), authority) as port:
        yield port


@pytest.fixture
def demo(cluster: MemoryCluster, port: int, authority: Authority) -> MemoryCluster:
    """node1 wrote "hello" to the volume "demo"; node2 reaches it over the network only."""
    node2 = cluster["node2"]
    node2.peers = peers_of_node2(cluster, port, authority)
    node2.start()
    cluster["node1"].driver.create("demo", {})
    cluster["node1"].write("demo", "hello")
    return cluster
