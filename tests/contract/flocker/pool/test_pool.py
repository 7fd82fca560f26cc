"""Everything that a pool promises whose copies travel, run on memory and on real btrfs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from flocker.base.errors import PoolError, StaleEpoch, TransferFailed
from flocker.base.records import Claim, Cut, Snapshot, Volume
from flocker.pool.local_pool import LocalPool
from flocker.pool.protocol import Aside, Pool
from tests.contract.flocker.conftest import SURE, MakePool

pytestmark = pytest.mark.contract


def a_claim(epoch: int = 1) -> Claim:
    return Claim(str(uuid.uuid4()), epoch)


def written(pool: Pool, claim: Claim, text: str) -> Snapshot:
    """Write a file to the volume and freeze it."""
    (pool.writable_path(claim) / "file.txt").write_text(text)
    return pool.take_snapshot(claim)


def text_of(pool: Pool, claim: Claim) -> str:
    return (pool.writable_path(claim) / "file.txt").read_text()


def put_away(pool: LocalPool, claim: Claim, base: Snapshot | None, *cuts: Cut) -> Aside | None:
    """What a node does that hears of an owner elsewhere, at the epoch of the claim."""
    owned = Volume(
        "demo", claim.volume_id, "elsewhere", claim.epoch, "2026-01-01", base=base, cuts=cuts
    )
    return pool.put_away(owned, "node1", SURE.confirm)


def copied(source: LocalPool, target: LocalPool, claim: Claim, *snapshots: Snapshot) -> None:
    for snapshot in snapshots:
        stream = source.send(claim.volume_id, snapshot.number, None)
        target.receive(claim.volume_id, snapshot, None, stream)


def moved(
    source: LocalPool, target: LocalPool, claim: Claim, parent: Snapshot | None = None
) -> Claim:
    """What a handoff does with two pools; the claim of the new owner."""
    newest = source.snapshots(claim.volume_id)[-1]
    number = None if parent is None else parent.number
    stream = source.send(claim.volume_id, newest.number, number)
    target.receive(claim.volume_id, newest, parent, stream)
    later = Claim(claim.volume_id, claim.epoch + 1)
    target.adopt(later, newest)
    put_away(source, later, newest)
    return later


def test_a_snapshot_keeps_the_epoch_it_was_taken_at(make_pool: MakePool) -> None:
    source, target = make_pool(), make_pool()
    claim = a_claim(epoch=4)
    source.create(claim)
    written(source, claim, "first")
    first, second = written(source, claim, "second"), moved(source, target, claim)
    written(target, second, "third")
    epochs = [(each.number, each.epoch) for each in target.snapshots(claim.volume_id)]
    assert epochs == [(first.number, 4), (first.number + 1, 5)]


def test_a_snapshot_keeps_what_was_there(make_pool: MakePool) -> None:
    source, target, claim = make_pool(), make_pool(), a_claim()
    source.create(claim)
    written(source, claim, "before")
    (source.writable_path(claim) / "file.txt").write_text("after")
    assert (target.writable_path(moved(source, target, claim)) / "file.txt").read_text() == "before"


def test_a_move_there_and_back_sends_only_what_changed(make_pool: MakePool) -> None:
    here, there, claim = make_pool(), make_pool(), a_claim()
    here.create(claim)
    first = written(here, claim, "from here")
    on_there = moved(here, there, claim)
    assert not here.has_writable(claim.volume_id)
    assert here.writable_ids() == set()
    assert there.snapshots(claim.volume_id) == here.snapshots(claim.volume_id) == [first]

    second = written(there, on_there, "from there")
    back = moved(there, here, on_there, parent=first)
    assert (here.writable_path(back) / "file.txt").read_text() == "from there"
    assert here.snapshots(claim.volume_id) == [first, second]


def test_a_stream_cut_short_leaves_nothing(make_pool: MakePool) -> None:
    source, target, claim = make_pool(), make_pool(), a_claim()
    source.create(claim)
    (source.writable_path(claim) / "noise").write_bytes(bytes(range(256)) * 4096)
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
        put_away(pool, Claim(claim.volume_id, claim.epoch + 1), snapshot)
    with pytest.raises(StaleEpoch):
        pool.writable_path(claim)
    assert pool.snapshots(claim.volume_id) == [snapshot]


def test_a_late_put_away_does_not_touch_what_came_back(make_pool: MakePool) -> None:
    pool, claim = make_pool(), a_claim()
    pool.create(claim)
    snapshot = written(pool, claim, "text")
    put_away(pool, Claim(claim.volume_id, 2), snapshot)
    pool.adopt(Claim(claim.volume_id, 3), snapshot)
    put_away(pool, Claim(claim.volume_id, 2), snapshot)
    assert (pool.writable_path(Claim(claim.volume_id, 3)) / "file.txt").read_text() == "text"


def test_nothing_new_is_no_new_snapshot(make_pool: MakePool) -> None:
    pool, claim = make_pool(), a_claim()
    pool.create(claim)
    first = written(pool, claim, "text")
    assert pool.take_snapshot(claim) == first
    (pool.writable_path(claim) / "another").write_text("text")
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
    (pool.writable_path(Claim(claim.volume_id, 2)) / "file.txt").write_text("left over")
    pool.adopt(Claim(claim.volume_id, 2), snapshot)
    assert (pool.writable_path(Claim(claim.volume_id, 2)) / "file.txt").read_text() == "true"


def test_only_what_was_written_has_changed(make_pool: MakePool) -> None:
    pool, still, changed, fresh = make_pool(), a_claim(), a_claim(), a_claim()
    for claim in (still, changed, fresh):
        pool.create(claim)
    written(pool, still, "text")
    written(pool, changed, "text")
    (pool.writable_path(changed) / "file.txt").write_text("another text")
    claims = [still, changed, fresh, a_claim()]
    for _ in range(2):
        assert pool.changed_volumes(claims) == [changed, fresh]
    pool.take_snapshot(changed)
    pool.take_snapshot(fresh)
    assert pool.changed_volumes(claims) == []
    assert pool.changed_volumes([]) == []


def test_what_was_adopted_has_not_changed(make_pool: MakePool) -> None:
    source, target, claim = make_pool(), make_pool(), a_claim()
    source.create(claim)
    first = written(source, claim, "first")
    second = written(source, claim, "second")
    copied(source, target, claim, first, second)
    target.adopt(Claim(claim.volume_id, 2), second)
    assert target.changed_volumes([Claim(claim.volume_id, 2)]) == []
    # An older state is not what the newest snapshot holds: those who follow have to be told.
    target.adopt(Claim(claim.volume_id, 3), first)
    assert target.changed_volumes([Claim(claim.volume_id, 3)]) == [Claim(claim.volume_id, 3)]


def test_the_newest_snapshots_and_those_to_be_kept_stay(make_pool: MakePool) -> None:
    pool, claim = make_pool(), a_claim()
    pool.create(claim)
    taken = [written(pool, claim, f"text {number}") for number in range(6)]
    pool.prune(claim.volume_id, keep=lambda: {1, 5})
    assert pool.snapshots(claim.volume_id) == [taken[0], *taken[3:]]
    pool.prune(claim.volume_id, keep=tuple)
    assert pool.snapshots(claim.volume_id) == taken[3:]


def test_a_copy_that_nobody_wrote_to_is_not_put_aside_because_snapshots_were_pruned(
    make_pool: MakePool,
) -> None:
    """A node was about to be promoted, and was refused; later the volume is moved to it."""
    source, target, claim = make_pool(), make_pool(), a_claim()
    source.create(claim)
    taken = [written(source, claim, f"text {number}") for number in range(6)]
    for snapshot in taken:
        stream = source.send(claim.volume_id, snapshot.number, None)
        target.receive(claim.volume_id, snapshot, None, stream)
        if snapshot == taken[0]:
            target.adopt(Claim(claim.volume_id, 2), snapshot)
        target.prune(claim.volume_id, keep=tuple)
    assert target.snapshots(claim.volume_id) == [taken[0], *taken[3:]]
    target.adopt(Claim(claim.volume_id, 2), taken[-1])
    assert text_of(target, Claim(claim.volume_id, 2)) == "text 5"
    assert target.asides() == []
    target.prune(claim.volume_id, keep=tuple)
    assert target.snapshots(claim.volume_id) == taken[3:]


def test_a_number_that_is_taken_is_not_received(make_pool: MakePool) -> None:
    source, target, claim = make_pool(), make_pool(), a_claim()
    for pool in (source, target):
        pool.create(claim)
    sent, here = written(source, claim, "theirs"), written(target, claim, "ours")
    with pytest.raises(TransferFailed, match="another snapshot 1 is here already"):
        target.receive(claim.volume_id, sent, None, source.send(claim.volume_id, 1, None))
    assert target.snapshots(claim.volume_id) == [here]


def test_an_increment_without_its_parent_is_not_received(make_pool: MakePool) -> None:
    source, target, claim = make_pool(), make_pool(), a_claim()
    source.create(claim)
    first, second = written(source, claim, "first"), written(source, claim, "second")
    with pytest.raises(TransferFailed, match="cannot be built"):
        stream = source.send(claim.volume_id, second.number, first.number)
        target.receive(claim.volume_id, second, first, stream)
    assert target.snapshots(claim.volume_id) == []


def test_a_snapshot_that_is_not_there_is_not_adopted(make_pool: MakePool) -> None:
    pool, claim = make_pool(), a_claim()
    pool.create(claim)
    snapshot = written(pool, claim, "text")
    for absent in (Snapshot(7, snapshot.identity), Snapshot(1, str(uuid.uuid4()))):
        with pytest.raises(PoolError):
            pool.adopt(Claim(claim.volume_id, 2), absent)
    assert text_of(pool, claim) == "text"


def test_a_restored_volume_is_what_the_snapshot_was(make_pool: MakePool) -> None:
    pool, claim = make_pool(), a_claim()
    pool.create(claim)
    first, second = written(pool, claim, "first"), written(pool, claim, "second")
    pool.restore(claim, first, None)
    assert text_of(pool, claim) == "first"
    assert pool.snapshots(claim.volume_id) == [first, second]
    assert pool.asides() == []
    third = pool.take_snapshot(claim)
    assert third.number == 3
    pool.restore(claim, second, None)
    assert text_of(pool, claim) == "second"


def cloned(pool: Pool) -> tuple[Claim, Claim]:
    """A volume that says "second", and its clone from when it said "first"."""
    claim, copy = a_claim(), a_claim()
    pool.create(claim)
    first = written(pool, claim, "first")
    written(pool, claim, "second")
    pool.clone(claim.volume_id, first, copy, None)
    assert text_of(pool, copy) == "first"
    assert pool.snapshots(copy.volume_id) == []
    return claim, copy


def test_nobody_else_has_a_clone_yet(make_pool: MakePool) -> None:
    pool = make_pool()
    _, copy = cloned(pool)
    assert pool.changed_volumes([copy]) == [copy]  # nobody else has it yet


def test_nothing_is_counted_before_it_was_asked_for(make_pool: MakePool) -> None:
    pool, claim = make_pool(), a_claim()
    assert pool.used_bytes(claim.volume_id) is None
    pool.create(claim)
    snapshot = written(pool, claim, "x" * 100_000)
    assert pool.used_bytes(claim.volume_id) is None
    for _ in range(2):
        pool.prepare_sizes()
    assert 100_000 <= (pool.used_bytes(claim.volume_id) or 0) < 200_000
    put_away(pool, Claim(claim.volume_id, 2), snapshot)
    assert 100_000 <= (pool.used_bytes(claim.volume_id) or 0) < 200_000


def test_the_usage_is_told(make_pool: MakePool) -> None:
    usage = make_pool().usage()
    assert 0 <= usage.used_bytes < usage.total_bytes
