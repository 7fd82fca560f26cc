"""Copies that pools put aside, and how they are restored; run on memory and on real btrfs."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from flocker.base.errors import PoolError, StaleEpoch
from flocker.base.records import Claim, Cut, Snapshot, Volume
from flocker.pool.local_pool import LocalPool
from flocker.pool.references import Names
from tests.contract.flocker.conftest import SURE, MakePool
from tests.contract.flocker.pool.test_every_pool import (
    a_volume,
    check_removed_and_back,
    content_of,
)
from tests.contract.flocker.pool.test_pool import (
    a_claim,
    copied,
    moved,
    put_away,
    text_of,
    written,
)

pytestmark = pytest.mark.contract


def later(claim: Claim, by: int = 1) -> Claim:
    return Claim(claim.volume_id, claim.epoch + by)


def an_owner_and_a_replica(
    make_pool: MakePool,
) -> tuple[LocalPool, LocalPool, Claim, list[Snapshot]]:
    """Both have a snapshot of "first" and one of "second"."""
    owner, replica = make_pool(), make_pool()
    claim, snapshots = a_volume(owner, "first", "second")
    put_away(replica, claim, base=None)
    copied(owner, replica, claim, *snapshots)
    return owner, replica, claim, snapshots


def test_writes_after_the_base_are_put_aside(make_pool: MakePool) -> None:
    pool = make_pool()
    claim, [first, _] = a_volume(pool, "first", "second")
    (pool.writable_path(claim) / "file.txt").write_text("third")
    before = datetime.now(UTC)
    aside = put_away(pool, later(claim), base=first)
    assert aside is not None
    assert re.fullmatch(r"demo@node1-\d{8}T\d{6}Z", aside.reference)
    assert (aside.volume_id, aside.volume, aside.why) == (claim.volume_id, "demo", "conflict")
    assert timedelta(0) <= datetime.fromisoformat(aside.at) - before + timedelta(milliseconds=1)
    assert pool.asides() == [aside]
    assert content_of(pool, aside) == "third"
    assert pool.snapshots(claim.volume_id) == [first]
    assert not pool.has_writable(claim.volume_id)
    with pytest.raises(StaleEpoch):
        pool.writable_path(claim)


def test_the_number_of_what_was_put_aside_is_free_for_the_new_owners(make_pool: MakePool) -> None:
    here, there = make_pool(), make_pool()
    claim, [first] = a_volume(here, "first")
    copied(here, there, claim, first)
    written(here, claim, "only here")
    there.adopt(later(claim), first)
    theirs = written(there, later(claim), "only there")
    assert theirs.number == 2
    aside = put_away(here, later(claim), base=first)
    copied(there, here, claim, theirs)
    assert here.snapshots(claim.volume_id) == [first, theirs]
    assert aside is not None
    assert content_of(here, aside) == "only here"
    assert here.snapshots(claim.volume_id)[-1].epoch == later(claim).epoch
    assert put_away(here, later(claim), base=first) is None
    assert here.snapshots(claim.volume_id) == [first, theirs]


def test_nothing_is_put_aside_of_a_planned_move(make_pool: MakePool) -> None:
    source, target = make_pool(), make_pool()
    claim, _ = a_volume(source, "first", "second")
    moved(source, target, claim)
    assert source.asides() == target.asides() == []


def test_going_back_to_an_earlier_state_is_no_reason_to_forget_the_later(
    make_pool: MakePool,
) -> None:
    pool = make_pool()
    claim, [first, _] = a_volume(pool, "first", "second")
    pool.restore(claim, first, None)
    aside = put_away(pool, later(claim), base=first)
    assert aside is not None
    assert content_of(pool, aside) == "second"
    assert pool.snapshots(claim.volume_id) == [first]


def test_what_people_keep_goes_aside_beside_the_newest(make_pool: MakePool) -> None:
    pool = make_pool()
    claim, [first, second, third] = a_volume(pool, "first", "second", "third")
    (pool.writable_path(claim) / "file.txt").write_text("unsaved")
    owned = Volume("demo", claim.volume_id, "elsewhere", claim.epoch + 1, "2026-01-01", base=first)
    for _ in range(2):
        pool.put_away(owned, "node1", SURE.confirm, [first, second])
        asides = pool.asides()
        assert {content_of(pool, each) for each in asides} == {"second", "unsaved"}
        assert {each.why for each in asides} == {"conflict"}
        assert third not in pool.snapshots(claim.volume_id)
        assert pool.snapshots(claim.volume_id) == [first]


@pytest.mark.parametrize("unsaved", [True, False])
def test_all_goes_aside_when_the_base_is_not_known(make_pool: MakePool, unsaved: bool) -> None:
    pool = make_pool()
    claim, _ = a_volume(pool, "first", "second")
    if unsaved:
        (pool.writable_path(claim) / "file.txt").write_text("third")
    aside = put_away(pool, later(claim), base=None)
    assert aside is not None
    assert content_of(pool, aside) == ("third" if unsaved else "second")
    assert pool.snapshots(claim.volume_id) == []
    assert put_away(pool, later(claim), base=None) is None


def test_a_replica_that_is_behind_keeps_what_it_has(make_pool: MakePool) -> None:
    owner, replica = make_pool(), make_pool()
    claim, [first, second] = a_volume(owner, "first", "second")
    copied(owner, replica, claim, first)
    assert put_away(replica, later(claim), base=second) is None
    assert replica.snapshots(claim.volume_id) == [first]
    assert replica.asides() == []


@pytest.mark.parametrize("has_adopted", [True, False])
def test_what_a_promotion_left_behind_is_put_aside_however_many_owners_later(
    make_pool: MakePool, has_adopted: bool
) -> None:
    """A promotion at epoch 3 went on from the first, and its owners' numbers are higher by now."""
    _, other, claim, [first, second] = an_owner_and_a_replica(make_pool)
    if has_adopted:
        other.adopt(later(claim), second)
    much_later = Snapshot(7, str(uuid.uuid4()))
    aside = put_away(other, later(claim, by=4), much_later, Cut(later(claim, by=2).epoch, 1))
    assert aside is not None
    assert content_of(other, aside) == "second"
    assert other.snapshots(claim.volume_id) == [first]


