"""The matrix drivers x behaviours, which the page shows when drivers were judged."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

NOT_JUDGED = "not judged by this behaviour"
NEEDS_A_REASON = ("failed", "not tried")


@dataclass(frozen=True)
class Cell:
    """A verdict on a driver: held, failed, not claimed or not tried; `reason` may be empty."""

    verdict: str
    reason: str


@dataclass(frozen=True)
class Row:
    """A behaviour, with a verdict for each driver in the order of the matrix."""

    number: int
    sentence: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Driver:
    """A driver that was judged, and when."""

    name: str
    title: str
    at: datetime


@dataclass(frozen=True)
class Matrix:
    """All behaviours and all drivers that were judged."""

    drivers: tuple[Driver, ...]
    rows: tuple[Row, ...]

    def counts(self, place: int) -> list[tuple[str, int]]:
        """(verdict, number) of the driver at this place, without verdicts that it never got."""
        counted = Counter(row.cells[place].verdict for row in self.rows)
        order = ("held", "failed", "not claimed", "not tried")
        return [(verdict, counted[verdict]) for verdict in order if counted[verdict]]

    def reasons(self, place: int) -> list[tuple[Row, Cell]]:
        """The rows in which the driver at this place failed or was not tried."""
        cells = [(row, row.cells[place]) for row in self.rows]
        return [(row, cell) for row, cell in cells if cell.verdict in NEEDS_A_REASON]


def read_matrix(file: Path) -> Matrix | None:
    """Read build/drivers.json, which `make judge` writes; None if no driver was judged."""
    if not file.exists():
        return None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    columns = found["drivers"]
    return Matrix(
        tuple(
            Driver(name, column["title"], datetime.fromisoformat(column["at"]))
            for name, column in columns.items()
        ),
        tuple(
            Row(
                row["number"],
                row["sentence"],
                tuple(_cell(column, row["number"]) for column in columns.values()),
            )
            for row in found["behaviours"]
        ),
    )


def _cell(column: dict[str, Any], number: int) -> Cell:
    found = column["findings"].get(str(number))
    if found is None:  # judged before the behaviour was added
        return Cell("not tried", NOT_JUDGED)
    return Cell(found["verdict"], found["reason"])
