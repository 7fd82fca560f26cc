"""The formatter, on a small behave project with everything that can go wrong in it."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]

STORY = """
@allure.epic:Moving_house
Feature: A cat keeps its toys

  Told in the README.

  Scenario: Plain
    Given it works

  Scenario: Moved
    Given it is shown moving

  @allure.story:Told_by_tag
  Scenario: Broken before it starts
    Given it works

  @break_after
  Scenario: Broken after its steps
    Given it works

  @break_after
  Scenario: Wrong and broken after
    Given it is wrong

  @break_cleanup
  Scenario: Broken cleaning up
    Given it works

  # Nothing is skipped here: this feature is written into a project that the test runs, to see
  # that a scenario which skips itself is shown as skipped in the report and not lost.
  @skip_itself
  Scenario: Not on this machine
    Given it works

  @wip
  Scenario: Not yet
    Given it works

  Scenario: Nobody wrote the step
    Given nobody knows

  @critical @allure.link.rules:http://127.0.0.1/rules
  Rule: Toys go first

    **All** of them.

    Background:
      Given it works

    Scenario: Same name
      Given it is wrong

    Scenario Outline: Counted
      Given it works <times> times

      Examples: few
        | times |
        | 1     |
        | 2     |

  Rule: The cat goes last

    Scenario: Same name
      Given it works
        | cat   |
        | Minka |
"""

HOOKS_STORY = """
@break_feature
Feature: Prevented
  Scenario: Never started
    Given it works
  Rule: Inside a rule
    Scenario: Never started either
      Given it works
  @wip
  Scenario: Not chosen anyway
    Given it works
"""

ENVIRONMENT = """
def before_feature(context, feature):
    if "break_feature" in feature.tags:
        raise RuntimeError("the feature's house is locked")

def before_scenario(context, scenario):
    if scenario.name == "Broken before it starts":
        raise RuntimeError("no key")
    if "skip_itself" in scenario.tags:
        scenario.skip("needs a garden")
    if "break_cleanup" in scenario.tags:
        def sweep():
            raise RuntimeError("no broom")
        context.add_cleanup(sweep)

def after_scenario(context, scenario):
    if "break_after" in scenario.tags:
        raise RuntimeError("the door fell shut")
"""

STEPS = """
from behave import given

from acceptance.base import evidence
from report import attachments

@given("it works")
def works(context):
    pass

@given("it is shown moving")
def show(context):
    evidence.picture("before | after", b"not really a PNG", attachments.MOVE)
    evidence.figure("Away", measured=3.4)

@given("it works {count} times")
def works_often(context, count):
    pass

@given("it is wrong")
def wrong(context):
    assert 1 == 2, "one toy is missing"
