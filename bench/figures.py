"""Measurements, and the arithmetic on them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bench.plan import Data


class NotMeasured(Exception):
    """A figure was asked for that this run does not have."""


@dataclass(frozen=True)
class Moved:
    """One move of one volume.

    `gap_seconds` is from the stop of the app to the first correct read on the target. What a
    method does before, while the app runs, is in the figures that end in `_ahead`; `wire_bytes`
    and `cpu_seconds` are of what comes after. `flush_seconds` is the part of the gap that went
    into bringing the copy to the target's disk, where that is a step of its own.
    """

    method: str
    data: Data
    gap_seconds: float
    wire_bytes: int
    cpu_seconds: float
    changed_bytes: int
    ahead_seconds: float = 0.0
    wire_bytes_ahead: int = 0
    flush_seconds: float | None = None
    daemon_peak_bytes: int | None = None


@dataclass
class Results:
    """All figures of a run; a list holds one entry per repetition, in the order measured."""

    moves: list[Moved] = field(default_factory=list)
    series: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """Of what is compared side by side: title with unit -> variant -> figures."""
    failures: list[str] = field(default_factory=list)
    """What could not be measured, a line each."""

    def add(self, title: str, variant: str, figure: float) -> None:
        """One more figure of a series."""
        self.series.setdefault(title, {}).setdefault(variant, []).append(figure)

    def of(self, method: str, data: Data) -> list[Moved]:
        """The moves of one cell.

        Raises:
            NotMeasured: there is none.
        """
        found = [moved for moved in self.moves if (moved.method, moved.data) == (method, data)]
        if not found:
            raise NotMeasured(f"{method} at {data.title}")
        return found

    def gap(self, method: str, data: Data) -> float:
        """The median gap of one cell, in seconds."""
        return median(moved.gap_seconds for moved in self.of(method, data))

    def median(self, title: str, variant: str) -> float:
        """The median of one variant of a series.

        Raises:
            NotMeasured: there is none.
        """
        figures = self.series.get(title, {}).get(variant)
        if not figures:
            raise NotMeasured(f"{title}: {variant}")
        return median(figures)


def median(figures: Iterable[float]) -> float:
    """The middle one; of an even number the mean of the two in the middle."""
    return statistics.median(figures)


def ratio(one: float, other: float) -> float:
    """`one` divided by `other`.

    Raises:
        NotMeasured: `other` is nothing.
    """
    if not other:
        raise NotMeasured("a ratio to nothing")
    return one / other


def spread(figures: Sequence[float]) -> float:
    """Largest minus smallest."""
    return max(figures) - min(figures)
