"""Calls to a btrfs pool that come at once: a stream holds nothing up, and nothing is torn."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from flocker.base.errors import PoolError, TransferFailed
from flocker.base.records import Claim, Snapshot
from flocker.pool.btrfs_pool import BtrfsPool
from tests.contract.flocker.conftest import SURE, MakeBtrfsPool
from tests.contract.flocker.pool.test_pool import a_claim, put_away, text_of, written

pytestmark = pytest.mark.contract

WAIT_SECONDS = 30


class Slow:
    """A receive whose stream stops in the middle until it is let go."""

    def __init__(self, source: BtrfsPool, target: BtrfsPool, claim: Claim, wanted: Snapshot):
        self._source = source
        self._target = target
        self._claim = claim
        self._wanted = wanted
        self._is_half_way = threading.Event()
        self._go_on = threading.Event()

    def _stream(self) -> Iterator[bytes]:
        whole = b"".join(self._source.send(self._claim.volume_id, self._wanted.number, None))
        yield whole[: len(whole) // 2]
        self._is_half_way.set()
        assert self._go_on.wait(WAIT_SECONDS)
        yield whole[len(whole) // 2 :]

    @contextmanager
    def under_way(self) -> Iterator[Future[None]]:
        """Within, the stream is half received; after, all of it was sent."""
        with ThreadPoolExecutor(1) as threads:
            received = threads.submit(
                self._target.receive, self._claim.volume_id, self._wanted, None, self._stream()
            )
            try:
                assert self._is_half_way.wait(WAIT_SECONDS)
                yield received
            finally:
                self._go_on.set()


@pytest.fixture
def pools(make_btrfs_pool: MakeBtrfsPool) -> tuple[BtrfsPool, BtrfsPool, Claim, list[Snapshot]]:
    """A volume with two snapshots in the first pool, the second of which has 8 MB."""
    source, target, claim = make_btrfs_pool(), make_btrfs_pool(), a_claim()
    source.create(claim)
    first = written(source, claim, "first")
    (source.writable_path(claim) / "noise").write_bytes(os.urandom(8 << 20))
    second = written(source, claim, "second")
    target.receive(claim.volume_id, first, None, source.send(claim.volume_id, 1, None))
    return source, target, claim, [first, second]


Pools = tuple[BtrfsPool, BtrfsPool, Claim, list[Snapshot]]


def test_a_stream_holds_up_nothing_else(pools: Pools) -> None:
    source, target, claim, [first, second] = pools
    with Slow(source, target, claim, second).under_way() as received:
        assert target.snapshots(claim.volume_id) == [first]
        later = Claim(claim.volume_id, 2)
        target.adopt(later, first)
        assert text_of(target, later) == "first"
        # The number that is on its way is not given to anything else.
        third = written(target, later, "third")
        assert third.number == 3
        target.prune(claim.volume_id, keep=tuple)
        target.restore(later, first, None)
        assert target.snapshots(claim.volume_id) == [first, third]
    received.result()
    assert target.snapshots(claim.volume_id) == [first, second, third]


def test_one_snapshot_is_received_once_at_a_time(pools: Pools) -> None:
    source, target, claim, [first, second] = pools
    again = source.send(claim.volume_id, second.number, None)
    with (
        Slow(source, target, claim, second).under_way() as received,
        pytest.raises(TransferFailed, match="being received already"),
    ):
        target.receive(claim.volume_id, second, None, again)
    received.result()
    assert target.snapshots(claim.volume_id) == [first, second]


def test_what_arrives_of_a_replaced_owner_is_not_kept(pools: Pools) -> None:
    source, target, claim, [first, second] = pools
    with Slow(source, target, claim, second).under_way() as received:
        put_away(target, Claim(claim.volume_id, 2), first)
    with pytest.raises(TransferFailed, match="not part of the volume any more"):
        received.result()
    assert target.snapshots(claim.volume_id) == [first]
    assert target.asides() == []


def test_a_stream_goes_on_over_a_change_of_owner_that_it_is_part_of(pools: Pools) -> None:
    source, target, claim, [first, second] = pools
    with Slow(source, target, claim, second).under_way() as received:
        put_away(target, Claim(claim.volume_id, 2), second)
    received.result()
    assert target.snapshots(claim.volume_id) == [first, second]


def test_what_arrives_of_a_removed_volume_is_not_kept(pools: Pools) -> None:
    source, target, claim, [first, second] = pools
    with Slow(source, target, claim, second).under_way() as received:
        target.discard(claim.volume_id, "demo", "node2", SURE)
    with pytest.raises(TransferFailed):
        received.result()
    assert target.volume_ids() == []
    assert target.reclaim(claim.volume_id, SURE.confirm)
    assert target.snapshots(claim.volume_id) == [first]
    target.receive(claim.volume_id, second, None, source.send(claim.volume_id, 2, None))
    assert target.snapshots(claim.volume_id) == [first, second]


def test_many_calls_at_once_leave_a_volume_whole(pools: Pools) -> None:
    source, _, claim, _ = pools

    def write(number: int) -> None:
        (source.writable_path(claim) / f"file{number}").write_text("text")
        source.take_snapshot(claim)

    def restore(_: int) -> None:
        with suppress(PoolError):  # pruned meanwhile
            source.restore(claim, source.snapshots(claim.volume_id)[-1], None)

    def ask(_: int) -> None:
        source.changed_volumes([claim])
        source.snapshots(claim.volume_id)

    calls: list[Callable[[int], None]] = [
        write, restore, ask, lambda _: source.prune(claim.volume_id, keep=tuple),
    ]  # fmt: skip
    with ThreadPoolExecutor(8) as threads:
        done = [threads.submit(call, number) for number in range(10) for call in calls]
    for each in done:
        each.result()
    numbers = [snapshot.number for snapshot in source.snapshots(claim.volume_id)]
    assert numbers == sorted(set(numbers))
    assert text_of(source, claim) == "second"
