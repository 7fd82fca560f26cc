"""The one way data comes to a node: what is fetched, against what, and what a failure leaves."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

from flocker.base.errors import FlockerError, OwnerAway, Refused, StreamRefused, TransferFailed
from flocker.base.records import Claim, Snapshot
from flocker.moving import progress, transfer
from flocker.moving.progress import Progress
from flocker.moving.transfer import Transfers
from tests.twins.memory_pool import MemoryPool

VOLUME = "5f0c9b8e-0000-4000-8000-000000000000"
CLAIM = Claim(VOLUME, 1)

Stream = tuple[int, int | None]  # a snapshot's number, and its parent's


class Peer:
    """A node called `there`, whose pool is reached directly."""

    def __init__(self, pool: MemoryPool) -> None:
        self.pool = pool
        self.streams: list[Stream] = []
        self.breaks_off = False
        self.before_stream = threading.Event()
        self.before_stream.set()

    def write(self, text: str) -> Snapshot:
        (self.pool.writable_path(CLAIM) / "file").write_text(text)
        return self.pool.take_snapshot(CLAIM)

    def snapshots(self, volume_id: str, node: str) -> list[Snapshot]:
        if node != "there":
            raise OwnerAway("demo", node, "connection refused")
        return self.pool.snapshots(volume_id)

    def stream_bytes(
        self, volume_id: str, node: str, wanted: Snapshot, parent: Snapshot | None
    ) -> int:
        assert node == "there"
        return self.pool.stream_bytes(volume_id, wanted.number, _number(parent))

    def stream(
        self, volume_id: str, node: str, wanted: Snapshot, parent: Snapshot | None
    ) -> Generator[bytes, None, None]:
        assert node == "there"
        assert self.before_stream.wait(10)
        self.streams.append((wanted.number, _number(parent)))
        chunks = self.pool.send(volume_id, wanted.number, _number(parent))
        yield next(chunks)
        if self.breaks_off:
            raise TransferFailed("the stream broke off")
        yield from chunks


@pytest.fixture
def peer(tmp_path: Path) -> Peer:
    pool = MemoryPool(tmp_path / "there")
    pool.create(CLAIM)
    return Peer(pool)


@pytest.fixture
def here(tmp_path: Path) -> MemoryPool:
    return MemoryPool(tmp_path / "here")


@pytest.fixture
def received() -> list[int]:
    """The bytes of each stream that came."""
    return []


@pytest.fixture
def transfers(here: MemoryPool, peer: Peer, received: list[int]) -> Transfers:
    return Transfers(here, peer, received.append)


def test_the_first_snapshot_comes_whole(
    transfers: Transfers, peer: Peer, here: MemoryPool, received: list[int]
) -> None:
    first = peer.write("one")
    count = transfers.fetch(VOLUME, "there", [first])
    assert here.snapshots(VOLUME) == [first]
    assert peer.streams == [(1, None)]
    assert received == [count]
    assert count > 0


def test_a_later_one_comes_as_what_differs_from_the_newest_both_have(
    transfers: Transfers, peer: Peer, here: MemoryPool
) -> None:
    known = [peer.write(text) for text in ("one", "two")]
    transfers.fetch(VOLUME, "there", known)
    peer.write("three")
    newest = peer.write("four")
    transfers.fetch(VOLUME, "there", [newest])
    assert peer.streams == [(1, None), (2, 1), (4, 2)]
    assert here.snapshots(VOLUME) == [*known, newest]


def test_what_is_wanted_comes_oldest_first_however_it_is_asked_for(
    transfers: Transfers, peer: Peer
) -> None:
    first, second, third = (peer.write(text) for text in ("one", "two", "three"))
    transfers.fetch(VOLUME, "there", [second, first, third])
    assert peer.streams == [(1, None), (2, 1), (3, 2)]


def test_an_older_one_is_built_on_a_newer(transfers: Transfers, peer: Peer) -> None:
    first, second = peer.write("one"), peer.write("two")
    transfers.fetch(VOLUME, "there", [second])
    transfers.fetch(VOLUME, "there", [first, second])
    assert peer.streams == [(2, None), (1, 2)]


def test_a_parent_of_the_same_number_and_another_origin_is_none(
    transfers: Transfers, peer: Peer, here: MemoryPool
) -> None:
    """Both sides numbered on from the same one while they did not hear of each other."""
    first = peer.write("one")
    transfers.fetch(VOLUME, "there", [first])
    here.adopt(CLAIM, first)
    (here.writable_path(CLAIM) / "file").write_text("two, but here")
    here.take_snapshot(CLAIM)
    peer.write("two")
    third = peer.write("three")
    transfers.fetch(VOLUME, "there", [third])
    assert peer.streams[-1] == (3, 1)


def test_an_increment_that_cannot_be_applied_here_comes_whole(
    transfers: Transfers, peer: Peer, here: MemoryPool, received: list[int]
) -> None:
    first = peer.write("one")
    transfers.fetch(VOLUME, "there", [first])
    second = peer.write("two")
    here.refuses_increments = True
    count = transfers.fetch(VOLUME, "there", [second])
    assert peer.streams == [(1, None), (2, 1), (2, None)]
    assert here.snapshots(VOLUME) == [first, second]
    assert count == received[-1]


def test_what_cannot_be_applied_even_whole_is_not_asked_for_a_third_time(
    transfers: Transfers, peer: Peer, here: MemoryPool
) -> None:
    transfers.fetch(VOLUME, "there", [peer.write("one")])
    second = peer.write("two")
    here.refuses_all = True
    with pytest.raises(StreamRefused):
        transfers.fetch(VOLUME, "there", [second])
    assert peer.streams == [(1, None), (2, 1), (2, None)]


@pytest.mark.parametrize("trouble", ["breaks off", "lost writes"])
def test_trouble_that_may_pass_does_not_make_a_snapshot_come_whole(
    transfers: Transfers, peer: Peer, here: MemoryPool, trouble: str
) -> None:
    first = peer.write("one")
    transfers.fetch(VOLUME, "there", [first])
    second = peer.write("two")
    peer.breaks_off, here.loses_writes = trouble == "breaks off", trouble == "lost writes"
    with pytest.raises(FlockerError):
        transfers.fetch(VOLUME, "there", [second])
    assert peer.streams == [(1, None), (2, 1)]
    assert here.snapshots(VOLUME) == [first]


def test_a_stream_that_nobody_reads_on_is_closed_at_once(
    transfers: Transfers, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not when the reason is forgotten, while its source would keep it ready."""
    closed = []
    stream = peer.stream

    def noted(*arguments: Any) -> Generator[bytes, None, None]:
        try:
            yield from stream(*arguments)
        finally:
            closed.append(True)

    def give_up(_: Progress) -> None:
        raise Refused("cancelled")

    monkeypatch.setattr(peer, "stream", noted)
    with pytest.raises(Refused) as failed:
        transfers.fetch(VOLUME, "there", [peer.write("one")], give_up)
    assert closed
    assert failed.value.__traceback__ is not None


