"""Rows that the scenarios in features/ prove, by their tags: @behaviour.14 is for row 14."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from judge.drivers.behaviours import BEHAVIOURS, Level
from judge.drivers.trial import LONGEST_REASON
from judge.drivers.verdicts import TrialOutcome, Verdict
from report.results import Result

TAG = re.compile(r"behaviour\.(\d+)")
NOT_RUN = "the last run of the scenarios has no result for it; type: make test"


def rows_of(result: Result) -> list[int]:
    """The numbers of the behaviours that a scenario is tagged with."""
    return sorted(int(found[1]) for tag in result.tags if (found := TAG.fullmatch(tag)))


def outcomes_of(results: Iterable[Result]) -> Iterator[TrialOutcome]:
    """An outcome for each tagged scenario, and one for each behaviour that no result is about."""
    missing = {behaviour.number for behaviour in BEHAVIOURS}
    for result in results:
        for number in rows_of(result):
            missing.discard(number)
            yield _outcome(number, result)
    for number in sorted(missing):
        yield TrialOutcome(number, Level.CLUSTER, Verdict.NOT_TRIED, NOT_RUN)


def _outcome(number: int, result: Result) -> TrialOutcome:
    said = " ".join(f"{result.name}: {result.message}".split())[:LONGEST_REASON]
    if result.status == "passed":
        return TrialOutcome(number, Level.CLUSTER, Verdict.HELD)
    verdict = Verdict.NOT_TRIED if result.status == "skipped" else Verdict.FAILED
    return TrialOutcome(number, Level.CLUSTER, verdict, said)
