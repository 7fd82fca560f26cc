"""Verdicts on random runs."""

from __future__ import annotations

from pathlib import Path

from report.other_runs import RandomRun, read_random_runs


def test_random_runs_have_a_seed_a_verdict_and_a_reason(tmp_path: Path) -> None:
    file = tmp_path / "random-runs.jsonl"
    file.write_text('{"seed": "7", "verdict": "valid", "reason": ""}\n')
    assert read_random_runs(file) == [RandomRun("7", "valid", "")]


def test_nothing_is_shown_of_what_nobody_ran(tmp_path: Path) -> None:
    assert read_random_runs(tmp_path / "random-runs.jsonl") == []
