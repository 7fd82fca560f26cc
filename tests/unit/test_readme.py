"""The README shows no command that no scenario types, and none that does not exist."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import indent

import pytest
from behave.model import Feature, Step
from behave.parser import parse_file

ROOT = Path(__file__).parents[2]
SHOWN = re.compile(r"^(?:vagrant@(?P<node>node\d):~)?\$ (?P<command>.+)$", re.MULTILINE)


def console_blocks() -> str:
    return "\n".join(
        re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    )


def shown_commands() -> list[tuple[str | None, str]]:
    """(node or None for the repository's folder, command) of every prompt in the README."""
    return [(found["node"], found["command"]) for found in SHOWN.finditer(console_blocks())]


def typed_commands() -> set[tuple[str | None, str]]:
    """The same, of every step of a @readme scenario that types something."""
    typed: set[tuple[str | None, str]] = set()
    for path in sorted((ROOT / "features").glob("*.feature")):
        feature = parse_file(str(path))
        assert isinstance(feature, Feature)
        for scenario in feature.walk_scenarios():
            if "readme" in scenario.effective_tags:
                typed |= {_typed(step) for step in scenario.all_steps if step.text}
    return typed


def _typed(step: Step) -> tuple[str | None, str]:
    node = re.search(r'"(node\d)"', step.name)
    return (node[1] if node else None, str(step.text))


def is_target(command: str) -> bool:
    """Whether it is one of make's, with settings the Makefile knows; those are what CI types."""
    makefile = (ROOT / "Makefile").read_text()
    make, target, *settings = command.split()
    return (
        make == "make"
        and target in re.findall(r"^([a-z]+):", makefile, re.MULTILINE)
        and all(re.search(rf"\b{setting.partition('=')[0]}\b", makefile) for setting in settings)
    )


@pytest.mark.parametrize(("node", "command"), shown_commands())
def test_every_command_shown_is_typed_by_a_scenario(node: str | None, command: str) -> None:
    assert is_target(command) or (node, command) in typed_commands()


def test_the_scenario_shown_is_one_that_runs() -> None:
    [shown] = re.findall(r"```gherkin\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    features = "".join(path.read_text() for path in (ROOT / "features").glob("*.feature"))
    assert indent(shown, " " * 4) in features


def test_there_are_commands_to_check() -> None:
    assert len(shown_commands()) > 8
