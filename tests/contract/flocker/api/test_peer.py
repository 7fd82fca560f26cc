"""Two nodes that talk over mutual TLS, with the certificates a cluster is made with."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.responses import Response

from acceptance.base.waiting import eventually
from flocker.api import outgoing, peer_client, peer_connections
from flocker.api.peer_client import HttpPeers
from flocker.api.peer_connections import PeerConnections
from flocker.base.errors import (
    ControlPlaneAway,
    FlockerError,
    OwnerAway,
    PeerAway,
    PoolError,
    Refused,
    TransferFailed,
)
from flocker.base.records import ClusterState, Event, Node, Snapshot
from flocker.certificates.tls import Tls
from flocker.moving import setbacks
from flocker.pool.protocol import Aside
from flocker.streams import frames, liveness
from flocker.streams.liveness import Watch, of_thread
from flocker.volumes.requests import FORWARDED, Forwarded
from judge.machine.ports import free_port
from tests.contract.flocker.nobody import port_of_nobody
from tests.contract.flocker.peer_certificates import ADDRESS, Authority
from tests.contract.flocker.peer_server import peers_app, served
from tests.unit.flocker.cluster import MemoryCluster

pytestmark = pytest.mark.contract


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


def peers_of_node2(cluster: MemoryCluster, port: int, authority: Authority) -> HttpPeers:
    """What node2 uses; it finds node1 where node1 announced itself."""
    cluster["node1"].ownership.announce(Node("node1", ADDRESS, "0", 0, 1))
    return HttpPeers(
        PeerConnections(
            "node2", lambda: dict(cluster.state.nodes), port, Tls(authority.of("node", "node2"))
        )
    )


@pytest.fixture
def demo(cluster: MemoryCluster, port: int, authority: Authority) -> MemoryCluster:
    """node1 wrote "hello" to the volume "demo"; node2 reaches it over the network only."""
    node2 = cluster["node2"]
    node2.peers = peers_of_node2(cluster, port, authority)
    node2.start()
    cluster["node1"].driver.create("demo", {})
    cluster["node1"].write("demo", "hello")
    return cluster


def test_a_volume_moves_over_the_network(demo: MemoryCluster) -> None:
    assert demo["node2"].read("demo") == "hello"
    volume = demo.volume("demo")
    assert volume.owner == "node2"
    old = demo["node1"].pool
    eventually(lambda: old.is_open(volume.id), is_=False, within=5)  # it is told afterwards


def test_a_refusal_arrives_with_its_words(demo: MemoryCluster) -> None:
    demo["node1"].run("demo", "app-redis-1")
    with pytest.raises(Refused, match="in use by container 'app-redis-1' on node1"):
        demo["node2"].driver.mount("demo", "other")
    with pytest.raises(Refused, match="in use by container 'app-redis-1' on node1"):
        demo["node2"].driver.remove("demo")


def test_an_owner_with_a_stopped_container_refuses_a_removal(demo: MemoryCluster) -> None:
    demo["node1"].containers.exited["demo"] = ["app-redis-1"]
    with pytest.raises(Refused, match="by stopped containers on node1: app-redis-1"):
        demo["node2"].driver.remove("demo")
    assert "demo" in demo.state.volumes


def test_removing_reaches_the_owner(demo: MemoryCluster) -> None:
    demo["node2"].driver.remove("demo")
    assert demo["node1"].pool.volume_ids() == []
    assert demo.state.volumes == {}


def test_a_removal_is_told_to_replicas(
    demo: MemoryCluster, port: int, authority: Authority
) -> None:
    """Asked of node2 this time, whose copy lies on node1."""
    demo["node2"].read("demo")
    node1 = demo["node1"]
    demo["node2"].driver.remove("demo")
    eventually(node1.pool.volume_ids, is_=[], within=5)
    assert [aside.volume for aside in demo["node2"].peers.asides("node1")] == ["demo"]
    assert peers_of_node2(demo, port, authority).asides("node1") == node1.pool.asides()


def test_a_node_that_cannot_be_told_of_a_removal_costs_nobody_anything(
    cluster: MemoryCluster, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    cluster["node2"].driver.create("demo", {})
    peers_of_node2(cluster, free_port(), authority).forget(cluster.volume("demo"))
    eventually(
        lambda: "node1 was not told that 'demo' is removed" in caplog.text, is_=True, within=5
    )


def test_a_node_that_cannot_be_told_of_a_move_costs_nobody_anything(
    cluster: MemoryCluster, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    cluster["node2"].driver.create("demo", {})
    peers_of_node2(cluster, free_port(), authority).tell_moved(cluster.volume("demo"), "node1")
    assert "node1 was not told that 'demo' moved" in caplog.text


def test_a_replica_follows_over_the_network(demo: MemoryCluster, sent: list[int]) -> None:
    node1, node2 = demo["node1"], demo["node2"]
    node1.publish()
    node2.follow()
    volume_id = demo.volume("demo").id
    assert node2.pool.snapshots(volume_id) == node1.pool.snapshots(volume_id)
    received = node1.pool.stream_bytes(volume_id, 1, None)
    assert sum(sent) >= received > 0
    assert node1.retention.numbers(demo.volume("demo"), ClusterState()) == {1}


def test_small_changes_come_over_the_network_in_one_stream(
    demo: MemoryCluster, sent: list[int]
) -> None:
    node1, node2 = demo["node1"], demo["node2"]
    node1.driver.create("other", {})
    node1.publish()
    node2.follow()
    for name in ("demo", "other"):
        node1.write(name, "more")
    node1.publish()
    sent.clear()
    volumes = [demo.volume(name) for name in ("demo", "other")]
    assert node2.follower.follow_many("node1", volumes, demo.state) == []
    for volume in volumes:
        assert node2.pool.snapshots(volume.id) == node1.pool.snapshots(volume.id)
        copies = demo.state.copies_of(volume)
        assert copies["node2"].snapshot == copies["node1"].snapshot
    assert sum(sent) > 0


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


def test_a_volume_is_made_where_its_source_is(demo: MemoryCluster) -> None:
    demo["node2"].driver.create("copy", {"from": "demo", "replicas": "0"})
    copy = demo.volume("copy")
    assert (copy.owner, copy.replicas) == ("node1", 0)
    with pytest.raises(Refused, match="node1 has no snapshot 7 of volume 'demo'"):
        demo["node2"].driver.create("other", {"from": "demo@7"})


@pytest.mark.parametrize(
    ("operation", "arguments", "answers"),
    [
        ("snapshot", {"volumes": ["demo"], "label": "größer"}, "snapshots"),
        ("resize", {"volume": "demo", "size_bytes": None}, "volume"),
        ("restore", {"reference": "demo@1"}, "kept_as"),
        ("move", {"volume": "demo", "to": "node1"}, "volume"),
    ],
)
def test_an_operation_is_done_where_the_data_is(
    demo: MemoryCluster, operation: str, arguments: dict[str, object], answers: str
) -> None:
    demo["node1"].operations.snapshots.snapshot(["demo"], "")
    request = FORWARDED[operation].model_validate(arguments)
    there = demo["node1"].operations.do(request)
    answer = demo["node2"].peers.operate("node1", request)
    assert answer.keys() == there.keys()
    assert answers in answer


def test_a_snapshot_is_given_up_where_the_data_is(demo: MemoryCluster) -> None:
    demo["node1"].operations.snapshots.snapshot(["demo"], "")
    assert demo["node2"].operations.snapshots.prune("demo@1") == {"reference": "demo@1"}
    assert demo["node1"].operations.snapshots.snapshots("demo") == {"snapshots": []}


def test_an_operation_brings_a_removed_volume_back(demo: MemoryCluster) -> None:
    demo["node1"].driver.remove("demo")
    answer = demo["node2"].operations.recovery.undelete("demo")
    assert answer["volume"]["owner"] == "node1"
    assert demo["node2"].read("demo") == "hello"


def test_a_removed_volume_is_purged_at_a_peer(demo: MemoryCluster) -> None:
    demo["node1"].driver.remove("demo")
    answer = demo["node2"].upkeep.purge("demo")
    [node1] = [each for each in answer["nodes"] if each["node"] == "node1"]
    assert len(node1["purged"]) == 1
    assert demo["node1"].pool.asides() == []


def test_copies_are_compared_with_a_peers(demo: MemoryCluster) -> None:
    demo["node1"].publish()
    demo["node2"].follow()
    answer = demo["node2"].verification.verify("demo")  # asks node1, the owner
    assert [copy["result"] for copy in answer["copies"]] == ["same", "same"]
    [snapshot] = demo["node1"].pool.snapshots(demo.volume("demo").id)
    peers = demo["node2"].peers
    read = peers.digest(demo.volume("demo").id, "node1", snapshot, 1 << 40)
    assert read == demo["node2"].pool.digest(demo.volume("demo").id, snapshot.number, 1 << 40)
    with pytest.raises(Refused, match="snapshot 9 is gone from node1"):
        peers.digest(demo.volume("demo").id, "node1", Snapshot(9, "gone"), 1 << 40)


@pytest.mark.parametrize("operation", ["purge", "promote", "_freeze", "driver", "nothing"])
def test_peers_are_not_asked_for_any_other_operation(demo: MemoryCluster, operation: str) -> None:
    class Other(Forwarded):
        pass

    Other.operation = operation
    with pytest.raises(Refused, match=f"no operation '{operation}'"):
        demo["node2"].peers.operate("node1", Other())


def test_what_a_peer_could_not_do_is_told(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ControlPlaneAway("etcd does not answer")

    monkeypatch.setattr(demo["node1"].requests, "refuse_if_used", broken)
    with pytest.raises(FlockerError, match="node1 could not do it: etcd does not answer"):
        demo["node2"].driver.mount("demo", "container")
    assert demo.volume("demo").owner == "node1"


def test_a_defect_of_a_peer_is_told(demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(demo["node1"].requests, "refuse_if_used", broken)
    with pytest.raises(TransferFailed, match=r"volume 'demo' did not come.*node1 could not do it"):
        demo["node2"].driver.mount("demo", "container")


def test_an_owner_that_takes_too_long_is_away(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def slow(*_: object) -> None:
        assert over.wait(10)

    monkeypatch.setattr(peer_client, "DISK_SECONDS", 0.2)
    monkeypatch.setattr(demo["node1"].requests, "release", slow)
    with pytest.raises(OwnerAway, match=r"does not answer \(no answer within 0.2 s\)"):
        demo["node2"].driver.mount("demo", "container")
    over.set()
    assert demo.volume("demo").owner == "node1"
    assert demo.state.moves == {}


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


@contextmanager
def a_hung_source(demo: MemoryCluster) -> Iterator[None]:
    """Within, node1 sends the beginning of a stream and then nothing more."""
    over, pool = threading.Event(), demo["node1"].pool
    send = pool.send

    def silent(*arguments: object) -> Iterator[bytes]:
        yield next(send(*arguments))  # type: ignore[arg-type]
        assert over.wait(60)

    def nothing(*_: object) -> None:
        assert over.wait(60)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(liveness, "SILENCE_SECONDS", 0.5)
        patch.setattr(pool, "send", silent)
        patch.setattr(pool, "small_stream", nothing)
        try:
            yield
        finally:
            over.set()


STALLED = "node1 has sent nothing for 0.5 s, not even a sign of life"


def test_a_move_from_a_source_that_hangs_ends_and_may_be_tried_again(demo: MemoryCluster) -> None:
    move = demo["node2"].operations.moves.move
    failed = f"volume 'demo' did not come from node1 to node2: {STALLED}"
    with a_hung_source(demo), pytest.raises(TransferFailed, match=failed):
        move("demo", None)
    assert demo.volume("demo").owner == "node1"
    assert demo.state.moves == {}
    move("demo", None)
    assert demo["node2"].read("demo") == "hello"


def test_a_replica_of_a_source_that_hangs_is_told_of_and_tried_again(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setbacks, "STUCK_AFTER_SECONDS", 0)
    node2 = demo["node2"]
    demo["node1"].publish()
    told = f"the replica of volume 'demo' here is stuck: {STALLED}"
    with a_hung_source(demo):
        node2.follower.look(demo.state)
        eventually(
            lambda: [told in each for each in node2.follower.problems()], is_=[True], within=10
        )
    node2.follow()
    assert "node2" in demo.state.copies_of(demo.volume("demo"))


def test_a_promotion_from_a_copy_that_hangs_names_the_way_on(demo: MemoryCluster) -> None:
    """The owner, node3, is gone, and node1 has the newest copy."""
    volume = demo.volume("demo")
    demo["node1"].publish()
    lost = replace(volume, owner="node3", epoch=2, base=demo["node1"].pool.snapshots(volume.id)[0])
    demo.ownership.advance(volume, lost, Event(volume.id, "demo", "2026", "node3", "moved"))
    failed = f"node2 has no copy of volume 'demo' and cannot fetch the newest one: {STALLED}"
    with a_hung_source(demo), pytest.raises(Refused, match=failed):
        demo["node2"].failover.promote("demo")


def test_small_changes_of_a_source_that_hangs_are_given_up(demo: MemoryCluster) -> None:
    node1, node2, volume = demo["node1"], demo["node2"], demo.volume("demo")
    node1.publish()
    node2.follow()
    first = node2.pool.snapshots(volume.id)
    node1.write("demo", "more")
    node1.publish()
    with a_hung_source(demo):
        assert node2.follower.follow_many("node1", [volume], demo.state) == []
    assert node2.pool.snapshots(volume.id) == first
    node2.follow()
    assert node2.pool.snapshots(volume.id) == node1.pool.snapshots(volume.id)


def test_a_source_that_works_in_silence_is_waited_for(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when btrfs walks over files that did not change."""
    send = demo["node1"].pool.send
    pause = threading.Event()

    def quiet(*arguments: object) -> Iterator[bytes]:
        for chunk in send(*arguments):  # type: ignore[arg-type]
            yield chunk
            for _ in range(10):
                pause.wait(0.2)
                yield b""

    monkeypatch.setattr(liveness, "SILENCE_SECONDS", 1.0)
    monkeypatch.setattr(demo["node1"].pool, "send", quiet)
    assert demo["node2"].read("demo") == "hello"


def test_a_source_that_hangs_says_so_before_it_is_given_up(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both count from the same moment, and only the source knows what hangs."""
    over, pause, pool = threading.Event(), threading.Event(), demo["node1"].pool
    hung = threading.Thread(target=over.wait, args=(60,))
    hung.start()
    send = pool.send

    def watched(*arguments: object) -> Iterator[bytes]:
        yield next(send(*arguments))  # type: ignore[arg-type]
        watch = Watch("btrfs send", [of_thread(hung.native_id)])
        while True:
            pause.wait(liveness.SIGN_SECONDS)
            if watch.is_alive():
                yield b""

    by_a_part = 10
    for name in ("STALL_SECONDS", "SILENCE_SECONDS", "SIGN_SECONDS"):
        monkeypatch.setattr(liveness, name, getattr(liveness, name) / by_a_part)
    monkeypatch.setattr(pool, "send", watched)
    try:
        with pytest.raises(TransferFailed, match=r"node1 cannot send: btrfs send has made no prog"):
            demo["node2"].driver.mount("demo", "container")
    finally:
        over.set()
        hung.join()


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
