"""Judges a history: pure, and in time that grows with its length."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from judge.history import Answered, AnyEvent, Begin, Event, FaultBegan, Promoted, Wrote
from judge.oracles.completeness import Completeness
from judge.oracles.content import NothingLost
from judge.oracles.ending import Defects, Ending, Leaks
from judge.oracles.kept import NothingThrownAway
from judge.oracles.oracle import Oracle
from judge.oracles.progress import Progress
from judge.oracles.truth import Truth
from judge.oracles.writers import OneWriter
from judge.verdict import Finding, Judgement, Verdict, worst

ORACLES: tuple[type[Oracle], ...] = (
    OneWriter, NothingLost, NothingThrownAway, Truth, Ending, Leaks, Progress, Defects,
    Completeness,
)  # fmt: skip


def judge(events: Sequence[AnyEvent]) -> Judgement:
    """Judge a history.

    Args:
        events: in the order of time.
    """
    if not events or not isinstance(events[0], Begin):
        reason = "the history does not start with the event 'begin'"
        none = Finding(verdict=Verdict.UNKNOWN, oracle=Completeness.name, at=0, reason=reason)
        return _judgement(None, events, [none])
    oracles = [oracle(events[0]) for oracle in ORACLES]
    seeing: defaultdict[type[Event], list[Callable[[Any], None]]] = defaultdict(list)
    for oracle in oracles:
        for kind, see in oracle.handlers().items():
            seeing[kind].append(see)
    for event in events:
        for see in seeing[type(event)]:
            see(event)
    for oracle in oracles:
        oracle.finish()
    return _judgement(events[0], events, [each for one in oracles for each in one.findings])


def _judgement(
    begin: Begin | None, events: Sequence[AnyEvent], findings: Sequence[Finding]
) -> Judgement:
    kinds = Counter(map(type, events))
    outcomes = Counter(str(each.outcome) for each in events if isinstance(each, Answered))
    severity = list(Verdict).index
    return Judgement(
        verdict=worst(finding.verdict for finding in findings),
        seed=begin.seed if begin else None,
        driver=begin.driver if begin else "",
        machine=begin.machine if begin else "",
        seconds=events[-1].at if events else 0,
        lines=kinds[Wrote],
        faults=kinds[FaultBegan],
        promotions=kinds[Promoted],
        requests=dict(sorted(outcomes.items())),
        findings=tuple(sorted(findings, key=lambda each: (severity(each.verdict), each.at))),
    )
