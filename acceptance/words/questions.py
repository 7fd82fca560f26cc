"""The questions that scenarios ask: the command of each for Docker, its route for a driver."""

from __future__ import annotations

from collections.abc import Sequence

from acceptance.base import evidence
from acceptance.base.command import Typed
from acceptance.words import phrases

QUICK_ANSWER = "Answer to a command"
TRIES = 3  # to answer in time

COMMANDS = {
    "which containers run": "docker ps",
    "which volumes there are": "docker volume ls",
    'what the volume "{volume}" is': "docker volume inspect {volume}",
}

ROUTES = {"health": "health", "metrics": "metrics", "copies that were put aside": "asides"}


def command(question: str) -> str:
    """Return what to type for a question.

    Raises:
        LookupError: no scenario has asked this before.
    """
    asked, words = phrases.find(question, COMMANDS)
    return asked.format(**words)


def check_answer(typed: Typed, answer: str) -> None:
    """Make sure that an answer came, and says this among other things.

    Raises:
        AssertionError: it does not; the message is what it says.
    """
    typed.must_succeed()
    assert answer in typed.output, f"it said {typed.output!r}"


def check_time(answers: Sequence[Typed], seconds: float) -> None:
    """Make sure that the quickest answer took less than what is promised, and attach its time.

    A busy moment of this machine says nothing about the node.

    Raises:
        AssertionError: each took longer.
    """
    took = min(typed.seconds for typed in answers)
    allowed = evidence.figure(QUICK_ANSWER, measured=took, promised=seconds)
    assert took < allowed, f"it took {took:.1f} s"
