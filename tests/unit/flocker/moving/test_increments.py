"""Small changes of many volumes come in one stream, in which none spoils or delays another."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from acceptance.base.waiting import eventually
from flocker.base.belief import Belief
from flocker.base.errors import ControlPlaneAway, PoolError, PoolHangs, TransferFailed
from flocker.base.records import ClusterState, Snapshot
from flocker.moving import increments
from flocker.moving.increments import SMALL_BYTES, Increment, Increments, Wanted, decode, encode
from flocker.pool.local_pool import Staged
from tests.twins.memory_pool import MemoryPool
from tests.unit.flocker.cluster import Machine, MemoryCluster

NAMES = [f"v{number}" for number in range(5)]
PARENT = Snapshot(3, "identity-3", 1)
INCREMENTS = [
    Increment("a", PARENT, b"stream" * 1000),
    Increment("b", error="the disk is full"),
    Increment("c"),
    Increment("d", PARENT, b""),
]


@pytest.fixture
def cluster(tmp_path: Path) -> MemoryCluster:
    """node1 owns five volumes, of which node2 has the first snapshot."""
    cluster = MemoryCluster(tmp_path, ("node1", "node2"))
    for name in NAMES:
        cluster["node1"].driver.create(name, {})
        cluster["node1"].write(name, "one")
    cluster.replicate()
    return cluster


def change(cluster: MemoryCluster, *names: str, text: str = "two") -> None:
    for name in names:
        cluster["node1"].write(name, text)
    cluster["node1"].publish()


def held(cluster: MemoryCluster, node: str = "node2") -> list[int]:
    """The number of the newest snapshot of each volume that a node is known to hold."""
    state = cluster.state
    return [state.copies[cluster.volume(name).id][node].snapshot.number for name in NAMES]


# The frames


def test_what_is_encoded_is_decoded_however_it_is_cut() -> None:
    whole = b"".join(encode(INCREMENTS))
    for size in (1, 7, len(whole)):
        chunks = [whole[at : at + size] for at in range(0, len(whole), size)]
        assert list(decode([b"", *chunks], "node1", len(INCREMENTS))) == INCREMENTS
    assert list(decode(encode([]), "node1", 0)) == []


def test_a_stream_that_breaks_off_is_never_whole() -> None:
    whole = b"".join(encode(INCREMENTS[1:]))
    for length in range(len(whole)):
        with pytest.raises(TransferFailed, match="increments from node1 broke off"):
            list(decode([whole[:length]], "node1", len(INCREMENTS)))


def test_frames_that_are_missing_are_noticed() -> None:
    frames = list(encode(INCREMENTS))
    with pytest.raises(TransferFailed, match="node1 cannot be read: 3 came of 4"):
        list(decode(frames[1:], "node1", len(INCREMENTS)))


def test_nothing_comes_after_the_end() -> None:
    whole = b"".join(encode(INCREMENTS))
    for chunks in ([whole + b"x"], [whole, b"", b"x"]):
        with pytest.raises(TransferFailed, match="node1 cannot be read: more comes after the end"):
            list(decode(chunks, "node1", len(INCREMENTS)))
    assert list(decode([whole, b""], "node1", len(INCREMENTS))) == INCREMENTS


def test_no_more_comes_than_was_asked_for() -> None:
    arriving = decode(encode([Increment("a")] * 3), "node1", 2)
    assert [next(arriving), next(arriving)] == [Increment("a")] * 2
    with pytest.raises(TransferFailed, match="node1 cannot be read: more than the 2 asked for"):
        next(arriving)


def framed(head: object) -> bytes:
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return len(text).to_bytes(4, "big") + text


GOOD: dict[str, Any] = {
    "volume_id": "a",
    "parent": PARENT.to_json(),
    "bytes": 3,
    "error": "",
}


def crafted() -> Iterator[Any]:
    """Heads that no node writes."""
    yield from (b"[", b"{}", b'{"volume_id": "a"}', b"\xff\xfe", b"[" * 60_000, b"1" * 60_000)
    yield from ([], [["end", 0]], None, 7, "end", {"end": None}, {"end": -1}, {"end": True})
    yield {"end": 0, **GOOD}
    for key in GOOD:
        yield {each: value for each, value in GOOD.items() if each != key}
    for value in (None, 7, ["a"], "", "a" * 1000, "\ud800"):
        yield {**GOOD, "volume_id": value}
    for value in (-1, -(1 << 40), 1 << 40, SMALL_BYTES + 1, True, 3.0, "3", [3]):
        yield {**GOOD, "bytes": value}
    for value in (None, 7, ["a"], "a" * 10_000, "\ud800"):
        yield {**GOOD, "error": value}
    for value in (None, 0, "", [], ["number"], {}, "parent"):
        yield {**GOOD, "parent": value}
    for key, values in {
        "number": (None, "3", 3.0, True, -1, 1 << 70, "../3"),
        "identity": (None, 3, ["a"], "", "a" * 1000),
        "epoch": (None, "1", -1, True),
        "held_bytes": ("1", -1, True),
    }.items():
        for value in values:
            yield {**GOOD, "parent": {**PARENT.to_json(), key: value}}


def test_a_frame_of_this_shape_can_be_read() -> None:
    """All that is crafted below differs from it in one thing."""
    [read] = decode([framed(GOOD), b"abc", framed({"end": 1})], "node1", 1)
    assert read == Increment("a", PARENT, b"abc")


@pytest.mark.parametrize("head", list(crafted()), ids=lambda head: repr(head)[:60])
def test_what_is_no_frame_is_a_failed_transfer(head: Any) -> None:
    with pytest.raises(TransferFailed, match="the stream of increments from node1 cannot be read"):
        list(decode([framed(head), b"abc", framed({"end": 1})], "node1", 1))


@pytest.mark.parametrize("sent", [b"\xff\xff\xff\xff", framed({**GOOD, "bytes": (1 << 32)})])
def test_a_length_that_no_node_writes_is_not_waited_for(sent: bytes) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        yield sent
        while True:
            taken += 1
            yield bytes(1 << 16)

    with pytest.raises(TransferFailed, match="node1 cannot be read"):
        list(decode(endless(), "node1", 1))
    assert taken <= 1


def test_a_reason_of_any_length_arrives() -> None:
    reason = "\N{WHALE}" * 100_000
    [read] = decode(encode([Increment("a", error=reason)]), "node1", 1)
    assert len(read.error) > 1000
    assert reason.startswith(read.error)


def test_what_is_wanted_is_read_back() -> None:
    wanted = Wanted("id", Snapshot(4, "identity-4", 2), (PARENT,))
    assert Wanted.from_json(wanted.to_json()) == wanted


# Following


@pytest.fixture
def asked(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The requests of node2: whom it asked, and for how many volumes."""
    peers, requests = cluster["node2"].peers, list[tuple[str, int]]()
    increments = peers.increments

    def counted(node: str, wanted: list[Wanted]) -> Iterator[Increment]:
        requests.append((node, len(wanted)))
        yield from increments(node, wanted)

    monkeypatch.setattr(peers, "increments", counted)
    return requests


