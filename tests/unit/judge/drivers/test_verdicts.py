"""The outcome of several trials, joined into the verdict on a behaviour."""

from __future__ import annotations

from judge.drivers.behaviours import BY_NUMBER, Claim, Level
from judge.drivers.table import progress, table
from judge.drivers.verdicts import BehaviourVerdict, TrialOutcome, Verdict, join

MOVE = BY_NUMBER[14]
WRITE = BY_NUMBER[9]
EVERYTHING = frozenset(Claim)


def outcome(
    verdict: Verdict, reason: str = "", *, number: int = 9, level: Level = Level.SOCKET
) -> TrialOutcome:
    return TrialOutcome(number, level, verdict, reason)


def test_a_behaviour_holds_if_all_trials_held() -> None:
    held = [outcome(Verdict.HELD), outcome(Verdict.HELD, level=Level.ENGINE)]
    assert join(WRITE, EVERYTHING, held) == BehaviourVerdict(Verdict.HELD, "", (1, 2))


def test_one_failed_trial_fails_it_with_the_reason() -> None:
    outcomes = [outcome(Verdict.HELD), outcome(Verdict.FAILED, "lost it", level=Level.ENGINE)]
    assert join(WRITE, EVERYTHING, outcomes) == BehaviourVerdict(Verdict.FAILED, "lost it", (1, 2))


def test_a_trial_that_was_not_tried_spoils_nothing() -> None:
    outcomes = [outcome(Verdict.NOT_TRIED, "no socket"), outcome(Verdict.HELD, level=Level.ENGINE)]
    assert join(WRITE, EVERYTHING, outcomes) == BehaviourVerdict(Verdict.HELD, "", (2,))


def test_without_a_trial_the_reasons_are_kept() -> None:
    outcomes = [outcome(Verdict.NOT_TRIED, "no socket"), outcome(Verdict.NOT_TRIED, "no nodes")]
    assert join(WRITE, EVERYTHING, outcomes) == BehaviourVerdict(
        Verdict.NOT_TRIED, "no socket; no nodes"
    )
    assert join(WRITE, EVERYTHING, []).verdict is Verdict.NOT_TRIED


def test_a_behaviour_that_is_not_claimed_is_not_judged() -> None:
    outcomes = [outcome(Verdict.FAILED, "lost it", number=14)]
    finding = join(MOVE, frozenset({Claim.QUOTA}), outcomes)
    assert finding == BehaviourVerdict(Verdict.NOT_CLAIMED, "the profile does not claim multi_node")


def test_trials_of_other_behaviours_do_not_count() -> None:
    outcomes = [outcome(Verdict.FAILED, "lost it", number=10), outcome(Verdict.HELD)]
    assert join(WRITE, EVERYTHING, outcomes).verdict is Verdict.HELD


def test_the_words_of_a_driver_do_nothing_to_a_terminal() -> None:
    failed = outcome(Verdict.FAILED, "no\x1b[2J\nall held\u202e")
    findings = {number: BehaviourVerdict(Verdict.HELD) for number in BY_NUMBER}
    shown = table("x", {**findings, 9: join(WRITE, EVERYTHING, [failed])})
    assert shown.replace("\n", "").isprintable()
    assert len(shown.splitlines()) == len(table("x", findings).splitlines()) + 1
    assert progress(failed).isprintable()
