"""What a node has to give up once another one owns the volume."""

from __future__ import annotations

import pytest

from flocker.divergence import Divergence, divergence
from flocker.records import Cut, Snapshot, Volume

ONE, TWO, THREE = (Snapshot(number, f"ours-{number}") for number in (1, 2, 3))
NINTH = Snapshot(9, "theirs")
NOTHING = Divergence(keeps_live=False, newest=None, snapshots=[])


def of(
    here: list[Snapshot],
    base: Snapshot | None,
    holders: list[Snapshot] | None = None,
    *,
    epoch: int = 1,
    cuts: tuple[Cut, ...] = (),
) -> Divergence:
    volume = Volume("demo", "id", "elsewhere", 9, "2026-01-01", base=base, cuts=cuts)
    return divergence(here, volume, epoch, holders)


def test_a_planned_move_leaves_nothing_over() -> None:
    assert of([ONE, TWO], base=TWO, holders=[TWO]) == NOTHING


def test_a_copy_never_written_since_an_earlier_snapshot_is_part_of_the_volume() -> None:
    assert of([ONE, TWO], base=TWO, holders=[ONE]) == NOTHING


def test_writes_without_a_snapshot_are_kept() -> None:
    assert of([ONE, TWO], base=TWO, holders=[]) == Divergence(True, None, [])


def test_writes_and_later_snapshots_become_one_copy() -> None:
    assert of([ONE, TWO, THREE], base=ONE, holders=[]) == Divergence(True, None, [TWO, THREE])


def test_a_later_snapshot_that_holds_all_is_the_copy() -> None:
    assert of([ONE, TWO, THREE], base=ONE, holders=[THREE]) == Divergence(
        False, THREE, [TWO, THREE]
    )


def test_a_copy_that_only_a_later_but_not_the_newest_snapshot_holds_is_kept_itself() -> None:
    assert of([ONE, TWO, THREE], base=ONE, holders=[TWO]) == Divergence(True, None, [TWO, THREE])


def test_snapshots_after_the_base_are_kept_though_the_copy_went_back_to_the_base() -> None:
    assert of([ONE, TWO, THREE], base=ONE, holders=[ONE]) == Divergence(False, THREE, [TWO, THREE])


def test_a_replica_that_got_more_than_the_new_owner_gives_it_up() -> None:
    assert of([ONE, TWO], base=ONE) == Divergence(False, TWO, [TWO])


@pytest.mark.parametrize("holders", [None, [TWO]])
def test_a_replica_that_is_behind_keeps_what_it_has(holders: list[Snapshot] | None) -> None:
    assert of([ONE, TWO], base=THREE, holders=holders) == NOTHING


def test_only_the_writes_are_kept_of_an_owner_that_is_behind() -> None:
    assert of([ONE, TWO], base=THREE, holders=[]) == Divergence(True, None, [])


@pytest.mark.parametrize("epoch", [3, 4])
def test_what_a_promotion_left_behind_is_not_part_of_a_later_base(epoch: int) -> None:
    left = of([ONE, TWO], base=NINTH, epoch=epoch, cuts=(Cut(5, ONE.number),))
    assert left == Divergence(False, TWO, [TWO])


def test_what_is_from_after_a_promotion_is_not_cut_by_it() -> None:
    assert of([ONE, TWO], base=NINTH, epoch=5, cuts=(Cut(5, ONE.number),)) == NOTHING


def test_of_several_promotions_the_one_that_went_back_furthest_counts() -> None:
    cuts = (Cut(3, 1), Cut(5, 2), Cut(7, 5))
    assert of([ONE, TWO, THREE], base=NINTH, epoch=2, cuts=cuts).snapshots == [TWO, THREE]
    assert of([ONE, TWO, THREE], base=NINTH, epoch=3, cuts=cuts).snapshots == [THREE]
    assert of([ONE, TWO, THREE], base=NINTH, epoch=5, cuts=cuts) == NOTHING


@pytest.mark.parametrize("base", [None, Snapshot(2, "theirs")])
def test_nothing_stays_of_what_was_written_here_when_nothing_is_known_of_it(
    base: Snapshot | None,
) -> None:
    assert of([ONE, TWO], base, holders=[TWO]) == Divergence(False, TWO, [ONE, TWO])
    assert of([ONE, TWO], base, holders=[]) == Divergence(True, None, [ONE, TWO])
    assert of([ONE, TWO], base) == Divergence(False, TWO, [ONE, TWO])


def test_a_node_that_has_nothing_has_nothing_to_give_up() -> None:
    assert of([], None) == of([], ONE) == NOTHING
