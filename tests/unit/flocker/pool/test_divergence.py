"""What a node has to give up once another one owns the volume."""

from __future__ import annotations

import pytest

from flocker.base.records import Snapshot, Volume
from flocker.pool.divergence import Divergence, divergence

ONE, TWO, THREE = (Snapshot(number, f"ours-{number}", epoch=1) for number in (1, 2, 3))
NOTHING = Divergence(keeps_live=False, newest=None, snapshots=[])


def of(
    here: list[Snapshot], base: Snapshot | None, holders: list[Snapshot] | None = None
) -> Divergence:
    return divergence(here, Volume("demo", "id", "elsewhere", 2, "2026-01-01", base=base), holders)


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


def test_nothing_stays_of_what_was_written_here_when_the_base_is_not_known() -> None:
    assert of([ONE, TWO], None, holders=[TWO]) == Divergence(False, TWO, [ONE, TWO])
    assert of([ONE, TWO], None, holders=[]) == Divergence(True, None, [ONE, TWO])
    assert of([ONE, TWO], None) == Divergence(False, TWO, [ONE, TWO])


@pytest.mark.parametrize(
    ("holders", "left"),
    [
        ([], Divergence(True, None, [ONE, TWO, THREE], [ONE, THREE])),
        ([THREE], Divergence(False, THREE, [ONE, TWO, THREE], [ONE])),
        (None, Divergence(False, THREE, [ONE, TWO, THREE], [ONE])),
    ],
)
def test_what_people_keep_is_put_aside_too(
    holders: list[Snapshot] | None, left: Divergence
) -> None:
    volume = Volume("demo", "id", "elsewhere", 2, "2026-01-01")
    assert divergence([ONE, TWO, THREE], volume, holders, kept=[ONE, THREE]) == left


def test_what_people_keep_and_the_volume_has_stays() -> None:
    volume = Volume("demo", "id", "elsewhere", 2, "2026-01-01", base=TWO)
    assert divergence([ONE, TWO], volume, [TWO], kept=[ONE, TWO]) == NOTHING


def test_a_node_that_has_nothing_has_nothing_to_give_up() -> None:
    assert of([], None) == of([], ONE) == NOTHING
