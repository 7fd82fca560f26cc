"""The memory of earlier runs."""

from __future__ import annotations

from pathlib import Path

from report.figure import APP_AWAY, Figure
from report.promises import judge
from report.trend import KEPT_RUNS, Run, remember, run_of
from tests.unit.report.made import START, planned, result


def run(started: int, holds: int = 1) -> Run:
    return Run(started, holds, 0, 0, {APP_AWAY: "3.1 s"})


def test_a_run_is_remembered_in_numbers() -> None:
    results = [result("a", start=START + 5), result("b", "failed")]
    promises = judge([planned("a"), planned("b"), planned("c")], results)
    away = Figure(APP_AWAY, 3.1, None, None, "s")
    assert run_of(promises, results, {APP_AWAY: away, "Other": away}) == Run(
        START, 0, 1, 0, {APP_AWAY: "3.1 s"}
    )


def test_runs_are_kept_in_their_order(tmp_path: Path) -> None:
    file = tmp_path / "build" / "runs.jsonl"
    assert remember(run(2), file) == [run(2)]
    assert remember(run(1), file) == [run(1), run(2)]


def test_a_report_that_is_written_again_adds_no_run(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    remember(run(1), file)
    assert remember(run(1, holds=7), file) == [run(1, holds=7)]


def test_old_runs_are_given_up(tmp_path: Path) -> None:
    for started in range(KEPT_RUNS + 2):
        kept = remember(run(started), tmp_path / "runs.jsonl")
    assert [each.started for each in kept] == list(range(2, KEPT_RUNS + 2))