"""

Result = dict[str, Any]


def behave(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run behave's own command in `project`, as a person does: nothing set, no path given."""
    return subprocess.run(
        [str(Path(sys.executable).parent / "behave"), *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def results_in(project: Path) -> list[Result]:
    files = (project / "build" / "allure-results").glob("*-result.json")
    return [json.loads(file.read_text()) for file in files]


def by_name(results: list[Result]) -> dict[str, Result]:
    return {result["name"]: result for result in results}


def labels(result: Result, name: str) -> list[str]:
    return [label["value"] for label in result["labels"] if label["name"] == name]


def write_project(project: Path) -> Path:
    """A behave project configured exactly as this repository is."""
    (project / "features" / "steps").mkdir(parents=True)
    (project / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    (project / "features" / "story.feature").write_text(STORY)
    (project / "features" / "hooks.feature").write_text(HOOKS_STORY)
    (project / "features" / "environment.py").write_text(ENVIRONMENT)
    (project / "features" / "steps" / "steps.py").write_text(STEPS)
    return project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The project after one full run."""
    path = write_project(tmp_path_factory.mktemp("project"))
    ran = behave(path)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr, ran.stderr
    yield path


@pytest.fixture(scope="module")
def results(project: Path) -> list[Result]:
    return results_in(project)


def test_every_chosen_scenario_has_one_result(results: list[Result]) -> None:
    assert sorted(result["name"] for result in results) == [
        "Broken after its steps",
        "Broken before it starts",
        "Broken cleaning up",
        "Counted (1)",
        "Counted (2)",
        "Moved",
        "Never started",
        "Never started either",
        "Nobody wrote the step",
        "Not on this machine",
        "Plain",
        "Same name",
        "Same name",
        "Wrong and broken after",
    ]


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        ("Plain", "passed", None),
        ("Counted (1)", "passed", None),
        ("Broken before it starts", "broken", "no key"),
        ("Broken after its steps", "broken", "the door fell shut"),
        ("Broken cleaning up", "broken", "no broom"),
        ("Never started", "broken", "the feature's house is locked"),
        ("Never started either", "broken", "the feature's house is locked"),
        ("Nobody wrote the step", "broken", "@given(u'nobody knows')"),
        ("Not on this machine", "skipped", "needs a garden"),
        ("Wrong and broken after", "failed", "one toy is missing"),
        ("Wrong and broken after", "failed", "the door fell shut"),
    ],
)
def test_the_verdict_is_behaves(
    results: list[Result], name: str, status: str, message: str | None
) -> None:
    result = by_name(results)[name]
    assert result["status"] == status
    said = result.get("statusDetails", {})
    if message is None:
        assert not said
    else:
        assert message in said["message"]


def test_rules_may_hold_scenarios_of_the_same_name(results: list[Result]) -> None:
    pair = sorted(
        (result for result in results if result["name"] == "Same name"),
        key=lambda result: str(result["status"]),
    )
    assert [result["status"] for result in pair] == ["failed", "passed"]
    assert [labels(result, "story") for result in pair] == [
        ["Toys go first"],
        ["The cat goes last"],
    ]
    assert len({result["historyId"] for result in pair}) == 2


def test_rows_of_an_outline_under_a_rule_have_histories_of_their_own(
    results: list[Result],
) -> None:
    rows = [result for result in results if result["name"].startswith("Counted")]
    assert [row["parameters"][0]["name"] for row in rows] == ["times", "times"]
    assert len({row["historyId"] for row in rows}) == 2
    assert len({row["fullName"] for row in rows}) == 1


def test_tags_and_texts_place_and_describe_a_scenario(results: list[Result]) -> None:
    row = by_name(results)["Counted (1)"]
    assert labels(row, "epic") == ["Moving house"]
    assert labels(row, "feature") == ["A cat keeps its toys"]
    assert labels(row, "severity") == ["critical"]
    assert row["links"] == [{"type": "link", "name": "rules", "url": "http://127.0.0.1/rules"}]
    assert row["description"].startswith("**Rule: Toys go first**")
    assert "**All** of them." in row["description"]
    assert "Told in the README." in row["description"]
    assert labels(by_name(results)["Broken before it starts"], "story") == ["Told by tag"]


def test_nothing_draws_a_line_above_a_description(results: list[Result]) -> None:
    assert not [result["name"] for result in results if "---" in result.get("description", "")]


def test_the_kind_of_an_attachment_is_in_its_files_name(results: list[Result]) -> None:
    [step] = by_name(results)["Moved"]["steps"]
    assert [file["source"].partition("-attachment.")[2] for file in step["attachments"]] == [
        "move.png",
        "figure.json",
    ]


def test_a_picture_of_a_move_is_open_in_the_description(results: list[Result]) -> None:
    described = by_name(results)["Moved"]["description"]
    picture = base64.b64encode(b"not really a PNG").decode()
    assert described.startswith(f"![before | after](data:image/png;base64,{picture})\n\n")
    assert described.endswith("Told in the README.")
    assert sum("data:image" in result.get("description", "") for result in results) == 1


def test_a_steps_table_has_a_readable_name(results: list[Result]) -> None:
    passed = next(r for r in results if r["name"] == "Same name" and r["status"] == "passed")
    assert [file["name"] for file in passed["steps"][0]["attachments"]] == ["The step's table"]


def test_steps_belong_to_their_own_scenario(results: list[Result]) -> None:
    steps = {
        result["name"]: [step["name"] for step in result.get("steps", [])] for result in results
    }
    assert steps["Plain"] == ["Given it works"]
    assert steps["Counted (2)"] == ["Given it works", "Given it works 2 times"]


def test_a_run_replaces_the_results_of_the_last_and_a_narrow_one_shows_only_its_own(
    tmp_path: Path,
) -> None:
    project = write_project(tmp_path)
    for _ in range(2):
        ran = behave(project, "features/story.feature:7")
        assert ran.returncode == 0, ran.stdout + ran.stderr
    assert [result["name"] for result in results_in(project)] == ["Plain"]

    behave(project, "--dry-run")
    assert [result["name"] for result in results_in(project)] == ["Plain"]


def test_the_last_line_tells_how_long_the_run_took_hooks_included(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    hooks = project / "features" / "environment.py"
    # The hook that is measured is slow by itself; nothing waits for anything here.
    slow = "\nimport time\n\ndef before_feature(context, feature):\n    time.sleep(0.7)\n"
    hooks.write_text(f"{ENVIRONMENT}{slow}")
    ran = behave(project, "--tags=not @break_after and not @break_cleanup")
    took = re.search(r"^Took (\d+)min ([\d.]+)s$", ran.stdout, re.MULTILINE)
    assert took is not None, ran.stdout
    # Two features, and their steps take next to no time.
    assert 1.4 <= 60 * int(took[1]) + float(took[2]) < 20, took[0]
