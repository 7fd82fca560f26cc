"""A line that is lost is found, and so is a copy with a gap."""

from __future__ import annotations

from tests.soak.on_nodes.accounts import Accounts, lines_in, out_of_order

FIRST, SECOND = "node1.0a1b2c3d", "node2.4e5f6a7b"


def lines(run: str, last: int, first: int = 1) -> list[str]:
    return [f"{run}.{number}" for number in range(first, last + 1)]


def judged(
    acknowledged: list[str],
    live: list[str],
    asides: dict[str, list[str]] | None = None,
    *,
    was_promoted: bool = False,
) -> list[str]:
    accounts = Accounts()
    accounts.add("first", acknowledged)
    accounts.add("second", lines(SECOND, 9))  # another volume's do not matter
    return accounts.judge("first", live, asides or {}, was_promoted=was_promoted)


def test_a_volume_may_have_more_than_was_acknowledged() -> None:
    assert judged(lines(FIRST, 3), lines(FIRST, 4)) == []


def test_a_line_that_is_nowhere_is_lost() -> None:
    [wrong] = judged(lines(FIRST, 4), lines(FIRST, 3))
    assert wrong == "first: 1 acknowledged lines are lost: ['node1.0a1b2c3d.4']"


def test_a_promoted_volume_may_have_lines_in_a_copy_put_aside_only() -> None:
    asides = {"first@node1": lines(FIRST, 5)}
    live = lines(FIRST, 3) + lines(SECOND, 2)
    assert judged([*lines(FIRST, 5), *lines(SECOND, 2)], live, asides, was_promoted=True) == []


def test_one_that_was_never_promoted_may_not() -> None:
    [wrong] = judged(lines(FIRST, 5), lines(FIRST, 3), {"first@node1": lines(FIRST, 5)})
    assert "never promoted" in wrong


def test_a_gap_is_told_of_in_the_volume_and_in_copies() -> None:
    with_gap = lines(FIRST, 2) + lines(FIRST, 5, first=4)
    told = judged([], with_gap, {"first@node1": with_gap}, was_promoted=True)
    assert told == [
        f"first: {FIRST}.4 follows {FIRST}.2",
        f"first@node1: {FIRST}.4 follows {FIRST}.2",
    ]


def test_runs_may_take_turns_and_a_line_may_not_come_twice() -> None:
    assert out_of_order([f"{FIRST}.1", f"{SECOND}.1", f"{FIRST}.2"]) == []
    assert out_of_order([f"{FIRST}.1", f"{FIRST}.1"]) == [f"{FIRST}.1 follows {FIRST}.1"]


def test_half_a_line_is_no_line() -> None:
    assert out_of_order([f"{FIRST}.1", f"{FIRST}.{SECOND}.1"]) == [
        f"nobody wrote '{FIRST}.{SECOND}.1'"
    ]


def test_all_lines_are_counted() -> None:
    accounts = Accounts()
    accounts.add("first", lines(FIRST, 3))
    accounts.add("first", lines(FIRST, 4))
    accounts.add("second", lines(SECOND, 2))
    assert accounts.count() == 6


def test_what_a_program_says_besides_is_no_line() -> None:
    assert lines_in(f"soak-first\n{FIRST}.1\nsh: write error\n{FIRST}.2\n") == lines(FIRST, 2)
