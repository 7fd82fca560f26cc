import pytest

from bench import promises
from bench.costs import ALONE, DOCKER_RUN, LOCAL
from bench.figures import Moved, Results
from bench.plan import BTRFS, CELLS, COLD, LARGE, LARGEST, MIDDLE, SECOND, SMALLEST, TAR, WARM, Data
from bench.promises import APP_AWAY, LIMITS, MOVED, RESTARTED, Verdict, judge

GAPS = {
    (WARM, SMALLEST): 1.0,
    (WARM, LARGEST): 1.2,
    (COLD, LARGE): 10.0,
    (COLD, MIDDLE): 1.0,
    (TAR, MIDDLE): 2.4,
    (BTRFS, LARGE): 9.0,
}


def moved(method: str, data: Data, gap: float = 1, sent: int = 100) -> Moved:
    return Moved(method, data, gap, wire_bytes=sent, cpu_seconds=1, changed_bytes=100)


def verdict(results: Results, promise: str) -> Verdict:
    (found,) = [v for v in judge(results) if v.limit.promise.startswith(promise)]
    return found


def test_limit_itself_is_still_kept() -> None:
    results = Results([moved(*cell, gap) for cell, gap in GAPS.items()])
    assert verdict(results, "Warm gap with 4 GB, relative to 10 MB, 1 %").is_kept is True


@pytest.mark.parametrize(
    ("promise", "measured", "is_kept"),
    [
        ("Speed of a cold move, relative to tar over ssh, 100 MB", 2.4, False),
        ("Cold gap, relative to bare btrfs send, 1 GB", 10 / 9, True),
    ],
)
def test_cold_is_compared_both_ways(promise: str, measured: float, is_kept: bool) -> None:
    found = verdict(Results([moved(*cell, gap) for cell, gap in GAPS.items()]), promise)
    assert found.measured == pytest.approx(measured)
    assert found.is_kept is is_kept


def test_what_was_not_measured_is_neither_kept_nor_missed() -> None:
    assert {(v.measured, v.is_kept) for v in judge(Results())} == {(None, None)}


def test_second_move_is_judged_by_its_worst_cell() -> None:
    cells = [data for data, methods in CELLS.items() if SECOND in methods]
    moves = [moved(SECOND, data, sent=110) for data in cells[1:]]
    found = verdict(Results([moved(SECOND, cells[0], sent=130), *moves]), "Bytes sent by a second")
    assert (found.measured, found.is_kept) == (1.3, False)


def test_second_move_with_a_cell_missing_is_not_judged() -> None:
    assert verdict(Results([moved(SECOND, SMALLEST)]), "Bytes sent by a second").is_kept is None


def test_differences_are_taken_in_the_unit_they_are_told_in() -> None:
    results = Results(
        series={
            DOCKER_RUN: {LOCAL: [0.30, 0.31, 0.9], ALONE: [0.36, 0.36, 0.36]},
            APP_AWAY: {MOVED: [4.0], RESTARTED: [3.0]},
        }
    )
    assert verdict(results, "Extra time of `docker run`").measured == pytest.approx(50)
    assert verdict(results, "Extra downtime of moby-counter").measured == pytest.approx(1.0)


def test_every_reason_belongs_to_a_promise() -> None:
    assert set(promises.REASONS) <= {limit.promise for limit in LIMITS}
