"""Everything that a run leaves: a folder for it, and a line for the report's first page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from judge import history
from judge.checker import judge
from judge.history import AnyEvent
from judge.page.render import render
from judge.verdict import Judgement

FOLDER = "judge"  # below build/
RUNS = "random-runs.jsonl"  # below build/
KEPT = 50  # lines


def keep(events: Sequence[AnyEvent], build: Path) -> tuple[Judgement, Path]:
    """Judge a run, and keep all of it; an earlier run with the same seed is replaced.

    Args:
        events: in the order of time, from a Begin on.
        build: where its folder `judge/MACHINE-SEED` and the list of runs go.

    Returns:
        The verdict, and the folder.
    """
    judgement = judge(events)
    name = f"{judgement.machine}-{judgement.seed}"
    folder = build / FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    history.write(events, folder / "history.jsonl")
    verdict = json.dumps(judgement.model_dump(mode="json"), ensure_ascii=False, indent=2)
    (folder / "verdict.json").write_text(f"{verdict}\n", encoding="utf-8")
    (folder / "index.html").write_text(render(events, judgement), encoding="utf-8")
    _list(judgement, f"{FOLDER}/{name}/index.html", build / RUNS)
    return judgement, folder


def _list(judgement: Judgement, page: str, runs: Path) -> None:
    line = {
        "seed": str(judgement.seed),
        "machine": judgement.machine,
        "verdict": str(judgement.verdict),
        "reason": judgement.reason,
        "page": page,
    }
    earlier = runs.read_text(encoding="utf-8").splitlines() if runs.exists() else []
    others = [each for each in earlier if json.loads(each)["page"] != page]
    kept = [*others, json.dumps(line, ensure_ascii=False)][-KEPT:]
    runs.write_text("".join(f"{each}\n" for each in kept), encoding="utf-8")
