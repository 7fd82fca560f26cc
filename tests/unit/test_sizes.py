"""Classes and modules stay small enough to be read in one go."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "acceptance",
    "app",
    "bench",
    "box",
    "features",
    "flocker",
    "host",
    "judge",
    "report",
    "tests",
)
CLASS_LINES = 250
CLASS_METHODS = 25
MODULE_LINES = 300
REASON = f"longer than {MODULE_LINES} lines because"

# Class -> the reason why it may be larger.
LARGER = {
    "tests/unit/flocker/test_protocol.py Protocol": "hypothesis takes the rules and invariants of "
    "one state machine from one class",
}


def modules() -> Iterator[tuple[str, str]]:
    """The path and the text of each module."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), path.read_text()


def is_list(path: str) -> bool:
    """Tests are lists, and nobody reads all of one for one of its tests."""
    return path.startswith("tests/") and Path(path).name.startswith("test_")


def is_too_large(each: ast.ClassDef) -> bool:
    methods = [one for one in each.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    lines = (each.end_lineno or 0) - each.lineno + 1
    return lines > CLASS_LINES or len(methods) > CLASS_METHODS


def test_a_class_is_small_or_has_a_reason() -> None:
    found = {
        f"{path} {each.name}"
        for path, text in modules()
        for each in ast.walk(ast.parse(text))
        if isinstance(each, ast.ClassDef) and is_too_large(each)
    }
    assert found == LARGER.keys()


def test_a_module_is_short_or_says_why() -> None:
    found = [
        path
        for path, text in modules()
        if len(text.splitlines()) > MODULE_LINES and not is_list(path)
        if REASON not in text.splitlines()[0]
    ]
    assert found == []
