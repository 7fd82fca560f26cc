"""Verdicts on a driver: the outcome of each trial, joined into one for each behaviour."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from judge.drivers.behaviours import Behaviour, Claim, Level


class Verdict(StrEnum):
    """The outcome of a behaviour or of one of its trials."""

    HELD = "held"
    FAILED = "failed"
    NOT_CLAIMED = "not claimed"
    NOT_TRIED = "not tried"


@dataclass(frozen=True)
class TrialOutcome:
    """The outcome of one trial; `reason` says why it failed or was not tried."""

    behaviour: int
    level: Level
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True)
class BehaviourVerdict:
    """The verdict on one behaviour, with the levels at which it was tried."""

    verdict: Verdict
    reason: str = ""
    levels: tuple[int, ...] = ()


def join(
    behaviour: Behaviour, claims: frozenset[Claim], outcomes: Iterable[TrialOutcome]
) -> BehaviourVerdict:
    """One verdict from all trials of a behaviour.

    It failed if one trial did, and held if one did and none failed. The levels are those at which
    it was tried.
    """
    if behaviour.needs is not None and behaviour.needs not in claims:
        return BehaviourVerdict(
            Verdict.NOT_CLAIMED, f"the profile does not claim {behaviour.needs}"
        )
    own = [outcome for outcome in outcomes if outcome.behaviour == behaviour.number]
    tried = [each for each in own if each.verdict in (Verdict.HELD, Verdict.FAILED)]
    levels = tuple(sorted({int(each.level) for each in tried}))
    failed = [each for each in tried if each.verdict is Verdict.FAILED]
    if failed:
        return BehaviourVerdict(Verdict.FAILED, _reasons(failed), levels)
    if tried:
        return BehaviourVerdict(Verdict.HELD, "", levels)
    return BehaviourVerdict(Verdict.NOT_TRIED, _reasons(own) or "no trial fits this driver")


def _reasons(outcomes: Iterable[TrialOutcome]) -> str:
    return "; ".join(dict.fromkeys(each.reason for each in outcomes if each.reason))
