"""The whole way: a behave run, Allure's report made from it, and a real browser that opens it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually_true
from report.allure import WrongCount
from report.build import write_report
from report.offline import external_loads
from tests.contract.report.chromium import Chromium
from tests.unit.report.test_formatter import behave, results_in, write_project

pytestmark = pytest.mark.contract

FACTS = {"Provider": "docker", "Engine": "26.1.5"}
SHOWN = ("Volume Plugins Demo", "Moving house", "Toys go first", *FACTS.values())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small behave project after a run in which all kinds of things went wrong."""
    project = write_project(tmp_path_factory.mktemp("project"))
    behave(project)
    (project / "build" / "environment.json").write_text(json.dumps(FACTS))
    return project


@pytest.fixture(scope="module")
def page(project: Path) -> Path:
    return write_report(project)


@pytest.fixture
def allure(page: Path) -> Path:
    return page.parent / "allure" / "index.html"


def test_the_report_shows_every_result(project: Path, allure: Path) -> None:
    stats = json.loads((allure.parent / "summary.json").read_text())["stats"]
    expected = {"total": 14, "passed": 5, "failed": 2, "broken": 6, "skipped": 1}
    assert {name: stats[name] for name in expected} == expected
    assert len(results_in(project)) == 14


def test_each_run_adds_to_the_history(project: Path, page: Path) -> None:
    history = project / "build" / "history.jsonl"
    before = len(history.read_text().splitlines())
    assert write_report(project) == page
    assert len(history.read_text().splitlines()) == before + 1


def test_a_browser_that_opens_it_asks_nobody(allure: Path, browser: Chromium) -> None:
    assert external_loads(allure.read_text()) == []
    browser.show(allure)
    # The page fills itself piece by piece after it has loaded.
    eventually_true(
        lambda: str(browser.run("return document.body.innerText")),
        lambda text: all(expected in text for expected in SHOWN),
        what=f"a page that shows {', '.join(SHOWN)}",
        within=30,
    )
    assert browser.asked_elsewhere() == []
    assert browser.complaints() == []


def test_the_picture_of_a_move_is_open(page: Path, browser: Chromium) -> None:
    browser.show(page)
    moved = browser.run(
        "return [...document.links].find(link => link.textContent === 'Moved').href"
    )
    browser.driver.get(moved)
    # Allure shows a description in a frame.
    eventually_true(
        lambda: browser.run(
            "return [...document.querySelectorAll('iframe')].flatMap(frame =>"
            "  [...frame.contentDocument.images].map(picture => picture.alt))"
        ),
        lambda pictures: "before | after" in pictures,
        what="the picture",
        within=30,
    )


def test_scenarios_that_hide_each_other_are_noticed(project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "project"
    shutil.copytree(project, copy)
    results = copy / "build" / "allure-results"
    result = next(results.glob("*-result.json"))
    twin = json.loads(result.read_text()) | {"uuid": "another"}
    (results / "twin-result.json").write_text(json.dumps(twin))
    with pytest.raises(WrongCount, match="shows 14 tests but 15 were run"):
        write_report(copy)