def test_many_volumes_are_one_request_and_one_write(
    cluster: MemoryCluster, asked: list[tuple[str, int]]
) -> None:
    node2 = cluster["node2"]
    change(cluster, *NAMES)
    node2.etcd.calls.clear()
    node2.follow()
    assert held(cluster) == [2] * 5
    assert asked == [("node1", 5)]
    assert node2.etcd.calls == ["publish"]
    for name in NAMES:
        volume_id = cluster.volume(name).id
        assert node2.pool.snapshots(volume_id) == cluster["node1"].pool.snapshots(volume_id)


def test_a_follower_asks_at_once_for_all_that_an_owner_has_published(
    cluster: MemoryCluster, asked: list[tuple[str, int]]
) -> None:
    change(cluster, *NAMES)
    cluster["node2"].follower.look(cluster.state)
    eventually(lambda: held(cluster), is_=[2] * 5, within=10)
    assert asked == [("node1", 5)]


def broken(
    machine: Machine,
    volume_id: str,
    patch: pytest.MonkeyPatch,
    call: str,
    error: Exception,
) -> None:
    """Have a call of the pool fail for one volume."""
    real = getattr(machine.pool, call)

    def failing(each: str, *arguments: object) -> object:
        if each == volume_id:
            raise error
        return real(each, *arguments)

    patch.setattr(machine.pool, call, failing)