def test_what_arrives_too_late_of_a_branch_left_behind_is_put_aside_by_the_next_call(
    make_pool: MakePool,
) -> None:
    owner, other = make_pool(), make_pool()
    claim, [first, second] = a_volume(owner, "first", "second")
    put_away(other, claim, base=None)
    copied(owner, other, claim, first)
    promotion = Cut(later(claim).epoch, first.number)
    assert put_away(other, later(claim), first, promotion) is None
    copied(owner, other, claim, second)
    aside = put_away(other, later(claim), first, promotion)
    assert aside is not None
    assert content_of(other, aside) == "second"
    assert other.snapshots(claim.volume_id) == [first]


def test_an_owner_that_went_back_to_its_newest_snapshot_keeps_it(make_pool: MakePool) -> None:
    pool = make_pool()
    claim, [first, second] = a_volume(pool, "first", "second")
    pool.restore(claim, second, None)
    own_promotion = Cut(claim.epoch, first.number)
    assert put_away(pool, later(claim), second, own_promotion) is None
    assert pool.snapshots(claim.volume_id) == [first, second]


def test_an_owner_put_away_long_after_keeps_what_its_promotion_went_on_from(
    make_pool: MakePool,
) -> None:
    owner, promoted = make_pool(), make_pool()
    claim, [first, second] = a_volume(owner, "first", "second")
    put_away(promoted, claim, base=None)
    copied(owner, promoted, claim, first, second)
    promoted.adopt(later(claim), second)
    its_own = Cut(later(claim).epoch, second.number)
    much_later = Snapshot(7, str(uuid.uuid4()))
    assert put_away(promoted, later(claim, by=4), much_later, its_own) is None
    assert promoted.snapshots(claim.volume_id) == [first, second]


def test_a_replica_gives_up_what_the_new_owner_never_had(make_pool: MakePool) -> None:
    owner, replica = make_pool(), make_pool()
    claim, [first, second] = a_volume(owner, "first", "second")
    copied(owner, replica, claim, first, second)
    aside = put_away(replica, later(claim), base=first)
    assert aside is not None
    assert content_of(replica, aside) == "second"
    assert replica.snapshots(claim.volume_id) == [first]


