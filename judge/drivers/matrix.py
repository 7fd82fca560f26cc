"""The matrix drivers x behaviours: a JSON file to which each judged driver adds its column."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from host.files import write_whole
from judge.drivers.behaviours import BEHAVIOURS
from judge.drivers.verdicts import BehaviourVerdict


def column(title: str, at: str, findings: Mapping[int, BehaviourVerdict]) -> dict[str, Any]:
    """A driver's column as JSON.

    Args:
        at: when it was judged, as ISO 8601 in UTC.
        findings: by the number of the behaviour.
    """
    return {
        "title": title,
        "at": at,
        "findings": {str(number): asdict(finding) for number, finding in findings.items()},
    }


def add(file: Path, name: str, new: Mapping[str, Any]) -> None:
    """Put a driver's column into the file, in place of its former one; the others stay."""
    known = json.loads(file.read_text(encoding="utf-8"))["drivers"] if file.exists() else {}
    content = {
        "behaviours": [
            {
                "number": behaviour.number,
                "sentence": behaviour.sentence,
                "level": int(behaviour.level),
                "needs": behaviour.needs,
            }
            for behaviour in BEHAVIOURS
        ],
        "drivers": {**known, name: new},
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(content, indent=2))
