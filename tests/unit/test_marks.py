"""`make contract` and `make alarms` read one folder each, which has all tests with their mark."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize(("mark", "folder"), [("contract", "contract"), ("nodes", "nodes")])
def test_all_tests_with_a_mark_are_where_make_looks_for_them(mark: str, folder: str) -> None:
    marked = [path for path in TESTS.rglob("*.py") if f"mark.{mark}" in path.read_text()]
    assert marked
    assert [path for path in marked if not path.is_relative_to(TESTS / folder)] == []
