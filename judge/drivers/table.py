"""The judge's words for the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from judge.drivers.behaviours import BEHAVIOURS, BY_NUMBER
from judge.drivers.verdicts import BehaviourVerdict, TrialOutcome, Verdict
from judge.terminal import one_line

MARKS = {
    Verdict.HELD: "✓",
    Verdict.FAILED: "✗",
    Verdict.NOT_CLAIMED: "-",
    Verdict.NOT_TRIED: "○",
}


def progress(outcome: TrialOutcome) -> str:
    """One line about a trial."""
    behaviour = BY_NUMBER[outcome.behaviour]
    reason = f": {one_line(outcome.reason)}" if outcome.reason else ""
    return (
        f"level {int(outcome.level)} {MARKS[outcome.verdict]} {behaviour.number:2} "
        f"{behaviour.sentence}{reason}"
    )


def table(title: str, findings: Mapping[int, BehaviourVerdict]) -> str:
    """All verdicts on a driver, and how many there are of each."""
    lines = [title, ""]
    for behaviour in BEHAVIOURS:
        finding = findings[behaviour.number]
        lines.append(
            f"{MARKS[finding.verdict]} {behaviour.number:2} {behaviour.sentence:65} "
            f"{finding.verdict}"
        )
        if finding.verdict in (Verdict.FAILED, Verdict.NOT_TRIED):
            lines.append(f"     {one_line(finding.reason)}")
    counts = {
        verdict: sum(found.verdict is verdict for found in findings.values()) for verdict in Verdict
    }
    summary = ", ".join(f"{number} {verdict}" for verdict, number in counts.items() if number)
    return "\n".join([*lines, "", summary])
