"""The frame of an oracle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from judge.history import AnyEvent, Begin, Seconds
from judge.verdict import Finding, Verdict

Handlers = Mapping[type[AnyEvent], Callable[[Any], None]]


class Oracle:
    """Sees the events that it has handlers for, and collects findings.

    Attributes:
        name: of the rule.
    """

    name: ClassVar[str]
    verdict: ClassVar[Verdict] = Verdict.VIOLATION

    def __init__(self, begin: Begin) -> None:
        self.begin = begin
        self.findings: list[Finding] = []

    def handlers(self) -> Handlers:
        """Kind of event -> what to do with it."""
        raise NotImplementedError

    def finish(self) -> None:
        """Say what only the whole history shows."""

    def found(self, at: Seconds, reason: str, **where: Any) -> None:
        """Add a finding; `where` are further fields of Finding."""
        finding = {"verdict": self.verdict, "oracle": self.name, "at": at, "reason": reason}
        self.findings.append(Finding(**{**finding, **where}))
