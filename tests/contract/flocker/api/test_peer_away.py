"""Nodes that cannot be reached, and machines that are not the node they are asked as."""

from __future__ import annotations

import ssl
import threading
import time
from pathlib import Path

import httpx2
import pytest

from acceptance.base.waiting import eventually
from flocker.api import peer_client, peer_connections
from flocker.base.errors import (
    OwnerAway,
    PeerAway,
)
from flocker.base.records import Node
from flocker.pool.protocol import Aside
from judge.machine.ports import free_port
from tests.contract.flocker.nobody import port_of_nobody
from tests.contract.flocker.peer_certificates import ADDRESS, Authority
from tests.contract.flocker.peer_server import peers_of_node2
from tests.unit.flocker.cluster import MemoryCluster

pytestmark = pytest.mark.contract


def test_a_node_that_cannot_be_told_of_a_removal_costs_nobody_anything(
    cluster: MemoryCluster, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    cluster["node2"].driver.create("demo", {})
    peers_of_node2(cluster, free_port(), authority).discard(cluster.volume("demo"))
    eventually(
        lambda: "node1 was not told that 'demo' is removed" in caplog.text, is_=True, within=5
    )


def test_a_node_that_cannot_be_told_of_a_move_costs_nobody_anything(
    cluster: MemoryCluster, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    cluster["node2"].driver.create("demo", {})
    peers_of_node2(cluster, free_port(), authority).put_away(cluster.volume("demo"), "node1")
    assert "node1 was not told that 'demo' moved" in caplog.text


def test_an_owner_that_takes_too_long_is_away(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def slow(*_: object) -> None:
        assert over.wait(10)

    monkeypatch.setattr(peer_client, "DISK_SECONDS", 0.2)
    monkeypatch.setattr(demo["node1"].departures, "release", slow)
    with pytest.raises(OwnerAway, match=r"does not answer \(no answer within 0.2 s\)"):
        demo["node2"].driver.mount("demo", "container")
    over.set()
    assert demo.volume("demo").owner == "node1"
    assert demo.state.moves == {}


def test_a_node_that_does_not_listen_is_away(cluster: MemoryCluster, authority: Authority) -> None:
    cluster["node1"].driver.create("demo", {})
    volume = cluster.volume("demo")
    with pytest.raises(OwnerAway, match="owned by node1, which does not answer"):
        peers_of_node2(cluster, free_port(), authority).check_unused(volume)


def test_a_node_that_is_gone_is_not_called_for_long(
    cluster: MemoryCluster, authority: Authority
) -> None:
    cluster["node1"].driver.create("demo", {})
    volume = cluster.volume("demo")
    with port_of_nobody() as port:
        began = time.monotonic()
        with pytest.raises(OwnerAway, match="timed out"):
            peers_of_node2(cluster, port, authority).check_unused(volume)
        assert time.monotonic() - began < peer_connections.CONNECT_SECONDS + 2


def test_a_node_that_hangs_is_not_waited_for_long_when_copies_are_listed(
    demo: MemoryCluster, port: int, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_client, "LIST_SECONDS", 0.2)
    answered = threading.Event()

    def asides() -> list[Aside]:
        answered.wait(15)
        return []

    monkeypatch.setattr(demo["node1"].pool, "asides", asides)
    with pytest.raises(PeerAway, match=r"node1.*no answer within 0.2 s"):
        peers_of_node2(demo, port, authority).asides("node1")
    answered.set()


def test_a_node_whose_lease_ran_out_is_away(cluster: MemoryCluster, authority: Authority) -> None:
    cluster["node1"].driver.create("demo", {})
    volume = cluster.volume("demo")
    peers = peers_of_node2(cluster, free_port(), authority)
    cluster.ownership.expire("node1")
    with pytest.raises(OwnerAway, match="its lease has run out"):
        peers.check_unused(volume)


@pytest.mark.parametrize("stranger", ["nobody", "another cluster"])
def test_strangers_are_not_answered(port: int, tmp_path: Path, stranger: str) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if stranger == "another cluster":
        files = Authority(tmp_path / "other").of("node", "node2")
        context.load_cert_chain(files.cert, files.key)
    with pytest.raises(httpx2.TransportError):
        httpx2.post(f"https://{ADDRESS}:{port}/volumes/demo/check-unused", verify=context)


def test_a_stranger_is_not_asked(demo: MemoryCluster, port: int, tmp_path: Path) -> None:
    """A machine at node1's address that has not this cluster's certificate gets nothing."""
    volume = demo.volume("demo")
    others = peers_of_node2(demo, port, Authority(tmp_path / "other"))
    with pytest.raises(OwnerAway, match=r"(?i)certificate"):
        others.check_unused(volume)


def test_a_node_does_not_answer_in_the_name_of_another(
    demo: MemoryCluster, port: int, authority: Authority
) -> None:
    """A record says that node3 is at node1's address, to which there is a connection already."""
    peers = peers_of_node2(demo, port, authority)
    assert peers.asides("node1") == []
    demo["node1"].ownership.announce(Node("node3", ADDRESS, "0", 0, 1))
    with pytest.raises(PeerAway, match=r"node3.*not valid for 'node3'"):
        peers.asides("node3")
