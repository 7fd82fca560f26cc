"""Verdicts on random runs, which the page shows when there are some."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RandomRun:
    """A random history of work and faults, and what its judge says about it.

    Attributes:
        machine: where it happened: `nodes` or `simulation`.
        verdict: valid, violation, stuck, defect or unknown.
        page: its page, relative to the folder of this report and to build/.
    """

    seed: str
    machine: str
    verdict: str
    reason: str
    page: str


def read_random_runs(file: Path) -> list[RandomRun]:
    """Read build/random-runs.jsonl: a line for each run, with the fields of RandomRun."""
    if not file.exists():
        return []
    lines = file.read_text(encoding="utf-8").splitlines()
    return [RandomRun(**json.loads(line)) for line in lines]


def copy_pages(runs: Iterable[RandomRun], build: Path, report: Path) -> None:
    """Copy the page of each run into the report, which is published as a whole."""
    for run in runs:
        (report / run.page).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(build / run.page, report / run.page)
