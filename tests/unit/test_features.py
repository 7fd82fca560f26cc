"""The scenarios speak of volumes, nodes and the app, and type commands where they promise them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from behave.model import Feature, Scenario, ScenarioOutline, Step
from behave.parser import parse_file

from acceptance.words import phrases, refusals

ROOT = Path(__file__).parents[2]
COMMANDS = ("docker ", "docker-compose ", "sudo ", "flocker ", "vagrant ", "cd ")
MACHINERY = re.compile(r"""(?:^|[\s"])/\w|\{"|SIG[A-Z]{3}|\bport \d""")
MOST_TYPED = 50
MOST_TEXTS = 60
LEAST_SINGLE = 0.8  # of the scenarios


def features() -> list[Feature]:
    parsed = [parse_file(str(path)) for path in sorted((ROOT / "features").glob("*.feature"))]
    return [feature for feature in parsed if isinstance(feature, Feature)]


def written_scenarios() -> list[Scenario]:
    """Return every scenario once, an outline too, however many examples it has."""
    return [
        scenario
        for feature in features()
        for scenario in feature.walk_scenarios(with_outlines=True)
        if scenario.type == "scenario_outline" or not is_example(scenario)
    ]


def is_example(scenario: Scenario) -> bool:
    return isinstance(scenario.parent, ScenarioOutline)


def written_steps() -> list[Step]:
    backgrounds = [feature.background for feature in features() if feature.background]
    return [step for each in (*backgrounds, *written_scenarios()) for step in each.steps]


def test_few_steps_carry_a_command() -> None:
    typed = [step for step in written_steps() if has_command(step)]
    assert 10 < len(typed) < MOST_TYPED, len(typed)


def has_command(step: Step) -> bool:
    said = (step.text or "", step.name.partition('"')[2])
    return any(text.strip().startswith(COMMANDS) for text in said)


def test_few_steps_carry_a_text() -> None:
    texts = [step for step in written_steps() if step.text is not None]
    assert 10 < len(texts) < MOST_TEXTS, len(texts)


def test_paths_and_json_stand_only_where_commands_are_promised() -> None:
    found = {
        words
        for scenario in written_scenarios()
        if "readme" not in scenario.effective_tags and "cli.feature" not in scenario.filename
        for step in scenario.steps
        for words in (step.name, step.text or "", *cells(step))
        if MACHINERY.search(words)
    }
    assert found == set()


def cells(step: Step) -> list[str]:
    return [] if step.table is None else [cell for row in step.table for cell in row]


def test_most_scenarios_do_one_thing() -> None:
    scenarios = written_scenarios()
    single = [
        scenario
        for scenario in scenarios
        if sum(step.step_type == "when" for step in scenario.steps) <= 1
    ]
    assert len(single) / len(scenarios) > LEAST_SINGLE, f"{len(single)} of {len(scenarios)}"


@pytest.mark.parametrize("reason", refusals.ANSWERS)
def test_every_reason_is_one_that_a_scenario_says(reason: str) -> None:
    said = [step.name.partition(" because ")[2] for step in written_steps()]
    found = [each for each in said if each and fits(reason, each)]
    assert found, "nobody says it"


def fits(reason: str, said: str) -> bool:
    try:
        phrases.find(said, {reason: None})
    except LookupError:
        return False
    return True
