"""Many small increments at once: what every pool promises, run on memory and on real btrfs."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest

from flocker.base.errors import PoolError, PoolFull, StreamRefused, TransferFailed
from flocker.base.records import Claim, Snapshot
from flocker.btrfs.writeback import Writeback
from flocker.moving.increments import Increment, Wanted
from flocker.moving.transfer import PeerSnapshots, Transfers
from flocker.pool.local_pool import LocalPool
from flocker.pool.volume_folder import VolumeFolder
from tests.contract.flocker.conftest import MakeBtrfsPool, MakePool
from tests.contract.flocker.pool.test_pool import a_claim, text_of, written

pytestmark = pytest.mark.contract

ENOUGH_BYTES = 1 << 20


def both_hold(source: LocalPool, target: LocalPool) -> tuple[Claim, Snapshot]:
    """A volume that was written in one pool, and its first snapshot, which both have."""
    claim = a_claim()
    source.create(claim)
    first = written(source, claim, "first")
    target.receive(claim.volume_id, first, None, source.send(claim.volume_id, first.number, None))
    return claim, first


def small(pool: LocalPool, claim: Claim, snapshot: Snapshot, parent: Snapshot) -> bytes:
    stream = pool.small_stream(claim.volume_id, snapshot.number, parent.number, ENOUGH_BYTES)
    assert stream is not None
    return stream


class Small:
    """The small increments of a pool that is reached directly."""

    def __init__(self, pool: LocalPool) -> None:
        self._pool = pool

    def increments(self, node: str, wanted: Sequence[Wanted]) -> Iterator[Increment]:
        assert node == "source"
        for each in wanted:
            parent, numbers = each.here[-1], (each.snapshot.number, each.here[-1].number)
            stream = self._pool.small_stream(each.volume_id, *numbers, ENOUGH_BYTES)
            yield Increment(each.volume_id, parent, stream)


def test_what_is_staged_is_there_once_it_is_settled(make_pool: MakePool) -> None:
    source, target = make_pool(), make_pool()
    known = [both_hold(source, target) for _ in range(3)]
    staged, newest = [], []
    for number, (claim, first) in enumerate(known):
        second = written(source, claim, f"second {number}")
        stream = small(source, claim, second, first)
        staged.append(target.stage(claim.volume_id, second, first, stream))
        newest.append(second)
        assert target.snapshots(claim.volume_id) == [first]
    assert target.settle(staged) == [None] * 3
    for number, ((claim, first), second) in enumerate(zip(known, newest, strict=True)):
        assert target.snapshots(claim.volume_id) == [first, second]
        later = Claim(claim.volume_id, 2)
        target.adopt(later, second)
        assert text_of(target, later) == f"second {number}"


def test_nothing_staged_is_nothing_to_settle(make_pool: MakePool) -> None:
    assert make_pool().settle([]) == []


def test_what_cannot_be_staged_leaves_nothing_behind(make_pool: MakePool) -> None:
    source, target = make_pool(), make_pool()
    claim, first = both_hold(source, target)
    second = written(source, claim, "second")
    stream = small(source, claim, second, first)
    with pytest.raises(TransferFailed):
        target.stage(claim.volume_id, second, first, stream[: len(stream) // 2])
    assert target.settle([target.stage(claim.volume_id, second, first, stream)]) == [None]
    assert target.snapshots(claim.volume_id) == [first, second]


def test_what_is_larger_is_not_sent_in_one_piece(make_pool: MakePool) -> None:
    source, target = make_pool(), make_pool()
    claim, first = both_hold(source, target)
    (source.writable_path(claim) / "noise").write_bytes(os.urandom(3 * ENOUGH_BYTES))
    second = written(source, claim, "second")
    numbers = (second.number, first.number)
    assert source.small_stream(claim.volume_id, *numbers, ENOUGH_BYTES) is None
    whole = source.small_stream(claim.volume_id, *numbers, 8 * ENOUGH_BYTES)
    assert whole == b"".join(source.send(claim.volume_id, *numbers))


def test_what_is_not_there_is_not_sent(make_pool: MakePool) -> None:
    source, target = make_pool(), make_pool()
    claim, first = both_hold(source, target)
    for numbers in ((7, first.number), (first.number, 7)):
        with pytest.raises(PoolError):
            source.small_stream(claim.volume_id, *numbers, ENOUGH_BYTES)


def test_the_snapshot_that_holds_a_volume_is_known_until_it_is_written_to(
    make_pool: MakePool,
) -> None:
    pool, claim = make_pool(), a_claim()
    pool.create(claim)
    first = written(pool, claim, "first")
    assert pool.changed_volumes([claim]) == []
    assert pool.holder(claim.volume_id) == first.identity
    assert not pool.is_held_back(claim.volume_id)
    second = written(pool, claim, "second")
    for _ in range(2):
        assert pool.changed_volumes([claim]) == []
        assert pool.holder(claim.volume_id) == second.identity
    assert pool.changed_volumes([a_claim()]) == []
    assert pool.holder(a_claim().volume_id) is None


def test_what_arrives_at_an_owner_is_not_taken_for_a_snapshot_of_its_volume(
    make_pool: MakePool,
) -> None:
    """A former owner that was only cut off from etcd may still have been sending it."""
    source, target = make_pool(), make_pool()
    claim, first = both_hold(source, target)
    second = written(source, claim, "second")
    stream = small(source, claim, second, first)
    later = Claim(claim.volume_id, 2)
    target.adopt(later, first)
    assert target.changed_volumes([later]) == []
    assert target.settle([target.stage(claim.volume_id, second, first, stream)]) == [None]
    taken = target.take_snapshot(later)
    third = Claim(claim.volume_id, 3)
    target.adopt(third, taken)
    assert text_of(target, third) == "first"


def test_one_that_was_built_on_something_else_is_not_kept(make_btrfs_pool: MakeBtrfsPool) -> None:
    """And it costs the others nothing."""
    source, target = make_btrfs_pool(), make_btrfs_pool()
    good, bad = both_hold(source, target), both_hold(source, target)
    staged = []
    for claim, first in (good, bad):
        second = written(source, claim, "second")
        stream = small(source, claim, second, first)
        staged.append(target.stage(claim.volume_id, second, first, stream))
    wrong = Snapshot(staged[1].snapshot.number, "another identity", 1)
    forged = [staged[0], type(staged[1])(bad[0].volume_id, wrong, 0, staged[1].draft_uuid)]
    [none, error] = target.settle(forged)
    assert none is None
    assert isinstance(error, TransferFailed)
    assert not isinstance(error, StreamRefused)
    assert len(target.snapshots(good[0].volume_id)) == 2
    assert target.snapshots(bad[0].volume_id) == [bad[1]]


@pytest.mark.parametrize("step", ["mark_arriving", "mark_complete"])
def test_what_the_disk_does_not_take_is_that_ones_failure(
    make_btrfs_pool: MakeBtrfsPool, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """It may be had later, and the others at once."""
    source, target = make_btrfs_pool(), make_btrfs_pool()
    known = [both_hold(source, target) for _ in range(3)]
    newest = {claim.volume_id: written(source, claim, "second") for claim, _ in known}
    real = getattr(VolumeFolder, step)

    def refuse(folder: VolumeFolder, *arguments: Any) -> None:
        if folder.path.name == known[1][0].volume_id:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(folder, *arguments)

    transfers = Transfers(target, cast(PeerSnapshots, Small(source)), lambda _: None)
    with monkeypatch.context() as patch:
        patch.setattr(VolumeFolder, step, refuse)
        outcomes = transfers.fetch_small("source", newest)
    assert [type(outcomes[claim.volume_id]) for claim, _ in known] == [
        type(None), PoolFull, type(None),
    ]  # fmt: skip
    assert set(transfers.fetch_small("source", newest).values()) == {None}
    for claim, first in known:
        assert target.snapshots(claim.volume_id) == [first, newest[claim.volume_id]]


def test_what_cannot_be_cleared_away_keeps_no_other_from_being_received(
    make_btrfs_pool: MakeBtrfsPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = make_btrfs_pool(), make_btrfs_pool()
    known = [both_hold(source, target) for _ in range(2)]
    newest = {claim.volume_id: written(source, claim, "second") for claim, _ in known}

    def hang(_: Writeback) -> None:
        raise PoolError("no progress")

    def refuse(folder: VolumeFolder, number: int) -> None:
        raise PoolError(f"{folder.snapshot(number)} could not be deleted")

    transfers = Transfers(target, cast(PeerSnapshots, Small(source)), lambda _: None)
    with monkeypatch.context() as patch:
        patch.setattr(Writeback, "write_out", hang)
        patch.setattr(VolumeFolder, "delete_snapshot", refuse)
        outcomes = transfers.fetch_small("source", newest)
    assert {each: str(error) for each, error in outcomes.items()} == dict.fromkeys(
        newest, "no progress"
    )
    assert set(transfers.fetch_small("source", newest).values()) == {None}


def test_a_disk_that_takes_none_of_it_is_each_ones_failure(
    make_btrfs_pool: MakeBtrfsPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if nothing could be staged: a failing disk does not flush nothing either."""
    source, target = make_btrfs_pool(), make_btrfs_pool()
    known = [both_hold(source, target) for _ in range(2)]
    newest = {claim.volume_id: written(source, claim, "second") for claim, _ in known}

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    def fail(_: Writeback) -> None:
        raise PoolError("could not be flushed")

    transfers = Transfers(target, cast(PeerSnapshots, Small(source)), lambda _: None)
    with monkeypatch.context() as patch:
        patch.setattr(Writeback, "write_out", fail)
        assert set(map(str, transfers.fetch_small("source", newest).values())) == {
            "could not be flushed"
        }
        patch.setattr(VolumeFolder, "mark_arriving", refuse)
        outcomes = transfers.fetch_small("source", newest)
    assert outcomes.keys() == newest.keys()
    assert all("Read-only file system" in str(error) for error in outcomes.values())
    assert set(transfers.fetch_small("source", newest).values()) == {None}
