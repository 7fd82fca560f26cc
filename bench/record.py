"""build/bench/results.json: every figure of the run, for those who want to calculate themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from bench.figures import Results


def to_json(results: Results, facts: Mapping[str, str]) -> str:
    """All single figures; units are in their names."""
    return (
        json.dumps({"facts": dict(facts), **asdict(results)}, indent=2, ensure_ascii=False) + "\n"
    )
