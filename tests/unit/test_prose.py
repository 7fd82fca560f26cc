"""The pages that people read first are written in plain, short sentences."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = (
    *("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"),
    *("docs/walkthrough.md", "docs/operations.md", "docs/architecture.md", "docs/judge.md"),
    *("docs/any-driver.md", "docs/track-record.md"),
    *("app/README.md", "box/README.md"),
)
DECISIONS = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/decisions/*.md"))
PACKAGES = ("acceptance", "app", "bench", "box", "flocker", "host", "judge", "report")
MOST_WORDS = 30
MOST_WORDS_ON_AVERAGE = 16
MOST_WORDS_OF_A_DECISION = 35  # some tell how a figure was measured

# They open a sentence whose subject is a riddle: "What is refused is …".
RIDDLE = re.compile(r"(What|Who|Whom|Whether|How)\b")
# They say nothing, or leave the reader to guess what "it" is.
FILLER = re.compile(r"\b(by (itself|themselves)|of (its|their) own|goe?s? on|had back)\b")
BLOCK = re.compile(r"```.*?```", re.DOTALL)
# Blocks of code, tables, headings, pictures and targets of links are no sentences.
NO_PROSE = re.compile(r"```.*?```|^(?:    |\||#|\[|!)[^\n]*$", re.DOTALL | re.MULTILINE)
PARAGRAPH = re.compile(r"\n\s*\n|\n(?= *(?:[-*]|\d+\.) )")
END = re.compile(r"(?<=[.!?:;])\**\s+(?=[A-Z`*\[])")


def sentences(text: str) -> Iterator[str]:
    """The sentences of Markdown, each on one line."""
    for paragraph in PARAGRAPH.split(NO_PROSE.sub("", text)):
        for sentence in END.split(" ".join(paragraph.split())):
            if stripped := sentence.strip(" -*"):
                yield stripped


def words(sentence: str) -> int:
    return len(re.sub(r"\]\([^)]*\)", "]", sentence).split())


def is_riddle(sentence: str) -> bool:
    return bool(RIDDLE.match(sentence)) and "?" not in sentence


@pytest.mark.parametrize("page", PAGES)
def test_sentences_of_a_page_are_short_and_begin_with_their_subject(page: str) -> None:
    found = list(sentences((ROOT / page).read_text()))
    assert [sentence for sentence in found if words(sentence) > MOST_WORDS] == []
    assert [sentence for sentence in found if is_riddle(sentence)] == []
    assert sum(map(words, found)) / len(found) <= MOST_WORDS_ON_AVERAGE


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_no_filler(page: str) -> None:
    text = BLOCK.sub("", (ROOT / page).read_text())
    assert [found[0] for found in FILLER.finditer(text)] == []


@pytest.mark.parametrize("page", DECISIONS)
def test_sentences_of_a_decision_begin_with_their_subject(page: str) -> None:
    found = list(sentences((ROOT / page).read_text()))
    assert [sentence for sentence in found if words(sentence) > MOST_WORDS_OF_A_DECISION] == []
    assert [sentence for sentence in found if is_riddle(sentence)] == []


def test_no_docstring_begins_with_a_riddle() -> None:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    riddles = [
        f"{path.relative_to(ROOT)}: {docstring.splitlines()[0]}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, documented) and (docstring := ast.get_docstring(node))
        if is_riddle(docstring.splitlines()[0])
    ]
    assert riddles == []


def test_no_title_of_a_feature_begins_with_a_riddle() -> None:
    titles = [
        line.partition(":")[2].strip()
        for path in sorted((ROOT / "features").glob("*.feature"))
        for line in path.read_text().splitlines()
        if re.match(r" *(Feature|Rule|Scenario|Scenario Outline):", line)
    ]
    assert titles
    assert [title for title in titles if is_riddle(title)] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One. Two `three`.\nFour.", ["One.", "Two `three`.", "Four."]),
        ("# Title\n\n| a | b |\n\n    code\n\nText.", ["Text."]),
        ("- **One.** Two.\n- Three", ["One.", "Two.", "Three"]),
    ],
)
def test_sentences_are_told_from_what_is_none(text: str, found: list[str]) -> None:
    assert list(sentences(text)) == found


def test_a_filler_is_found_in_a_sentence() -> None:
    assert FILLER.search("The copy goes on by itself.")
    assert not FILLER.search("The driver has its own engine.")


def test_a_riddle_is_told_from_a_question() -> None:
    assert is_riddle("What is refused is the mount.")
    assert not is_riddle("Who may read a volume?")
    assert not is_riddle("The driver refuses the mount.")
