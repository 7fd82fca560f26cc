"""Rows that scenarios prove."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from behave.model import Feature
from behave.parser import parse_file

from judge.drivers.behaviours import BEHAVIOURS, BY_NUMBER, Claim
from judge.drivers.profile import read
from judge.drivers.scenario_rows import outcomes_of, rows_of
from judge.drivers.verdicts import BehaviourVerdict, Verdict, join
from report.identity import Place
from report.results import Result

ROOT = Path(__file__).parents[4]
# The protocol has no calls for these; only scenarios can try them.
OF_SCENARIOS_ONLY = {16, 18, 19, 20, 27, 28, 30, 32}


def tagged() -> dict[int, list[str]]:
    """Row -> the scenarios that are tagged with it."""
    found: dict[int, list[str]] = {}
    for path in sorted((ROOT / "features").glob("*.feature")):
        feature = parse_file(str(path))
        assert isinstance(feature, Feature)
        for scenario in feature.walk_scenarios():
            for tag in scenario.effective_tags:
                if row := re.fullmatch(r"behaviour\.(\d+)", tag):
                    found.setdefault(int(row[1]), []).append(scenario.name)
    return found


def result(status: str, *tags: str, message: str = "") -> Result:
    place = Place("epic", "feature", "rule", "normal")
    return Result("id", "full", "A scenario", place, frozenset(tags), status, message, 0, 1, ())


def finding(number: int, *results: Result) -> BehaviourVerdict:
    return join(BY_NUMBER[number], frozenset(Claim), outcomes_of(results))


def test_every_tag_is_of_a_behaviour() -> None:
    assert set(tagged()) <= BY_NUMBER.keys()


def test_scenarios_prove_all_that_flocker_claims_and_the_protocol_cannot_show() -> None:
    claims = read(ROOT / "features" / "drivers" / "flocker.yml").claims
    claimed = {each.number for each in BEHAVIOURS if each.needs in claims}
    assert claimed >= OF_SCENARIOS_ONLY
    assert set(tagged()) >= OF_SCENARIOS_ONLY


def test_a_scenario_may_prove_several_rows() -> None:
    assert rows_of(result("passed", "behaviour.14", "slow", "behaviour.9")) == [9, 14]
    assert rows_of(result("passed", "behaviour.x", "misbehaviour.9")) == []


def test_a_row_holds_if_all_its_scenarios_passed() -> None:
    passed = result("passed", "behaviour.14")
    assert finding(14, passed, passed) == BehaviourVerdict(Verdict.HELD, "", (3,))


@pytest.mark.parametrize("status", ["failed", "broken"])
def test_a_failed_scenario_fails_its_row_with_its_message(status: str) -> None:
    passed = result("passed", "behaviour.14")
    failed = result(status, "behaviour.14", message="expected\n  hello")
    assert finding(14, passed, failed) == BehaviourVerdict(
        Verdict.FAILED, "A scenario: expected hello", (3,)
    )


def test_a_skipped_scenario_or_none_leaves_its_row_untried() -> None:
    skipped = result("skipped", "behaviour.14", message="no power")
    assert finding(14, skipped) == BehaviourVerdict(Verdict.NOT_TRIED, "A scenario: no power")
    assert "make test" in finding(14).reason