def test_a_replica_that_begins_late_keeps_what_it_gets(make_pool: MakePool) -> None:
    owner, replica = make_pool(), make_pool()
    claim, [first, second] = a_volume(owner, "first", "second")
    assert put_away(replica, claim, base=first) is None
    copied(owner, replica, claim, second)
    assert put_away(replica, claim, base=first) is None
    assert replica.snapshots(claim.volume_id) == [second]
    assert replica.asides() == []


def test_a_move_that_was_never_finished_leaves_nothing_aside(make_pool: MakePool) -> None:
    owner, other, claim, [_, second] = an_owner_and_a_replica(make_pool)
    other.adopt(later(claim), second)
    third = written(owner, claim, "third")
    assert put_away(other, later(claim), base=third) is None  # a third node was faster
    assert not other.has_writable(claim.volume_id)
    assert other.asides() == []


@pytest.mark.parametrize("followed_on", [True, False])
def test_what_was_adopted_in_vain_while_another_was_promoted_from_less_is_put_aside(
    make_pool: MakePool, followed_on: bool
) -> None:
    owner, other, claim, [first, second] = an_owner_and_a_replica(make_pool)
    other.adopt(later(claim), second)
    if followed_on:
        copied(owner, other, claim, written(owner, claim, "third"))
    others = Cut(later(claim).epoch, first.number)  # the same epoch
    much_later = Snapshot(7, str(uuid.uuid4()))
    aside = put_away(other, later(claim, by=4), much_later, others)
    assert aside is not None
    assert content_of(other, aside) == "second"
    assert other.snapshots(claim.volume_id) == [first]


def test_adopting_puts_what_was_never_saved_aside(make_pool: MakePool) -> None:
    pool = make_pool(lambda _: False, Names("node7", lambda _: "demo"))
    claim, [first] = a_volume(pool, "first")
    pool.adopt(later(claim), first)
    assert pool.asides() == []
    (pool.writable_path(later(claim)) / "file.txt").write_text("unsaved")
    pool.adopt(later(claim), first)
    [aside] = pool.asides()
    assert (aside.volume_id, aside.why) == (claim.volume_id, "conflict")
    assert aside.reference.startswith("demo@node7-")
    assert content_of(pool, aside) == "unsaved"
    assert text_of(pool, later(claim)) == "first"


def test_a_removed_volume_comes_back_whole(make_pool: MakePool) -> None:
    pool = make_pool()
    claim, taken = a_volume(pool, "first", "second")
    check_removed_and_back(pool, claim, taken)
    pool.readmit(later(claim))
    assert text_of(pool, later(claim)) == "unsaved"
    with pytest.raises(PoolError):
        pool.readmit(claim)


def test_a_removed_replica_is_its_newest_snapshot(make_pool: MakePool) -> None:
    owner, replica = make_pool(), make_pool()
    claim, taken = a_volume(owner, "first", "second")
    copied(owner, replica, claim, *taken)
    replica.discard(claim.volume_id, "demo", "node2", SURE)
    [aside] = replica.asides()
    assert content_of(replica, aside) == "second"
    assert replica.reclaim(claim.volume_id, SURE.confirm)
    assert replica.snapshots(claim.volume_id) == taken
    with pytest.raises(PoolError):
        replica.readmit(claim)


def test_what_arrived_after_the_removal_is_not_taken_for_the_volume(make_pool: MakePool) -> None:
    owner, pool = make_pool(), make_pool()
    claim, [first] = a_volume(owner, "first")
    copied(owner, pool, claim, first)
    pool.adopt(later(claim), first)
    pool.discard(claim.volume_id, "demo", "node1", SURE)
    copied(owner, pool, claim, first)
    pool.discard(claim.volume_id, "demo", "node1", SURE)
    assert pool.reclaim(claim.volume_id, SURE.confirm)
    assert text_of(pool, later(claim)) == "first"


def test_an_epoch_without_data_is_not_worth_keeping(make_pool: MakePool) -> None:
    pool, claim = make_pool(), a_claim()
    assert put_away(pool, claim, base=None) is None
    pool.discard(claim.volume_id, "demo", "node1", SURE)
    assert pool.volume_ids() == []
    assert pool.asides() == []
