"""The page's HTML, without a browser."""

from __future__ import annotations

import re

import pytest

from report import answers
from report.offline import external_loads
from report.page import Page, render
from report.promises import judge
from report.results import Result
from report.trend import run_of
from tests.unit.report.made import planned, result


def page(*results: Result, tests: dict[str, tuple[int, int]] | None = None) -> Page:
    """A page of a run that left results and nothing else."""
    promises = judge([planned(each.name) for each in results], results)
    return Page(
        verdict=answers.verdict(promises, 0),
        summary=answers.summary(promises, {}),
        answers=answers.answers(promises, {}, 0),
        promises=promises,
        story=None,
        player=None,
        links={each.history_id: f"allure/index.html#{each.history_id}" for each in results},
        facts={},
        tests=tests or {},
        runs=[run_of(promises, results, {})],
        matrix=None,
        random_runs=[],
    )


def sections(html: str) -> list[str]:
    return re.findall(r'<section id="([\w-]+)"', html)


def test_parts_without_data_are_left_out() -> None:
    html = render(page(result("a")))
    assert sections(html) == ["promises"]
    assert set(re.findall(r'href="#([\w-]+)"', html)) == {"promises"}


def test_what_was_not_tried_has_a_part_with_the_reason() -> None:
    html = render(page(result("a"), result("b", "skipped", message="nobody can cut the power")))
    assert sections(html) == ["promises", "not-tried"]
    assert "1 scenario: nobody can cut the power" in html


def test_texts_of_the_run_cannot_become_markup() -> None:
    html = render(page(result("<b>bold</b>", "failed", message="<script>alert(1)</script>")))
    assert "<script" not in html
    assert "&lt;b&gt;bold&lt;/b&gt;" in html
    assert external_loads(html) == []


@pytest.mark.parametrize(
    ("status", "tests", "mark"),
    [("passed", {}, "✓"), ("failed", {}, "✗"), ("passed", {"unit": (7, 1)}, "✗")],
)
def test_the_mark_beside_the_verdict_is_green_only_if_nothing_failed(
    status: str, tests: dict[str, tuple[int, int]], mark: str
) -> None:
    html = render(page(result("a", status), tests=tests))
    heading = html[html.index("<h1>") : html.index("</h1>")]
    assert mark in heading


def test_the_other_tests_are_explained() -> None:
    html = render(page(result("a"), tests={"alarms": (44, 0), "mine": (1, 0)}))
    assert "scenarios fail when driver or nodes are broken on purpose</span></th>" in html
    assert 'mine <span class="subject"></span></th>' in html


def test_nothing_tried_has_no_mark() -> None:
    html = render(page(result("a", "skipped", message="away")))
    heading = html[html.index("<h1>") : html.index("</h1>")]
    assert "mark" not in heading
