"""A trial of one behaviour, and the words in which trials say what they found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from acceptance.base.waiting import NeverCame
from judge.drivers.behaviours import BY_NUMBER, Claim, Level
from judge.drivers.plugin_socket import NoAnswer
from judge.drivers.verdicts import TrialOutcome, Verdict

Stage = TypeVar("Stage")
LONGEST_REASON = 400  # characters


class Broken(Exception):
    """The driver does not behave as it should; the message says how."""


class NotTried(Exception):
    """The behaviour cannot be tried here; the message says why."""


@dataclass(frozen=True)
class Trial(Generic[Stage]):
    """A function that tries a behaviour on a stage, and raises `Broken` if the driver fails.

    `needs` is a claim without which this trial says nothing, besides that of the behaviour.
    """

    behaviour: int
    run: Callable[[Stage], None]
    needs: Claim | None = None

    def is_claimed(self, claims: frozenset[Claim]) -> bool:
        """True if the driver claims everything that the trial is about."""
        return {self.needs, BY_NUMBER[self.behaviour].needs} - {None} <= claims


def require(is_so: bool, otherwise: str) -> None:
    """Make sure of something that a driver must do.

    Raises:
        Broken: it does not; the message is `otherwise`.
    """
    if not is_so:
        raise Broken(otherwise)


def try_all(
    trials: Iterable[Trial[Stage]], stage: Stage, level: Level, claims: frozenset[Claim]
) -> Iterator[TrialOutcome]:
    """Try what the driver claims, one after the other; yields an outcome for each."""
    for trial in trials:
        if trial.is_claimed(claims):
            yield _outcome(trial, stage, level)


def _outcome(trial: Trial[Stage], stage: Stage, level: Level) -> TrialOutcome:
    try:
        trial.run(stage)
    except NotTried as reason:
        return TrialOutcome(trial.behaviour, level, Verdict.NOT_TRIED, str(reason))
    except (Broken, NoAnswer, NeverCame, OSError) as error:  # OSError: of files in volumes
        said = " ".join(str(error).split())[:LONGEST_REASON]
        return TrialOutcome(trial.behaviour, level, Verdict.FAILED, said)
    return TrialOutcome(trial.behaviour, level, Verdict.HELD)
