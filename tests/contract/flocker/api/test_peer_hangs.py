"""Nodes whose peer hangs in the middle of a stream, or only looks as if it did."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import (
    FlockerError,
    Refused,
    TransferFailed,
)
from flocker.base.records import Event, Snapshot
from flocker.moving import setbacks
from flocker.pool import glance
from flocker.streams import liveness
from flocker.streams.liveness import Watch, of_thread
from tests.unit.flocker.cluster import MemoryCluster

pytestmark = pytest.mark.contract

MORE_THAN_THREADS = 41  # of those in which a FastAPI answers


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


def test_peers_that_ask_a_disk_that_hangs_for_snapshots_keep_nobody_waiting(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replicas ask again and again, and each answer needs one of the threads of all answers."""
    monkeypatch.setattr(glance, "PATIENCE_SECONDS", 0.2)
    answers, pool, peers = threading.Event(), demo["node1"].pool, demo["node2"].peers
    volume_id = demo.volume("demo").id
    read = pool.snapshots

    def hang(volume_id: str) -> list[Snapshot]:
        assert answers.wait(60)
        return read(volume_id)

    monkeypatch.setattr(pool, "snapshots", hang)
    try:
        for _ in range(MORE_THAN_THREADS):
            with pytest.raises(FlockerError, match="the pool has not answered"):
                peers.snapshots(volume_id, "node1")
        assert peers.retired_at("node1") is None
    finally:
        answers.set()
    eventually(lambda: peers.snapshots(volume_id, "node1"), is_=read(volume_id), within=10)


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
