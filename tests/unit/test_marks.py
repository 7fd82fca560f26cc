"""`make contract` reads one folder only, so no contract test may be anywhere else."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parents[1]
MARK = "mark." + "contract"


def test_all_contract_tests_are_where_make_looks_for_them() -> None:
    marked = [path for path in TESTS.rglob("*.py") if MARK in path.read_text()]
    assert marked
    assert [path for path in marked if not path.is_relative_to(TESTS / "contract")] == []
