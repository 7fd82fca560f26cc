"""The parts of a simulated machine that lose something, or hold something up."""

from __future__ import annotations

from random import Random

from tests.simulated.lines import WritableCopy, line


def copy_with(*, synced: int, unsynced: int) -> WritableCopy:
    copy = WritableCopy(b"")
    for number in range(1, synced + 1):
        copy.append(line("r", number), is_synced=True)
    for number in range(synced + 1, synced + unsynced + 1):
        copy.append(line("r", number), is_synced=False)
    return copy


def left_after_a_power_cut(copy: WritableCopy, seed: int = 1) -> int:
    copy.lose_memory(Random(seed))  # noqa: S311 - nothing is kept secret with it
    return copy.content().count(b"\n")


def test_a_power_cut_takes_some_of_the_last_lines_without_fsync_and_no_other() -> None:
    left = {left_after_a_power_cut(copy_with(synced=3, unsynced=2), seed) for seed in range(50)}
    assert left == {3, 4, 5}


def test_a_line_with_fsync_brings_all_lines_before_it_to_the_disk() -> None:
    copy = copy_with(synced=0, unsynced=5)
    copy.append(line("r", 6), is_synced=True)
    assert left_after_a_power_cut(copy) == 6


def test_lines_that_were_on_disk_once_stay() -> None:
    copy = copy_with(synced=0, unsynced=5)
    copy.sync()
    assert {left_after_a_power_cut(copy, seed) for seed in range(50)} == {5}
