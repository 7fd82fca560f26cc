"""Random runs, which the page shows when there were any."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RandomRun:
    """A random history of work and faults, and what its judge says about it."""

    seed: str
    verdict: str  # valid, violation, stuck, defect or unknown
    reason: str


def read_random_runs(file: Path) -> list[RandomRun]:
    """Read build/random-runs.jsonl: a line for each run, with seed, verdict and reason."""
    if not file.exists():
        return []
    lines = file.read_text(encoding="utf-8").splitlines()
    return [RandomRun(**json.loads(line)) for line in lines]