def test_what_is_here_is_not_asked_for(transfers: Transfers, peer: Peer) -> None:
    first = peer.write("one")
    transfers.fetch(VOLUME, "there", [first])
    assert transfers.fetch(VOLUME, "away", [first]) == 0
    assert len(peer.streams) == 1


def test_one_that_is_gone_there_is_left_out(
    transfers: Transfers, peer: Peer, here: MemoryPool
) -> None:
    first, _, _, newest = (peer.write(text) for text in ("one", "two", "three", "four"))
    peer.pool.prune(VOLUME, list)
    transfers.fetch(VOLUME, "there", [first, newest])
    assert here.snapshots(VOLUME) == [newest]


def test_one_that_never_was_there_is_left_out_though_its_number_is_the_highest(
    transfers: Transfers, peer: Peer, here: MemoryPool
) -> None:
    """A person named a snapshot that only the former owner, who is lost, had."""
    newest = peer.write("one")
    transfers.fetch(VOLUME, "there", [Snapshot(9, "lost"), newest])
    assert here.snapshots(VOLUME) == [newest]
    transfers.fetch(VOLUME, "there", [Snapshot(9, "lost"), newest])
    assert peer.streams == [(1, None)]


def test_the_last_one_asked_for_must_be_had(transfers: Transfers, peer: Peer) -> None:
    first = peer.write("one")
    with pytest.raises(Exception, match="no snapshot 2"):
        transfers.fetch(VOLUME, "there", [first, Snapshot(2, "gone")])


def test_a_node_that_is_away_is_an_error(transfers: Transfers, peer: Peer) -> None:
    with pytest.raises(OwnerAway):
        transfers.fetch(VOLUME, "away", [peer.write("one")])


