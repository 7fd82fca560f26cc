"""README and walkthrough show no command that no scenario types, and none that does not exist."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import indent

import pytest
import yaml
from behave.model import Feature, Step
from behave.parser import parse_file

from acceptance.machines import inventory
from acceptance.words import readme_app

ROOT = Path(__file__).parents[2]
SHOWN = re.compile(r"^(?:vagrant@(?P<node>node\d):~)?\$ (?P<command>.+)$", re.MULTILINE)


PAGES = ("README.md", "docs/walkthrough.md")
FOLDERS = (ROOT, ROOT / "docs", ROOT / "docs" / "decisions", ROOT / "app", ROOT / "box")
ALL_PAGES = sorted(str(page.relative_to(ROOT)) for each in FOLDERS for page in each.glob("*.md"))


def blocks(kind: str, *pages: str) -> list[str]:
    """The contents of all blocks of code of a kind, like "console", in these pages."""
    texts = [(ROOT / page).read_text() for page in pages]
    return re.findall(rf"```{kind}\n(.*?)```", "\n".join(texts), re.DOTALL)


def shown_commands() -> list[tuple[str | None, str]]:
    """(node or None for the repository's folder, command) of every prompt on these pages."""
    shown = "\n".join(blocks("console", *PAGES))
    return list(dict.fromkeys((found["node"], found["command"]) for found in SHOWN.finditer(shown)))


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
    """True if it is one of make's, with settings the Makefile knows; those are what CI types."""
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
    [shown] = blocks("gherkin", "README.md")
    features = "".join(path.read_text() for path in (ROOT / "features").glob("*.feature"))
    assert indent(shown, " " * 4) in features


def test_there_are_commands_to_check() -> None:
    assert len(shown_commands()) > 8


def test_the_inventory_shown_is_one_that_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, _ = blocks("yaml", "README.md")
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_ed25519").touch()
    monkeypatch.setattr(inventory, "home", lambda: tmp_path)
    (tmp_path / "servers.yml").write_text(shown)
    assert list(inventory.read(tmp_path / "servers.yml").nodes) == ["node1", "node2", "node3"]


def test_the_compose_file_shown_has_its_data_in_a_volume_of_the_driver() -> None:
    compose = yaml.safe_load(readme_app.compose_file())
    [mount] = compose["services"]["db"]["volumes"]
    volume = compose["volumes"][mount.partition(":")[0]]
    assert volume == {"name": "shop-data", "driver": "flocker"}


@pytest.mark.parametrize("page", ALL_PAGES)
def test_what_a_page_links_to_is_there(page: str) -> None:
    here = (ROOT / page).parent
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", (ROOT / page).read_text()):
        path, _, anchor = target.partition("#")
        linked = here / path if path else ROOT / page
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), target


def test_each_decision_has_a_number_of_its_own() -> None:
    files = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    numbers = [file.name.partition("-")[0] for file in files]
    assert len(set(numbers)) == len(numbers), numbers
    for file, number in zip(files, numbers, strict=True):
        assert file.read_text().startswith(f"# {number} "), file.name


def anchors(page: Path) -> set[str]:
    """The anchors that web pages made of Markdown have for its headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
