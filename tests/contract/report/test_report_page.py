"""The whole way: a behave run, the report made from it, and a real browser that opens it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from acceptance.app.browser import CHROMIUM, DRIVER, FLAGS
from acceptance.base.waiting import eventually_true
from report.allure import WrongCount, write_report
from report.offline import external_loads
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


def test_the_report_shows_every_result(project: Path, page: Path) -> None:
    stats = json.loads((page.parent / "summary.json").read_text())["stats"]
    expected = {"total": 13, "passed": 4, "failed": 2, "broken": 6, "skipped": 1}
    assert {name: stats[name] for name in expected} == expected
    assert len(results_in(project)) == 13


def test_each_run_adds_to_the_history(project: Path, page: Path) -> None:
    history = project / "build" / "history.jsonl"
    before = len(history.read_text().splitlines())
    assert write_report(project) == page
    assert len(history.read_text().splitlines()) == before + 1


def test_a_browser_that_opens_it_asks_nobody(page: Path, tmp_path: Path) -> None:
    assert external_loads(page.read_text()) == []
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path}", "--host-resolver-rules=MAP * ~NOTFOUND"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        driver.get(page.as_uri())
        # The page fills itself piece by piece after it has loaded.
        eventually_true(
            lambda: driver.execute_script("return document.body.innerText"),
            lambda text: all(expected in text for expected in SHOWN),
            what=f"a page that shows {', '.join(SHOWN)}",
            within=30,
        )
        messages = [
            json.loads(entry["message"])["message"]
            for entry in driver.get_log("performance")  # type: ignore[no-untyped-call]
        ]
        complaints = driver.get_log("browser")  # type: ignore[no-untyped-call]
    finally:
        driver.quit()
    asked = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert page.as_uri() in asked
    assert [
        url for url in asked if not url.startswith(("file:", "data:", "blob:", "chrome:"))
    ] == []
    assert complaints == []


def test_scenarios_that_hide_each_other_are_noticed(project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "project"
    shutil.copytree(project, copy)
    results = copy / "build" / "allure-results"
    result = next(results.glob("*-result.json"))
    twin = json.loads(result.read_text()) | {"uuid": "another"}
    (results / "twin-result.json").write_text(json.dumps(twin))
    with pytest.raises(WrongCount, match="shows 13 tests but 14 were run"):
        write_report(copy)
