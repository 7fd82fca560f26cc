"""Verdicts from elsewhere that the page shows when they are there: other drivers, random runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Matrix:
    """The verdicts of the same promises on several drivers."""

    drivers: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]  # promise, and a verdict for each driver


@dataclass(frozen=True)
class RandomRun:
    """A random history of work and faults, and what its judge says about it."""

    seed: str
    verdict: str  # valid, violation, stuck, defect or unknown
    reason: str


def read_matrix(file: Path) -> Matrix | None:
    """Read build/drivers.json; None if nobody compared drivers.

    The file maps driver -> promise -> verdict, e.g. `{"flocker": {"One writer": "holds"}}`.
    """
    if not file.exists():
        return None
    found: dict[str, dict[str, str]] = json.loads(file.read_text(encoding="utf-8"))
    promises = dict.fromkeys(promise for verdicts in found.values() for promise in verdicts)
    return Matrix(
        tuple(found),
        tuple(
            (promise, tuple(verdicts.get(promise, "not tried") for verdicts in found.values()))
            for promise in promises
        ),
    )


def read_random_runs(file: Path) -> list[RandomRun]:
    """Read build/random-runs.jsonl: a line for each run, with seed, verdict and reason."""
    if not file.exists():
        return []
    lines = file.read_text(encoding="utf-8").splitlines()
    return [RandomRun(**json.loads(line)) for line in lines]
