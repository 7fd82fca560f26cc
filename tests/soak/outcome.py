"""The report of a run: the work it has done, and all that was wrong in the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from acceptance.base.waiting import NeverCame, eventually
from flocker.base.errors import FlockerError

SETTLE_SECONDS = 60
DONE = "done"


@dataclass
class Outcome:
    """The report of a run; nothing is wrong if all is well.

    Attributes:
        operations: what was asked for, and how often that was done, or refused.
        faults: how often what went wrong.
        lines: those whose write was acknowledged.
        put_aside: copies of owners that were replaced.
        epochs: of each volume, one more than its owners changed.
    """

    seed: int
    seconds: float
    operations: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    lines: int = 0
    put_aside: int = 0
    epochs: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def expect(
        self,
        what: str,
        wanted: object,
        look: Callable[[], object],
        within: float = SETTLE_SECONDS,
    ) -> None:
        """Wait for something that must come."""
        try:
            eventually(look, is_=wanted, within=within)
        except NeverCame as error:
            self.wrong.append(f"{what}: {error}")


def answer(work: Callable[[], object]) -> str:
    """DONE, or why the work was refused."""
    try:
        work()
    except FlockerError as error:
        return str(error)
    return DONE
