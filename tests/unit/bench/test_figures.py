from dataclasses import replace

import pytest

from bench.figures import Moved, NotMeasured, Results, median, ratio
from bench.plan import COLD, LARGE, SMALLEST, WARM

MOVED = Moved(WARM, SMALLEST, gap_seconds=1, wire_bytes=110, cpu_seconds=1, changed_bytes=100)


def test_median_is_the_middle_one_whatever_the_order() -> None:
    assert median([9, 1, 2]) == 2
    assert median([4, 1, 3, 2]) == 2.5


def test_nothing_is_no_base_for_a_ratio() -> None:
    assert ratio(3, 2) == 1.5
    with pytest.raises(NotMeasured):
        ratio(1, 0)


def test_gap_is_the_median_of_that_cell_only() -> None:
    gaps = [(WARM, SMALLEST, 3), (WARM, SMALLEST, 1), (WARM, SMALLEST, 2), (COLD, SMALLEST, 50)]
    moves = [replace(MOVED, method=m, data=d, gap_seconds=g) for m, d, g in gaps]
    assert Results(moves).gap(WARM, SMALLEST) == 2


def test_cell_without_a_move_was_not_measured() -> None:
    with pytest.raises(NotMeasured, match="cold at 1 GB"):
        Results([MOVED]).gap(COLD, LARGE)


def test_series_keeps_variants_apart() -> None:
    results = Results()
    for variant, figure in (("a", 1.0), ("b", 10.0), ("a", 3.0)):
        results.add("s", variant, figure)
    assert results.median("s", "a") == 2
    with pytest.raises(NotMeasured, match="s: c"):
        results.median("s", "c")
