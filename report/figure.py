"""A measured figure beside the promised one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

APP_AWAY = "App away during a move"
APP_STARTED = "App shows its data after its start on another node"
TAKEOVER = "Takeover by another node"
LAG = "Replica behind its owner"


@dataclass(frozen=True)
class Figure:
    """Something measured, of which less is better.

    Args:
        name: the same in all runs and scenarios that measure the same.
        measured: in `unit`.
        promised: the largest value that keeps the promise; None if the value is only told.
        allowed: the limit on the nodes of this run, which is larger where nodes are slow.
        unit: as printed after the number: "s", "ms", "MB", "% of a core".
    """

    name: str
    measured: float
    promised: float | None
    allowed: float | None
    unit: str

    def __str__(self) -> str:
        if self.promised is None:
            return f"{self.name}: {self.measured_text}"
        return f"{self.name}: {self.measured_text} (promised: {self.promised_text})"

    @property
    def measured_text(self) -> str:
        """The measured value with its unit."""
        return f"{_number(self.measured)} {self.unit}"

    @property
    def promised_text(self) -> str:
        """The promise, and the limit of slow nodes if it differs; empty without a promise."""
        if self.promised is None:
            return ""
        text = f"at most {self.promised:g} {self.unit}"
        if self.allowed is not None and self.allowed > self.promised:
            text += f"; {_number(self.allowed)} {self.unit} allowed on these slow nodes"
        return text

    def to_json(self) -> str:
        """The content of an attachment of kind FIGURE."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Figure:
        """The opposite of `to_json`."""
        return cls(**json.loads(text))


def _number(value: float) -> str:
    decimals = 2 if value < 1 else 1 if value < 100 else 0
    return f"{value:.{decimals}f}"
