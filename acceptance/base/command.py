"""A command that was typed, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

COMMAND_SECONDS = 180  # the engine gives one Mount 120 s, and a command may wait for a whole one
TIMED_OUT = 124  # as of timeout(1)


@dataclass(frozen=True)
class Typed:
    """A command as it was typed on a node, and what came of it.

    `user` is None for what was typed in the repository, on this machine.
    """

    user: str | None
    node: str
    command: str
    output: str
    exit_status: int
    seconds: float

    def must_succeed(self) -> Self:
        """Return it, as the command succeeded.

        Raises:
            AssertionError: it did not; the message has its exit status and all that it printed.
        """
        assert self.exit_status == 0, f"exit status {self.exit_status}: {self.output}"
        return self
