"""Streams between nodes over mutual TLS: whole, or known not to be."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.responses import Response

from acceptance.base.waiting import eventually
from flocker.api import outgoing
from flocker.base.errors import (
    PoolError,
    TransferFailed,
)
from flocker.base.records import Snapshot
from flocker.certificates.tls import Tls
from flocker.streams import frames
from judge.machine.ports import free_port
from tests.contract.flocker.peer_certificates import ADDRESS, Authority
from tests.contract.flocker.peer_server import peers_of_node2, served
from tests.unit.flocker.cluster import MemoryCluster

pytestmark = pytest.mark.contract


def test_a_node_that_is_away_sends_no_changes(cluster: MemoryCluster, authority: Authority) -> None:
    peers = peers_of_node2(cluster, free_port(), authority)
    with pytest.raises(TransferFailed, match="the stream from node1 broke off"):
        list(peers.increments("node1", []))


def test_how_much_a_stream_carries_is_told(demo: MemoryCluster) -> None:
    node1, node2 = demo["node1"], demo["node2"]
    volume_id = demo.volume("demo").id
    node1.publish()
    node1.write("demo", "hello" * 10000)
    node1.publish()
    first, second = node2.peers.snapshots(volume_id, "node1")
    assert [first, second] == node1.pool.snapshots(volume_id)
    for parent in (None, first):
        told = node2.peers.stream_bytes(volume_id, "node1", second, parent)
        assert told == node1.pool.stream_bytes(volume_id, 2, parent and parent.number)


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (PoolError("btrfs send failed"), "node1 cannot send: btrfs send failed"),
        (KeyError("surprise"), "the stream from node1 broke off"),
    ],
)
def test_a_stream_that_breaks_off_is_an_error(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch, failure: Exception, told: str
) -> None:
    pool = demo["node1"].pool
    send = pool.send

    def cut(*arguments: object) -> Iterator[bytes]:
        yield next(send(*arguments))  # type: ignore[arg-type]
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(pool, "send", cut)
        with pytest.raises(TransferFailed, match=told):
            demo["node2"].driver.mount("demo", "container")
    assert demo["node2"].read("demo") == "hello"


def endless(ended: threading.Event) -> Iterator[bytes]:
    """A stream that sets `ended` when nobody takes more of it."""
    try:
        while True:
            yield bytes(1 << 16)
    finally:
        ended.set()


def test_a_receiver_that_takes_nothing_is_hung_up_on(
    demo: MemoryCluster, port: int, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    monkeypatch.setattr(outgoing, "DISK_SECONDS", 0.5)
    monkeypatch.setattr(demo["node1"].pool, "send", lambda *_: endless(ended))
    peers = peers_of_node2(demo, port, authority)
    stream = peers.stream(demo.volume("demo").id, "node1", Snapshot(1, "identity"), None)
    next(stream)
    eventually(ended.is_set, is_=True, within=10)
    with pytest.raises(TransferFailed, match="the stream from node1 broke off"):
        list(stream)


def test_a_stream_comes_in_frames_and_in_nothing_else(
    demo: MemoryCluster, port: int, authority: Authority
) -> None:
    node1, volume = demo["node1"], demo.volume("demo")
    node1.publish()
    [snapshot] = node1.pool.snapshots(volume.id)
    whole = b"".join(node1.pool.send(volume.id, snapshot.number, None))
    path = f"/copies/{volume.id}/snapshots/{snapshot.number}"
    tls = Tls(authority.of("node", "node2")).client
    asked = httpx2.get(f"https://{ADDRESS}:{port}{path}", verify=tls)
    assert b"".join(frames.decode([asked.content], "node1")) == whole
    bare = FastAPI()
    bare.get(path)(lambda: Response(whole))
    bare.post("/increments")(lambda: Response(whole))
    with served(bare, authority) as other:
        peers = peers_of_node2(demo, other, authority)
        for sent in (
            peers.stream(volume.id, "node1", snapshot, None),
            peers.increments("node1", []),
        ):
            with pytest.raises(TransferFailed, match="a frame from node1 cannot be read"):
                list(sent)


def test_a_node_that_does_not_know_a_route_is_a_failed_transfer(
    demo: MemoryCluster, authority: Authority
) -> None:
    with served(FastAPI(), authority) as other:
        peers = peers_of_node2(demo, other, authority)
        with pytest.raises(TransferFailed, match=r"node1 cannot send: .*Not Found"):
            list(peers.increments("node1", []))


def test_a_receiver_that_hangs_up_ends_the_stream(
    demo: MemoryCluster, port: int, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    monkeypatch.setattr(demo["node1"].pool, "send", lambda *_: endless(ended))
    peers = peers_of_node2(demo, port, authority)
    stream = peers.stream(demo.volume("demo").id, "node1", Snapshot(1, "identity"), None)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    eventually(ended.is_set, is_=True, within=10)


def test_a_receiver_that_hangs_up_while_the_sender_is_silent_ends_the_stream(
    demo: MemoryCluster, port: int, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when btrfs walks over files that did not change: what waits cannot be interrupted."""
    gone, ended = threading.Event(), threading.Event()

    def silent(*_: object) -> Iterator[bytes]:
        try:
            yield b"1"
            assert gone.wait(10)
            yield b"2"
        finally:
            ended.set()

    monkeypatch.setattr(demo["node1"].pool, "send", silent)
    peers = peers_of_node2(demo, port, authority)
    stream = peers.stream(demo.volume("demo").id, "node1", Snapshot(1, "identity"), None)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert not ended.is_set()
    gone.set()
    eventually(ended.is_set, is_=True, within=10)


def test_what_cannot_be_sent_is_refused_with_the_reason(demo: MemoryCluster) -> None:
    wanted = Snapshot(7, "identity")
    with pytest.raises(TransferFailed, match=r"node1 cannot send: .*no snapshot 7"):
        next(demo["node2"].peers.stream(demo.volume("demo").id, "node1", wanted, None))