@pytest.mark.parametrize(
    ("node", "call", "error"),
    [
        ("node1", "small_stream", PoolError("the disk is full")),
        ("node1", "small_stream", PoolHangs("no progress")),
        ("node2", "stage", PoolError("the disk is full")),
        ("node2", "stage", RuntimeError("a defect")),
    ],
)
def test_one_that_cannot_be_had_holds_up_no_other(
    cluster: MemoryCluster,
    monkeypatch: pytest.MonkeyPatch,
    node: str,
    call: str,
    error: Exception,
) -> None:
    change(cluster, *NAMES)
    with monkeypatch.context() as patch:
        broken(cluster[node], cluster.volume("v1").id, patch, call, error)
        cluster["node2"].follow()
    assert held(cluster) == [2, 1, 2, 2, 2]
    cluster["node2"].follow()
    assert held(cluster) == [2] * 5


def test_what_came_before_a_stream_broke_off_is_kept(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node2 = cluster["node2"]
    increments = node2.peers.increments

    def cut(node: str, wanted: list[Wanted]) -> Iterator[Increment]:
        sent = increments(node, wanted)
        yield next(sent)
        yield next(sent)
        raise TransferFailed("the stream broke off")

    change(cluster, *NAMES)
    with monkeypatch.context() as patch:
        patch.setattr(node2.peers, "increments", cut)
        node2.follow()
    assert sorted(held(cluster)) == [1, 1, 1, 2, 2]
    node2.follow()
    assert held(cluster) == [2] * 5


def test_what_comes_twice_or_was_not_asked_for_is_passed_over(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node2, staged = cluster["node2"], []
    increments, stage = node2.peers.increments, node2.pool.stage

    def chatty(node: str, wanted: list[Wanted]) -> Iterator[Increment]:
        for each in increments(node, wanted):
            yield from (each, each, Increment("another volume", PARENT, b"stream"))

    def noted(volume_id: str, *arguments: Any) -> Staged:
        staged.append(volume_id)
        return stage(volume_id, *arguments)

    monkeypatch.setattr(node2.peers, "increments", chatty)
    monkeypatch.setattr(node2.pool, "stage", noted)
    change(cluster, *NAMES)
    node2.follow()
    assert held(cluster) == [2] * 5
    assert sorted(staged) == sorted(cluster.volume(name).id for name in NAMES)


def test_a_pool_that_hangs_is_waited_for_once(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each increment that hangs takes a minute, and only a few are made ready at a time."""
    node1 = cluster["node1"]
    monkeypatch.setattr(increments, "AT_ONCE", 2)
    change(cluster, *NAMES)
    wanted = [
        Wanted(volume_id, second, (first,))
        for volume_id in (cluster.volume(name).id for name in NAMES)
        for first, second in [node1.pool.snapshots(volume_id)]
    ]
    asked = []

    def hang(volume_id: str, *_: object) -> None:
        asked.append(volume_id)
        raise PoolHangs("no progress")

    monkeypatch.setattr(node1.pool, "small_stream", hang)
    arriving = Increments(node1.pool, node1.retention).send("node2", wanted)
    first = next(arriving)
    assert first is not None
    assert (first.volume_id, first.error) == (wanted[0].volume_id, "no progress")
    with pytest.raises(PoolHangs, match="no progress"):
        next(arriving)
    assert len(asked) < len(wanted)


def test_a_disk_that_refuses_writes_fails_all_that_arrived_with_them(
    cluster: MemoryCluster,
) -> None:
    change(cluster, *NAMES)
    cast(MemoryPool, cluster["node2"].pool).loses_writes = True
    cluster["node2"].follow()
    assert held(cluster) == [1] * 5
    cluster["node2"].follow()
    assert held(cluster) == [2] * 5


def test_what_nobody_could_be_told_of_is_told_later(cluster: MemoryCluster) -> None:
    node2 = cluster["node2"]
    change(cluster, *NAMES)
    node2.etcd.away_for = {"publish"}
    with pytest.raises(ControlPlaneAway):
        node2.follow()
    assert held(cluster) == [1] * 5
    node2.etcd.away_for = set()
    node2.follow()
    assert held(cluster) == [2] * 5


def alone(cluster: MemoryCluster) -> list[str]:
    """The volumes that node2 has to fetch alone, once it has fetched the others."""
    state, volumes = cluster.state, [cluster.volume(name) for name in NAMES]
    lacking = [each for each in volumes if cluster["node2"].follower.lacks(each, state)]
    return [each.name for each in cluster["node2"].follower.follow_many("node1", lacking, state)]


def test_large_and_new_ones_are_left_to_be_fetched_alone(cluster: MemoryCluster) -> None:
    change(cluster, *NAMES)
    change(cluster, "v3", text="x" * (2 * SMALL_BYTES))
    pool = cluster["node2"].pool
    pool.discard(cluster.volume("v1").id, "v1", "node2", Belief(lambda: None))
    pool.purge_aside(pool.asides()[0].reference)
    assert alone(cluster) == ["v1", "v3"]
    assert held(cluster) == [2, 1, 2, 1, 2]
    cluster["node2"].follow()
    assert held(cluster) == [2, 2, 2, 3, 2]


def test_a_refused_increment_is_fetched_alone_and_whole(cluster: MemoryCluster) -> None:
    change(cluster, *NAMES)
    cast(MemoryPool, cluster["node2"].pool).refuses_increments = True
    assert alone(cluster) == NAMES
    cluster["node2"].follow()
    assert held(cluster) == [2] * 5


def test_a_snapshot_that_someone_wants_kept_is_fetched_too(cluster: MemoryCluster) -> None:
    node1 = cluster["node1"]
    node1.write("v0", "kept")
    node1.operations.snapshots.snapshot(["v0"], "by a person")
    change(cluster, *NAMES)
    cluster["node2"].follow()
    numbers = [each.number for each in cluster["node2"].pool.snapshots(cluster.volume("v0").id)]
    assert numbers == [1, 2, 3]


def test_one_that_is_being_fetched_already_is_passed_over(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a container that starts here, for example."""
    node2, volume = cluster["node2"], cluster.volume("v2")
    change(cluster, *NAMES)
    newest = cluster.state.copies_of(volume)["node1"].snapshot
    entered, go_on = threading.Event(), threading.Event()
    snapshots = node2.peers.snapshots

    def slow(*arguments: object) -> object:
        entered.set()
        assert go_on.wait(10)
        return snapshots(*arguments)

    monkeypatch.setattr(node2.peers, "snapshots", slow)
    fetching = threading.Thread(target=node2.transfers.fetch, args=(volume.id, "node1", [newest]))
    fetching.start()
    try:
        assert entered.wait(10)
        assert alone(cluster) == ["v2"]
        assert held(cluster) == [2, 2, 1, 2, 2]
    finally:
        go_on.set()
        fetching.join()
    assert alone(cluster) == []
    assert held(cluster) == [2] * 5


def test_what_is_asked_for_is_kept_until_it_is_sent(cluster: MemoryCluster) -> None:
    node1, volume = cluster["node1"], cluster.volume("v4")
    change(cluster, *NAMES)
    cluster["node2"].follow()
    assert 2 in node1.retention.numbers(volume, ClusterState())


def test_a_large_one_does_not_hold_up_the_small_ones(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node2, go_on = cluster["node2"], threading.Event()
    stream = node2.peers.stream

    def slow(*arguments: object) -> Iterator[bytes]:
        assert go_on.wait(30)
        yield from stream(*arguments)

    monkeypatch.setattr(node2.peers, "stream", slow)
    change(cluster, "v3", text=os.urandom(SMALL_BYTES).hex())
    change(cluster, "v0", "v1")
    try:
        node2.follower.look(cluster.state)
        eventually(lambda: held(cluster), is_=[2, 2, 1, 1, 1], within=10)
        change(cluster, "v0", "v2", text="three")
        node2.follower.look(cluster.state)
        eventually(lambda: held(cluster), is_=[3, 2, 2, 1, 1], within=10)
    finally:
        go_on.set()
    eventually(lambda: held(cluster), is_=[3, 2, 2, 2, 1], within=10)
