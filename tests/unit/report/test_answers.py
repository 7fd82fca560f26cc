"""The five answers, from what one run measured."""

from __future__ import annotations

from pathlib import Path

from report import answers
from report.figure import APP_AWAY, LAG, TAKEOVER, Figure
from report.promises import Promises, Trial, judge
from tests.unit.report.made import measured, place, planned, result

AWAY = Figure(APP_AWAY, 3.1, None, None, "s")
FIGURES = {
    APP_AWAY: AWAY,
    TAKEOVER: Figure(TAKEOVER, 14.2, 30, 30, "s"),
    LAG: Figure(LAG, 1.14, 2, 2, "s"),
}


def promises(*statuses: str) -> Promises:
    plan = [planned(str(number), place(f"Rule {number}")) for number in range(len(statuses))]
    return judge(
        plan,
        [
            result(each.name, status, where=each.place, message="no switch")
            for each, status in zip(plan, statuses, strict=True)
        ],
    )


def test_the_verdict_counts_promises_that_were_tried() -> None:
    assert answers.verdict(promises("passed", "passed", "skipped"), 0) == (
        "All 2 promises that were tried hold"
    )
    assert answers.verdict(promises("passed"), 0) == "The one promise that was tried holds"
    assert answers.verdict(promises("skipped"), 0) == "No promise was tried in this run"


def test_the_verdict_hides_no_failure() -> None:
    assert answers.verdict(promises("passed", "failed"), 0) == (
        "1 of 2 promises that were tried is broken"
    )
    assert answers.verdict(promises("broken", "failed"), 1) == (
        "2 of 2 promises that were tried are broken; 1 other test failed"
    )
    assert answers.verdict(promises("passed", "passed"), 2) == (
        "All 2 promises that were tried hold, but 2 other tests failed"
    )


def test_the_summary_has_every_figure_that_was_measured() -> None:
    assert answers.summary(promises("passed", "skipped"), FIGURES) == (
        "This project promises that an app moves to another server with all its data. "
        "The app was away for 3.1 s while it moved. "
        "Takeovers that are promised within 30 s took at most 14.2 s. "
        "Replicas lagged by at most 1.1 s. "
        "1 of 2 promises was not tried."
    )
    assert "Broken: Rule 1." in answers.summary(promises("passed", "failed"), {})
    assert "away" not in answers.summary(promises("passed"), {})


def test_five_questions_are_answered() -> None:
    found = answers.answers(promises("passed", "failed", "skipped"), FIGURES, 0)
    assert [(answer.question, answer.short) for answer in found] == [
        ("What is promised?", "An app moves to another server with all its data."),
        ("Is it true today?", "No"),
        ("How long is the app away during a move?", "3.1 s"),
        ("What is lost when a server dies?", "Up to the last 1.1 s of writes in this run"),
        ("What was not tried?", "1 promise of 3"),
    ]
    assert found[1].details[-1] == "Broken: Rule 1."
    assert found[4].details == ("1 scenario: no switch",)


def test_the_longest_of_several_moves_is_told(tmp_path: Path) -> None:
    steps = (measured(tmp_path, AWAY, Figure(APP_AWAY, 2.5, None, None, "s")),)
    found = judge([planned("a")], [result("a", steps=steps)])
    away = answers.answers(found, answers.headlines(found.trials), 0)[2]
    assert (away.short, away.details[1]) == (
        "3.1 s",
        "The longest of 2 moves in this run; the shortest: 2.5 s.",
    )


def test_yes_is_said_of_what_was_tried() -> None:
    assert answers.answers(promises("passed", "passed"), {}, 0)[1].short == "Yes"
    partly = answers.answers(promises("passed", "skipped"), {}, 0)[1]
    assert partly.short == "Yes, for 1 of 2 promises"
    assert answers.answers(promises("skipped"), {}, 0)[1].short == "Unknown"


def test_a_failed_test_makes_the_answer_no() -> None:
    assert answers.answers(promises("passed"), {}, 1)[1].short == "No"


def test_nothing_is_claimed_that_was_not_measured() -> None:
    found = answers.answers(promises("passed"), {}, 0)
    assert [answer.short for answer in found[2:]] == [
        "Not measured in this run.",
        "Not measured in this run.",
        "Nothing: every scenario ran",
    ]


def test_the_headline_is_the_worst_value_of_the_strictest_promise(tmp_path: Path) -> None:
    strict, stricter = Figure(TAKEOVER, 12, 30, 30, "s"), Figure(TAKEOVER, 14, 30, 30, "s")
    loose = Figure(TAKEOVER, 40, 60, 60, "s")
    steps = (measured(tmp_path, loose, strict, stricter, AWAY),)
    trial = Trial("a", place(), result("a", steps=steps))
    assert answers.headlines([trial]) == {TAKEOVER: stricter, APP_AWAY: AWAY}
