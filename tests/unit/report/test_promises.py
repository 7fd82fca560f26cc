"""Verdicts on promises: plan and results, joined."""

from __future__ import annotations

from pathlib import Path

import pytest

from report.figure import Figure
from report.promises import Verdict, judge, read_plan, worst
from tests.unit.report.made import measured, place, planned, result, step

HOLDS, BROKEN, NOT_TRIED = Verdict.HOLDS, Verdict.BROKEN, Verdict.NOT_TRIED


@pytest.mark.parametrize(
    ("statuses", "verdict", "untried"),
    [
        (["passed", "passed"], HOLDS, 0),
        (["passed", "failed"], BROKEN, 0),
        (["skipped", "broken"], BROKEN, 1),
        (["passed", "skipped"], HOLDS, 1),
        (["skipped", None], NOT_TRIED, 2),
    ],
)
def test_a_promise_is_as_good_as_its_worst_trial(
    statuses: list[str | None], verdict: Verdict, untried: int
) -> None:
    plan = [planned(str(number)) for number in range(len(statuses))]
    results = [
        result(str(number), status) for number, status in enumerate(statuses) if status is not None
    ]
    [promise] = judge(plan, results).all
    assert (promise.verdict, promise.untried) == (verdict, untried)


def test_reasons_for_not_trying_come_with_their_scenarios_the_most_frequent_first() -> None:
    plan = [planned(name) for name in "abcd"]
    promises = judge(plan, [result("a"), result("b", "skipped", message="needs a power switch")])
    assert {
        reason: [trial.name for trial in trials] for reason, trials in promises.untried.items()
    } == {"not part of this run": ["c", "d"], "needs a power switch": ["b"]}
    assert next(iter(promises.untried)) == "not part of this run"


def test_a_result_without_a_plan_is_shown_too() -> None:
    promises = judge([planned("a")], [result("a"), result("renamed since", "failed")])
    assert [trial.name for trial in promises.trials] == ["a", "renamed since"]
    assert len(promises.of(BROKEN)) == 1


def test_features_are_ordered_by_importance_and_rules_as_written() -> None:
    plan = [
        planned("a", place("Second rule", "Commands", "normal")),
        planned("b", place("First rule", "Commands", "normal")),
        planned("c", place("One writer", "Fence", "blocker")),
    ]
    assert [promise.name for promise in judge(plan, []).all] == [
        "One writer",
        "Second rule",
        "First rule",
    ]


def test_a_promise_shows_the_worst_of_each_figure(tmp_path: Path) -> None:
    quick, slow = Figure("Lag", 0.4, 2, 2, "s"), Figure("Lag", 1.4, 2, 2, "s")
    away = Figure("Away", 3, None, None, "s")
    [promise] = judge(
        [planned("a"), planned("b")],
        [
            result("a", steps=(measured(tmp_path, slow), step())),
            result("b", steps=(measured(tmp_path, quick, away),)),
        ],
    ).all
    assert promise.figures == [slow, away]
    assert worst([]) == []


def test_the_plan_is_every_finished_scenario_and_every_row(tmp_path: Path) -> None:
    (tmp_path / "story.feature").write_text(
        """
        @critical @allure.epic:The_promises
        Feature: Moves
          Rule: Data follows the app
            Scenario Outline: There and back <times> times
              Given it moves
              Examples:
                | times |
                | 1     |
                | 2     |
            @wip
            Scenario: Not yet
              Given it moves
          @allure.story:By_tag @minor
          Scenario: Alone
            Given it moves
        """
    )
    plan = read_plan(tmp_path)
    assert [each.name for each in plan] == [
        "There and back 1 times",
        "There and back 2 times",
        "Alone",
    ]
    assert plan[0].place == place(severity="critical")
    assert plan[2].place == place("By tag", severity="minor")
    assert len({each.history_id for each in plan}) == 3
