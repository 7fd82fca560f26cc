"""Modules, classes, constructors and functions stay small enough to be read in one go."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

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
CONSTRUCTOR_ARGUMENTS = 7
FUNCTION_LINES = 16  # of nine functions in ten, docstrings not counted
MODULE_LINES = 300
REASON = f"longer than {MODULE_LINES} lines because"

# Class -> the reason why it may be larger.
LARGER = {
    "tests/unit/flocker/test_protocol.py Protocol": "hypothesis takes the rules and invariants of "
    "one state machine from one class",
}

# They hold values and do nothing: each argument is a field by its name.
RECORDS = {
    "acceptance/machines/facts.py Facts",
    "bench/figures.py Moved",
    "flocker/base/config.py Config",
    "flocker/base/records.py ClusterState",
    "flocker/base/records.py Move",
    "flocker/base/records.py Node",
    "flocker/base/records.py Volume",
    "flocker/btrfs/subvolume.py Subvolume",
    "host/facts.py Facts",
    "report/page.py Page",
    "report/results.py Result",
    "tests/simulated/faults.py Fault",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> Iterator[tuple[str, str]]:
    """The path and the text of each module."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), path.read_text()


@cache
def definitions() -> list[tuple[str, ast.ClassDef | Function]]:
    """Each class and each function with the path of its module; all modules are parsed once."""
    return [
        (path, each)
        for path, text in modules()
        for each in ast.walk(ast.parse(text))
        if isinstance(each, ast.ClassDef | Function)
    ]


def is_list(path: str) -> bool:
    """Tests are lists, and nobody reads all of one for one of its tests."""
    return path.startswith("tests/") and Path(path).name.startswith("test_")


def is_too_large(each: ast.ClassDef) -> bool:
    methods = [one for one in each.body if isinstance(one, Function)]
    lines = (each.end_lineno or 0) - each.lineno + 1
    return lines > CLASS_LINES or len(methods) > CLASS_METHODS


def classes() -> Iterator[tuple[str, ast.ClassDef]]:
    """Each class, by the path of its module and its name."""
    for path, each in definitions():
        if isinstance(each, ast.ClassDef):
            yield f"{path} {each.name}", each


def arguments(each: ast.ClassDef) -> int:
    """The arguments of a class's constructor, also of the one that a dataclass gets."""
    if any(ast.unparse(decorator).startswith("dataclass") for decorator in each.decorator_list):
        return sum(is_argument(one) for one in each.body)
    made = [one for one in each.body if isinstance(one, Function) and one.name == "__init__"]
    return sum(len(one.args.args[1:]) + len(one.args.kwonlyargs) for one in made)


def is_argument(one: ast.stmt) -> bool:
    """True for a field of a dataclass that its constructor takes."""
    return isinstance(one, ast.AnnAssign) and not (one.value and "init=" in ast.unparse(one.value))


def lines(each: Function) -> int:
    """The lines of a function without its docstring."""
    first = each.body[0]
    documented = (first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(each) else 0
    return (each.end_lineno or 0) - each.lineno + 1 - documented


def test_a_class_is_small_or_has_a_reason() -> None:
    found = {name for name, each in classes() if is_too_large(each)}
    assert found == LARGER.keys()


def test_a_constructor_takes_few_arguments() -> None:
    found = {name for name, each in classes() if arguments(each) > CONSTRUCTOR_ARGUMENTS}
    assert found == RECORDS


@pytest.mark.parametrize("package", [*PACKAGES])
def test_functions_are_short(package: str) -> None:
    found = sorted(
        lines(each)
        for path, each in definitions()
        if isinstance(each, Function) and path.startswith(f"{package}/")
    )
    assert found[len(found) * 9 // 10] <= FUNCTION_LINES


def test_a_module_is_short_or_says_why() -> None:
    found = [
        path
        for path, text in modules()
        if len(text.splitlines()) > MODULE_LINES and not is_list(path)
        if REASON not in text.splitlines()[0]
    ]
    assert found == []
