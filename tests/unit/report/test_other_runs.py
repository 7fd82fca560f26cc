"""Verdicts on random runs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from report.other_runs import RandomRun, copy_pages, read_random_runs

RUN = RandomRun("7", "nodes", "valid", "5 lines", "judge/nodes-7/index.html")


def test_random_runs_have_a_seed_a_verdict_and_a_reason(tmp_path: Path) -> None:
    file = tmp_path / "random-runs.jsonl"
    file.write_text(json.dumps(asdict(RUN)))
    assert read_random_runs(file) == [RUN]


def test_nothing_is_shown_of_what_nobody_ran(tmp_path: Path) -> None:
    assert read_random_runs(tmp_path / "random-runs.jsonl") == []


def test_the_report_has_the_page_of_each_run(tmp_path: Path) -> None:
    made = tmp_path / "build" / RUN.page
    made.parent.mkdir(parents=True)
    made.write_text("the page")
    copy_pages([RUN], tmp_path / "build", tmp_path / "report")
    assert (tmp_path / "report" / RUN.page).read_text() == "the page"
