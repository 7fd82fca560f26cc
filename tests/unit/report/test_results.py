"""The formatter's results, read back and compared with the feature files."""

from __future__ import annotations

from pathlib import Path

from report.figure import Figure
from report.promises import read_plan
from report.results import read_results
from tests.unit.report.test_formatter import project

__all__ = ["project"]


def test_every_result_is_read_with_its_place_and_reason(project: Path) -> None:
    results = {each.full_name: each for each in read_results(project / "build" / "allure-results")}
    skipped = results["A cat keeps its toys: Not on this machine"]
    assert (skipped.status, skipped.message) == ("skipped", "needs a garden")
    assert skipped.place.epic == "Moving house"
    assert skipped.place.rule == skipped.place.feature == "A cat keeps its toys"
    counted = results["A cat keeps its toys: Toys go first: Counted"]
    assert counted.place.rule == "Toys go first"
    assert counted.place.severity == "critical"
    assert "wip" not in {tag for each in results.values() for tag in each.tags}


def test_figures_and_kinds_of_attachments_are_read(project: Path) -> None:
    [moved] = [
        each for each in read_results(project / "build" / "allure-results") if each.name == "Moved"
    ]
    assert moved.figures == [Figure("Away", 3.4, None, None, "s")]
    assert [file.path.read_bytes() for file in moved.attached("move.png")] == [b"not really a PNG"]


def test_results_and_feature_files_name_scenarios_alike(project: Path) -> None:
    results = read_results(project / "build" / "allure-results")
    plan = read_plan(project / "features")
    assert {(each.history_id, each.name, each.place) for each in results} == {
        (each.history_id, each.name, each.place) for each in plan
    }
