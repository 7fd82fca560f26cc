"""The verdict on a run, and the reasons for it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from judge.history import Plain, Seconds


class Verdict(StrEnum):
    """The worst first."""

    VIOLATION = "violation"  # a promise was broken
    STUCK = "stuck"  # a request was refused, or not answered, although no fault was on any more
    DEFECT = "defect"  # a program failed in a way that its authors did not foresee
    UNKNOWN = "unknown"  # too little was seen to say
    VALID = "valid"


class Finding(Plain):
    """One reason for a verdict that is not `valid`; empty where something does not apply.

    Attributes:
        oracle: the rule that found it.
        run: the writer, as in `judge.history.WriterStarted`.
        sequence: the first of its lines that is concerned.
    """

    verdict: Verdict
    oracle: str
    at: Seconds
    reason: str
    volume: str = ""
    node: str = ""
    run: str = ""
    sequence: int | None = None

    def __str__(self) -> str:
        return f"{self.verdict} ({self.oracle}) {self.text}"

    @property
    def text(self) -> str:
        """Time, place and reason, for people."""
        where = [
            f"{self.at:.3f} s",
            f"volume '{self.volume}'" if self.volume else "",
            self.node,
            f"writer {self.run}" if self.run else "",
            f"line {self.sequence}" if self.sequence is not None else "",
        ]
        return f"{', '.join(filter(None, where))}: {self.reason}"


class Judgement(Plain):
    """A verdict with its reasons, and a few figures of the run.

    Attributes:
        lines: writes that were acknowledged.
        requests: of clients, by their outcome.
    """

    verdict: Verdict
    seed: int | None
    driver: str
    machine: str
    seconds: Seconds
    lines: int
    faults: int
    promotions: int
    requests: dict[str, int]
    findings: tuple[Finding, ...]

    @property
    def reason(self) -> str:
        """One line for people."""
        if not self.findings:
            return f"{self.lines} lines, {self.faults} faults and {self.promotions} promotions"
        more = len(self.findings) - 1
        return f"{self.findings[0]}{f'; and {more} more' if more else ''}"


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict that counts of several; valid if there are none."""
    return min(verdicts, key=list(Verdict).index, default=Verdict.VALID)
