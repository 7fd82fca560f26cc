"""Everything that every pool promises, run on memory, on real btrfs and on a real Ceph."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace

import pytest

from flocker.base.belief import Belief
from flocker.base.errors import PoolError, Refused, StaleEpoch, StillWanted
from flocker.base.records import Claim, Cut, Snapshot, Volume, now
from flocker.pool.protocol import Aside, Pool
from flocker.pool.references import Names
from tests.contract.flocker.conftest import SURE
from tests.contract.flocker.pool.conftest import MakeAnyPool
from tests.contract.flocker.pool.test_pool import a_claim, cloned, text_of, written

pytestmark = pytest.mark.contract


def refuse() -> None:
    raise Refused("it is wanted after all")


def content_of(pool: Pool, aside: Aside) -> str:
    copy = a_claim()
    pool.clone_aside(aside.reference, copy, None)
    return text_of(pool, copy)


def a_volume(pool: Pool, *texts: str) -> tuple[Claim, list[Snapshot]]:
    """A volume with a snapshot of each text."""
    claim = a_claim()
    pool.create(claim)
    return claim, [written(pool, claim, text) for text in texts]


def check_removed_and_back(pool: Pool, claim: Claim, taken: list[Snapshot]) -> None:
    """Remove a volume with unsaved writes, and take it back with all that it had."""
    (pool.writable_path(claim) / "file.txt").write_text("unsaved")
    pool.discard(claim.volume_id, "demo", "node1", SURE)
    [aside] = pool.asides()
    assert (aside.volume, aside.why) == ("demo", "removed")
    assert content_of(pool, aside) == "unsaved"
    assert pool.reclaim(claim.volume_id, SURE.confirm)
    assert not pool.reclaim(claim.volume_id, SURE.confirm)
    assert pool.asides() == []
    assert pool.snapshots(claim.volume_id) == taken
    assert text_of(pool, claim) == "unsaved"


def test_a_new_volume_is_empty_and_writable(make_any_pool: MakeAnyPool) -> None:
    pool, claim = make_any_pool(), a_claim()
    pool.create(claim)
    assert list(pool.writable_path(claim).iterdir()) == []
    assert pool.has_writable(claim.volume_id)
    assert pool.volume_ids() == [claim.volume_id]
    assert pool.writable_ids() == {claim.volume_id}


def test_an_unknown_volume_cannot_be_opened(make_any_pool: MakeAnyPool) -> None:
    with pytest.raises(PoolError):
        make_any_pool().writable_path(a_claim())


@pytest.mark.parametrize("epoch", [1, 3])
def test_only_the_claim_of_the_pools_own_epoch_opens(
    make_any_pool: MakeAnyPool, epoch: int
) -> None:
    pool, claim = make_any_pool(), a_claim(epoch=2)
    pool.create(claim)
    with pytest.raises(StaleEpoch):
        pool.writable_path(Claim(claim.volume_id, epoch))
    with pytest.raises(StaleEpoch):
        pool.take_snapshot(Claim(claim.volume_id, epoch))


def test_a_discarded_volume_is_gone_twice(make_any_pool: MakeAnyPool) -> None:
    pool, claim = make_any_pool(), a_claim()
    pool.create(claim)
    written(pool, claim, "text")
    pool.discard(claim.volume_id, "demo", "node1", SURE)
    pool.discard(claim.volume_id, "demo", "node1", SURE)
    assert pool.volume_ids() == []
    with pytest.raises(PoolError):
        pool.writable_path(claim)


def test_a_volume_is_not_made_over_another(make_any_pool: MakeAnyPool) -> None:
    pool, claim = make_any_pool(), a_claim()
    pool.create(claim)
    snapshot = written(pool, claim, "text")
    with pytest.raises(PoolError, match="is here already"):
        pool.create(claim)
    with pytest.raises(PoolError, match="is here already"):
        pool.clone(claim.volume_id, snapshot, claim, None)
    assert text_of(pool, claim) == "text"


def test_a_restore_keeps_what_no_snapshot_holds(make_any_pool: MakeAnyPool) -> None:
    pool, claim, copy = make_any_pool(), a_claim(), a_claim()
    pool.create(claim)
    first = written(pool, claim, "first")
    (pool.writable_path(claim) / "file.txt").write_text("unsaved")
    pool.restore(claim, first, None)
    [aside] = pool.asides()
    assert (aside.volume_id, aside.why) == (claim.volume_id, "restored")
    pool.clone_aside(aside.reference, copy, None)
    assert text_of(pool, copy) == "unsaved"


def test_what_a_restore_replaced_is_called_as_people_call_the_volume(
    make_any_pool: MakeAnyPool,
) -> None:
    """By its reference they type it, and other nodes see which node has it."""
    claim, called = a_claim(), Names("node7", lambda _: "demo")
    pool = make_any_pool(lambda _: False, called)
    pool.create(claim)
    first = written(pool, claim, "first")
    (pool.writable_path(claim) / "file.txt").write_text("unsaved")
    pool.restore(claim, first, None)
    [aside] = pool.asides()
    assert aside.volume == "demo"
    assert aside.reference.startswith("demo@node7-")


def test_a_restore_that_cannot_be_leaves_the_volume_as_it_was(make_any_pool: MakeAnyPool) -> None:
    pool, claim = make_any_pool(), a_claim()
    pool.create(claim)
    snapshot = written(pool, claim, "text")
    with pytest.raises(PoolError):
        pool.restore(claim, Snapshot(7, str(uuid.uuid4())), None)
    with pytest.raises(StaleEpoch):
        pool.restore(Claim(claim.volume_id, 2), snapshot, None)
    assert text_of(pool, claim) == "text"


def test_a_volume_that_a_process_has_mounted_is_not_restored(make_any_pool: MakeAnyPool) -> None:
    """It would write on to what was put aside, and lose that with the trash."""
    mounted: set[str] = set()
    pool, claim = make_any_pool(mounted.__contains__), a_claim()
    pool.create(claim)
    first = written(pool, claim, "first")
    written(pool, claim, "second")
    mounted.add(claim.volume_id)
    with pytest.raises(StillWanted, match="mounted"):
        pool.restore(claim, first, None)
    assert text_of(pool, claim) == "second"
    assert pool.asides() == []
    mounted.clear()
    pool.restore(claim, first, None)
    assert text_of(pool, claim) == "first"


def test_a_clone_of_nothing_leaves_nothing(make_any_pool: MakeAnyPool) -> None:
    pool, claim, copy = make_any_pool(), a_claim(), a_claim()
    pool.create(claim)
    with pytest.raises(PoolError):
        pool.clone(claim.volume_id, Snapshot(1, str(uuid.uuid4())), copy, None)
    with pytest.raises(PoolError, match="demo@node1-2026"):
        pool.clone_aside("demo@node1-2026", copy, None)
    assert pool.volume_ids() == [claim.volume_id]


def test_a_volume_is_not_made_smaller_than_what_it_holds(make_any_pool: MakeAnyPool) -> None:
    pool, claim, copy = make_any_pool(), a_claim(), a_claim()
    pool.create(claim, 10 << 20)
    full = written(pool, claim, "x" * (5 << 20))
    with pytest.raises(Refused, match=r"holds 5\.\d MiB, more than the requested 4\.0 MiB"):
        pool.set_size(claim, 4 << 20)
    with pytest.raises(StaleEpoch):
        pool.set_size(Claim(claim.volume_id, 2), None)
    (pool.writable_path(claim) / "file.txt").write_text("now it is small")
    with pytest.raises(Refused):
        pool.restore(claim, full, 4 << 20)
    with pytest.raises(Refused):
        pool.clone(claim.volume_id, full, copy, 4 << 20)
    assert text_of(pool, claim) == "now it is small"
    assert pool.volume_ids() == [claim.volume_id]
    pool.set_size(claim, 4 << 20)
    pool.set_size(claim, None)


def test_a_record_is_kept_beside_the_data(make_any_pool: MakeAnyPool) -> None:
    pool, claim = make_any_pool(), a_claim()
    assert pool.record(claim.volume_id) is None
    pool.create(claim)
    volume = Volume("demo", claim.volume_id, "node1", 1, now(), size_bytes=5)
    pool.keep_record(volume)
    assert pool.record(claim.volume_id) == volume
    later = replace(volume, epoch=2, cuts=tuple(Cut(n, n) for n in range(50)))
    for _ in range(2):
        pool.keep_record(later)
        assert pool.record(claim.volume_id) == later


def test_only_a_volume_that_nobody_has_written_to_is_dropped(make_any_pool: MakeAnyPool) -> None:
    pool, empty, written_to, frozen = make_any_pool(), a_claim(), a_claim(), a_claim()
    for claim in (empty, written_to, frozen):
        pool.create(claim)
    (pool.writable_path(written_to) / "file.txt").write_text("text")
    pool.take_snapshot(frozen)
    for claim, is_dropped in ((empty, True), (written_to, False), (frozen, False)):
        assert pool.drop_if_empty(claim.volume_id, lambda: None) is is_dropped
    assert sorted(pool.volume_ids()) == sorted([written_to.volume_id, frozen.volume_id])
    assert text_of(pool, written_to) == "text"


def test_what_is_put_aside_in_one_second_has_different_references(
    make_any_pool: MakeAnyPool,
) -> None:
    pool = make_any_pool()
    for number in range(3):
        claim, _ = a_volume(pool, f"text {number}")
        pool.discard(claim.volume_id, "de.mo_-1", "node-1", SURE)
    asides = pool.asides()
    assert len({aside.reference for aside in asides}) == 3
    for aside in asides:
        assert re.fullmatch(r"[a-zA-Z0-9_.-]+@[a-zA-Z0-9_.-]+", aside.reference)
    assert [content_of(pool, aside) for aside in asides] == ["text 0", "text 1", "text 2"]


def test_what_is_there_is_not_replaced_by_what_was_removed(make_any_pool: MakeAnyPool) -> None:
    pool = make_any_pool()
    assert not pool.reclaim(a_claim().volume_id, SURE.confirm)
    claim, _ = a_volume(pool, "removed")
    pool.discard(claim.volume_id, "demo", "node1", SURE)
    pool.create(claim)
    written(pool, claim, "new")
    assert not pool.reclaim(claim.volume_id, SURE.confirm)
    assert text_of(pool, claim) == "new"


def test_an_empty_volume_is_freed_only_if_nobody_wants_it(make_any_pool: MakeAnyPool) -> None:
    mounted: set[str] = set()
    pool, claim = make_any_pool(mounted.__contains__), a_claim()
    pool.create(claim)
    with pytest.raises(Refused):
        pool.drop_if_empty(claim.volume_id, refuse)
    mounted.add(claim.volume_id)
    with pytest.raises(StillWanted):
        pool.drop_if_empty(claim.volume_id, SURE.confirm)
    assert pool.has_writable(claim.volume_id)


def test_a_clone_is_a_volume_of_its_own(make_any_pool: MakeAnyPool) -> None:
    pool = make_any_pool()
    claim, copy = cloned(pool)
    written(pool, copy, "third")
    assert text_of(pool, claim) == "second"
    pool.discard(claim.volume_id, "demo", "node1", SURE)
    assert text_of(pool, copy) == "third"


def test_a_snapshot_is_not_changed_by_later_writes(make_any_pool: MakeAnyPool) -> None:
    pool, claim = make_any_pool(), a_claim(epoch=4)
    pool.create(claim)
    first, second = written(pool, claim, "first"), written(pool, claim, "second")
    assert pool.snapshots(claim.volume_id) == [first, second]
    assert [(each.number, each.epoch) for each in (first, second)] == [(1, 4), (2, 4)]
    pool.restore(claim, first, None)
    assert text_of(pool, claim) == "first"
    assert pool.snapshots(claim.volume_id) == [first, second]
    third = written(pool, claim, "third")
    assert third.number == 3
    pool.restore(claim, second, None)
    assert text_of(pool, claim) == "second"


def test_a_removed_volume_comes_back_with_all_it_had(make_any_pool: MakeAnyPool) -> None:
    pool, claim = make_any_pool(), a_claim()
    pool.create(claim)
    taken = [written(pool, claim, text) for text in ("first", "second")]
    check_removed_and_back(pool, claim, taken)


def test_what_was_removed_and_purged_is_gone(make_any_pool: MakeAnyPool) -> None:
    pool, claim = make_any_pool(), a_claim()
    pool.create(claim)
    written(pool, claim, "text")
    pool.discard(claim.volume_id, "demo", "node1", SURE)
    [aside] = pool.asides()
    pool.purge_aside(aside.reference)
    assert pool.asides() == []
    with pytest.raises(PoolError, match=aside.reference):
        pool.purge_aside(aside.reference)
    assert not pool.reclaim(claim.volume_id, SURE.confirm)


def test_what_is_wanted_is_not_removed(make_any_pool: MakeAnyPool) -> None:
    mounted: set[str] = set()
    pool, claim = make_any_pool(mounted.__contains__), a_claim(epoch=2)
    pool.create(claim)
    written(pool, claim, "text")

    def remove(belief: Belief) -> None:
        pool.discard(claim.volume_id, "demo", "node1", belief)

    mounted.add(claim.volume_id)
    with pytest.raises(StillWanted, match="mounted"):
        remove(SURE)
    mounted.clear()
    with pytest.raises(Refused, match="after all"):
        remove(Belief(refuse, 2))
    with pytest.raises(StillWanted, match="later"):
        remove(Belief(refuse, 1))
    assert text_of(pool, claim) == "text"
    remove(Belief(SURE.confirm, 2))
    assert not pool.has_writable(claim.volume_id)
