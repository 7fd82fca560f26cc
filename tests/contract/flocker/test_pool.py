"""What every pool promises, run on memory and on real btrfs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from flocker.errors import PoolError, StaleEpoch, TransferFailed
from flocker.pool import Pool
from flocker.records import Claim, Snapshot
from tests.contract.flocker.conftest import MakePool

pytestmark = pytest.mark.contract


def a_claim(epoch: int = 1) -> Claim:
    return Claim(str(uuid.uuid4()), epoch)


def written(pool: Pool, claim: Claim, text: str) -> Snapshot:
    """Write a file to the volume and freeze it."""
    (pool.open(claim) / "file.txt").write_text(text)
    return pool.take_snapshot(claim)


def moved(source: Pool, target: Pool, claim: Claim, parent: Snapshot | None = None) -> Claim:
    """What a handoff does with two pools; the claim of the new owner."""
    newest = source.snapshots(claim.volume_id)[-1]
    number = None if parent is None else parent.number
    stream = source.send(claim.volume_id, newest.number, number)
    target.receive(claim.volume_id, newest, parent, stream)
    later = Claim(claim.volume_id, claim.epoch + 1)
    target.adopt(later, newest)
    source.put_away(later, newest, "demo", "node1")
    return later


def test_a_new_volume_is_empty_and_writable(make_pool: MakePool) -> None:
    pool, claim = make_pool(), a_claim()
    pool.create(claim)
    assert list(pool.open(claim).iterdir()) == []
    assert pool.is_open(claim.volume_id)
    assert pool.volume_ids() == [claim.volume_id]


def test_an_unknown_volume_cannot_be_opened(make_pool: MakePool) -> None:
    with pytest.raises(PoolError):
        make_pool().open(a_claim())


@pytest.mark.parametrize("epoch", [1, 3])
def test_only_the_claim_of_the_pools_own_epoch_opens(make_pool: MakePool, epoch: int) -> None:
    pool, claim = make_pool(), a_claim(epoch=2)
    pool.create(claim)
    with pytest.raises(StaleEpoch):
        pool.open(Claim(claim.volume_id, epoch))
    with pytest.raises(StaleEpoch):
        pool.take_snapshot(Claim(claim.volume_id, epoch))


def test_a_snapshot_keeps_what_was_there(make_pool: MakePool) -> None:
    source, target, claim = make_pool(), make_pool(), a_claim()
    source.create(claim)
    written(source, claim, "before")
    (source.open(claim) / "file.txt").write_text("after")
    assert (target.open(moved(source, target, claim)) / "file.txt").read_text() == "before"


def test_a_move_there_and_back_sends_only_what_changed(make_pool: MakePool) -> None:
    here, there, claim = make_pool(), make_pool(), a_claim()
    here.create(claim)
    first = written(here, claim, "from here")
    on_there = moved(here, there, claim)
    assert not here.is_open(claim.volume_id)
    assert there.snapshots(claim.volume_id) == here.snapshots(claim.volume_id) == [first]

    second = written(there, on_there, "from there")
    back = moved(there, here, on_there, parent=first)
    assert (here.open(back) / "file.txt").read_text() == "from there"
    assert here.snapshots(claim.volume_id) == [first, second]


def test_a_stream_cut_short_leaves_nothing(make_pool: MakePool) -> None:
    source, target, claim = make_pool(), make_pool(), a_claim()
    source.create(claim)
    (source.open(claim) / "noise").write_bytes(bytes(range(256)) * 4096)
    snapshot = source.take_snapshot(claim)
    whole = b"".join(source.send(claim.volume_id, snapshot.number, None))

    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        with pytest.raises(TransferFailed):
            target.receive(claim.volume_id, snapshot, None, iter([whole[:length]]))
        assert target.snapshots(claim.volume_id) == []

    target.receive(claim.volume_id, snapshot, None, iter([whole]))
    assert target.snapshots(claim.volume_id) == [snapshot]


def test_a_stream_that_raises_leaves_nothing(make_pool: MakePool) -> None:
    source, target, claim = make_pool(), make_pool(), a_claim()
    source.create(claim)
    snapshot = written(source, claim, "text")

    def breaking() -> Iterator[bytes]:
        whole = b"".join(source.send(claim.volume_id, snapshot.number, None))
        yield whole[: len(whole) // 2]
        raise TransferFailed("the line is dead")

    with pytest.raises(TransferFailed, match="the line is dead"):
        target.receive(claim.volume_id, snapshot, None, breaking())
    assert target.snapshots(claim.volume_id) == []


def test_another_snapshot_than_the_one_wanted_is_not_kept(make_pool: MakePool) -> None:
    source, target, claim = make_pool(), make_pool(), a_claim()
    source.create(claim)
    first = written(source, claim, "first")
    second = written(source, claim, "second")
    stream = source.send(claim.volume_id, first.number, None)
    with pytest.raises(TransferFailed):
        target.receive(claim.volume_id, Snapshot(first.number, second.identity), None, stream)
    assert target.snapshots(claim.volume_id) == []


def test_sending_what_is_not_there_fails(make_pool: MakePool) -> None:
    pool, claim = make_pool(), a_claim()
    pool.create(claim)
    with pytest.raises(PoolError):
        list(pool.send(claim.volume_id, 7, None))
    with pytest.raises(PoolError):
        pool.stream_bytes(claim.volume_id, 7, None)


def test_an_owner_put_away_cannot_open_any_more(make_pool: MakePool) -> None:
    pool, claim = make_pool(), a_claim()
    pool.create(claim)
    snapshot = written(pool, claim, "text")
    for _ in range(2):
        pool.put_away(Claim(claim.volume_id, claim.epoch + 1), snapshot, "demo", "node1")
    with pytest.raises(StaleEpoch):
        pool.open(claim)
    assert pool.snapshots(claim.volume_id) == [snapshot]


def test_a_late_put_away_does_not_touch_what_came_back(make_pool: MakePool) -> None:
    pool, claim = make_pool(), a_claim()
    pool.create(claim)
    snapshot = written(pool, claim, "text")
    pool.put_away(Claim(claim.volume_id, 2), snapshot, "demo", "node1")
    pool.adopt(Claim(claim.volume_id, 3), snapshot)
    pool.put_away(Claim(claim.volume_id, 2), snapshot, "demo", "node1")
    assert (pool.open(Claim(claim.volume_id, 3)) / "file.txt").read_text() == "text"


def test_nothing_new_is_no_new_snapshot(make_pool: MakePool) -> None:
    pool, claim = make_pool(), a_claim()
    pool.create(claim)
    first = written(pool, claim, "text")
    assert pool.take_snapshot(claim) == first
    (pool.open(claim) / "another").write_text("text")
    second = pool.take_snapshot(claim)
    assert second != first
    pool.adopt(Claim(claim.volume_id, 2), second)
    assert pool.take_snapshot(Claim(claim.volume_id, 2)) == second


def test_adopting_again_starts_from_the_snapshot(make_pool: MakePool) -> None:
    """A move that was not finished leaves a writable copy; the next one must not keep it."""
    pool, claim = make_pool(), a_claim()
    pool.create(claim)
    snapshot = written(pool, claim, "true")
    pool.adopt(Claim(claim.volume_id, 2), snapshot)
    (pool.open(Claim(claim.volume_id, 2)) / "file.txt").write_text("left over")
    pool.adopt(Claim(claim.volume_id, 2), snapshot)
    assert (pool.open(Claim(claim.volume_id, 2)) / "file.txt").read_text() == "true"


def test_a_discarded_volume_is_gone_twice(make_pool: MakePool) -> None:
    pool, claim = make_pool(), a_claim()
    pool.create(claim)
    written(pool, claim, "text")
    pool.discard(claim.volume_id, "demo", "node1")
    pool.discard(claim.volume_id, "demo", "node1")
    assert pool.volume_ids() == []
    with pytest.raises(PoolError):
        pool.open(claim)


def test_the_usage_is_told(make_pool: MakePool) -> None:
    usage = make_pool().usage()
    assert 0 <= usage.used_bytes < usage.total_bytes
