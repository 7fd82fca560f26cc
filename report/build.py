"""The whole report of the last run: our page, and Allure's report beside it."""

from __future__ import annotations

import json
from pathlib import Path

from report import answers, page, promises, tally
from report.allure import result_ids, write_allure
from report.drivers import read_matrix
from report.moments import tell
from report.offline import check_offline
from report.other_runs import copy_pages, read_random_runs
from report.player import load, record
from report.results import Result, read_results
from report.story import find_story
from report.trend import remember, run_of

OF_BEHAVE = "TESTS-"  # begins the names of behave's JUnit files


def write_report(project: Path) -> Path:
    """Write the report of the last run to build/report and return the path of its page.

    Args:
        project: the folder behave was started in. Its build/ holds what the run left:
            allure-results; junit, if test programs ran; environment.json, a JSON object of
            strings that is shown as given, e.g. `{"Provider": "docker", "Engine": "26.1.5"}`.

    Raises:
        Problem: nothing was run, or node or npm is missing or too old.
        StepFailed: installing or running Allure failed.
        ExternalLoad: a page would load something from elsewhere.
        WrongCount: Allure's report has fewer or more tests than there are results.
    """
    build = project / "build"
    output = build / "report"
    write_allure(project, output / "allure")
    collected = _collect(project)
    html = page.render(collected)
    check_offline(output / "index.html", html)
    (output / "index.html").write_text(html, encoding="utf-8")
    copy_pages(collected.random_runs, build, output)
    return output / "index.html"


def _collect(project: Path) -> page.Page:
    build = project / "build"
    results = read_results(build / "allure-results")
    judged = promises.judge(promises.read_plan(project / "features"), results)
    figures = answers.headlines(judged.trials)
    tests = _other_tests(build / "junit")
    failed = sum(failed for _, failed in tests.values())
    story = find_story(results)
    return page.Page(
        verdict=answers.verdict(judged, failed),
        summary=answers.summary(judged, figures),
        answers=answers.answers(judged, figures, failed),
        promises=judged,
        story=story,
        player=load(record(tell(story))) if story else None,
        links=_links(project, results),
        facts=_facts(build / "environment.json"),
        tests=tests,
        runs=remember(run_of(judged, results, figures), build / "runs.jsonl"),
        matrix=read_matrix(build / "drivers.json"),
        random_runs=read_random_runs(build / "random-runs.jsonl"),
    )


def _links(project: Path, results: list[Result]) -> dict[str, str]:
    ids = result_ids(project)
    return {
        each.history_id: f"allure/index.html#{ids[each.full_name, each.start]}" for each in results
    }


def _other_tests(folder: Path) -> dict[str, tuple[int, int]]:
    """Program -> (passed, failed), of the tests that are no scenarios."""
    return {
        name.removesuffix(".xml"): counted
        for name, counted in tally.count_files(folder).items()
        if not name.startswith(OF_BEHAVE)
    }


def _facts(file: Path) -> dict[str, str]:
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}
