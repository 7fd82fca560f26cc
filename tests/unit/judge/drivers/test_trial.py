"""Trials and their outcomes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from acceptance.base.waiting import NeverCame
from judge.drivers.behaviours import Claim, Level
from judge.drivers.plugin_socket import Answer, NoAnswer
from judge.drivers.trial import LONGEST_REASON, Broken, NotTried, Trial, require, try_all
from judge.drivers.verdicts import TrialOutcome, Verdict

NO_CLAIMS: frozenset[Claim] = frozenset()


def raising(error: Exception) -> Callable[[None], None]:
    def run(_: None) -> None:
        raise error

    return run


def outcome(run: Callable[[None], None]) -> TrialOutcome:
    (found,) = try_all([Trial(9, run)], None, Level.SOCKET, NO_CLAIMS)
    return found


def test_a_trial_that_returns_held() -> None:
    assert outcome(lambda _: None) == TrialOutcome(9, Level.SOCKET, Verdict.HELD)


@pytest.mark.parametrize("error", [Broken, NoAnswer, NeverCame, OSError])
def test_a_trial_that_finds_a_fault_failed_with_one_short_line(error: type[Exception]) -> None:
    found = outcome(raising(error("lost\n  it" + "!" * LONGEST_REASON)))
    assert found.verdict is Verdict.FAILED
    assert found.reason.startswith("lost it!")
    assert len(found.reason) == LONGEST_REASON


def test_a_trial_that_cannot_run_was_not_tried() -> None:
    found = outcome(raising(NotTried("no nodes")))
    assert found == TrialOutcome(9, Level.SOCKET, Verdict.NOT_TRIED, "no nodes")


def test_a_fault_of_the_judge_is_no_verdict_on_the_driver() -> None:
    with pytest.raises(KeyError):
        outcome(raising(KeyError("a defect of ours")))


def test_trials_of_what_is_not_claimed_do_not_run() -> None:
    trials = [
        Trial(9, raising(Broken("must not run")), Claim.MULTI_NODE),
        Trial(29, raising(Broken("must not run"))),  # the behaviour itself needs quota
    ]
    assert list(try_all(trials, None, Level.ENGINE, NO_CLAIMS)) == []
    assert len(list(try_all(trials, None, Level.ENGINE, frozenset(Claim)))) == 2


def test_require_says_what_is_wrong() -> None:
    require(True, "never said")
    with pytest.raises(Broken, match="lost it"):
        require(False, "lost it")


ANSWERS = {
    (200, '{"Err": ""}'): "",
    (200, '{"Err": null}'): "",
    (200, "{}"): "",
    (200, '{"Err": "no room"}'): "no room",
    (500, '{"Err": "no room"}'): "no room",
    (404, "not found\n"): "not found",
    (500, ""): "HTTP status 500",
    (200, "[1]"): "",
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_read_as_an_engine_reads_it(answer: tuple[int, str]) -> None:
    assert Answer(*answer).error == ANSWERS[answer]