def test_a_stream_that_breaks_off_leaves_what_came_before_it(
    transfers: Transfers, peer: Peer, here: MemoryPool, received: list[int]
) -> None:
    first = peer.write("one")
    transfers.fetch(VOLUME, "there", [first])
    second = peer.write("two")
    peer.breaks_off = True
    with pytest.raises(TransferFailed, match="broke off"):
        transfers.fetch(VOLUME, "there", [second])
    assert here.snapshots(VOLUME) == [first]
    assert transfers.progress(VOLUME) is None
    assert received[-1] > 0  # it has been carried all the same
    peer.breaks_off = False
    transfers.fetch(VOLUME, "there", [second])
    assert here.snapshots(VOLUME) == [first, second]


def test_who_wants_what_is_coming_already_waits_for_it(transfers: Transfers, peer: Peer) -> None:
    first = peer.write("one")
    peer.before_stream.clear()
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(transfers.fetch, VOLUME, "there", [first]) for _ in range(2)]
        peer.before_stream.set()
        counts = sorted(each.result(10) for each in both)
    assert len(peer.streams) == 1
    assert counts[0] == 0 < counts[1]


def test_who_waits_for_another_fetch_is_told_whom_for(
    transfers: Transfers, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "WAIT_SECONDS", 0.01)
    first = peer.write("one")
    peer.before_stream.clear()
    told: queue.Queue[Progress] = queue.Queue()
    with ThreadPoolExecutor(2) as threads:
        coming = threads.submit(transfers.fetch, VOLUME, "there", [first])
        waiting = threads.submit(transfers.fetch, VOLUME, "there", [first], told.put)
        assert told.get(timeout=10).waits_for == "there"
        seen = transfers.progress(VOLUME)
        assert seen is not None
        assert seen.waits_for == "there"
        peer.before_stream.set()
        assert coming.result(10) + waiting.result(10) > 0
    assert transfers.progress(VOLUME) is None


def test_who_waits_for_another_fetch_may_give_up(
    transfers: Transfers, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "WAIT_SECONDS", 0.01)
    first = peer.write("one")
    peer.before_stream.clear()

    def give_up(progress: Progress) -> None:
        if progress.waits_for:
            raise TransferFailed("enough")

    with ThreadPoolExecutor(2) as threads:
        both = [
            threads.submit(transfers.fetch, VOLUME, "there", [first], give_up) for _ in range(2)
        ]
        [ended], [coming] = wait(both, timeout=10, return_when=FIRST_COMPLETED)
        with pytest.raises(TransferFailed, match="enough"):
            ended.result()
        peer.before_stream.set()
        assert coming.result(10) > 0


def test_progress_is_told_while_it_comes(
    transfers: Transfers, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "ASK_TOTAL_AFTER_SECONDS", -1)
    newest = peer.write("one")
    total = peer.pool.stream_bytes(VOLUME, newest.number, None)
    told: list[Progress] = []
    head, content = peer.pool.send(VOLUME, newest.number, None)
    pause = threading.Event()

    def slow(*_: object) -> Iterator[bytes]:
        yield head
        assert transfers.progress(VOLUME) == told[-1]
        # The total is asked for once the first bytes have passed, in a thread of its own.
        for _attempt in range(1000):
            if told[-1].bytes_total is not None:
                break
            yield b""
            pause.wait(0.01)
        yield content

    monkeypatch.setattr(peer, "stream", slow)
    transfers.fetch(VOLUME, "there", [newest], told.append)
    assert told[0].bytes_done == len(head)
    assert told[-1].bytes_done == len(head) + len(content)
    assert told[-1].bytes_total == total
    assert told[-1].percent == 99  # headers come on top of what was counted
    assert transfers.progress(VOLUME) is None


def test_a_total_that_cannot_be_had_costs_the_percentage_only(
    transfers: Transfers, peer: Peer, here: MemoryPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()

    def away(*_: object) -> int:
        asked.set()
        raise OwnerAway("demo", "there", "connection refused")

    monkeypatch.setattr(progress, "ASK_TOTAL_AFTER_SECONDS", -1)
    monkeypatch.setattr(peer, "stream_bytes", away)
    newest = peer.write("one")
    told: list[Progress] = []
    transfers.fetch(VOLUME, "there", [newest], told.append)
    assert asked.wait(10)
    assert here.snapshots(VOLUME) == [newest]
    assert {each.percent for each in told} == {None}


def test_a_short_stream_costs_no_counting(
    transfers: Transfers, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> int:
        raise AssertionError

    monkeypatch.setattr(peer, "stream_bytes", never)
    transfers.fetch(VOLUME, "there", [peer.write("one")])


def _number(snapshot: Snapshot | None) -> int | None:
    return None if snapshot is None else snapshot.number
