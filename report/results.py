"""The results that the formatter wrote, read back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from report import attachments
from report.figure import Figure
from report.identity import Place, place_of


@dataclass(frozen=True)
class Attachment:
    """A file that a step left; `kind` is its extension, see report.attachments."""

    name: str
    kind: str
    path: Path


@dataclass(frozen=True)
class Step:
    """A step that ran. Times are milliseconds since 1970."""

    name: str
    start: int
    stop: int
    attachments: tuple[Attachment, ...]


@dataclass(frozen=True)
class Result:
    """A scenario that ran, or should have."""

    history_id: str
    full_name: str
    name: str
    place: Place
    tags: frozenset[str]
    status: str  # Allure's: passed, failed, broken, skipped
    message: str  # what failed, or why it was skipped
    start: int
    stop: int
    steps: tuple[Step, ...]

    def attached(self, *kinds: str) -> list[Attachment]:
        """The steps' attachments of these kinds, oldest first."""
        found = (attached for step in self.steps for attached in step.attachments)
        return [attached for attached in found if attached.kind in kinds]

    @cached_property
    def figures(self) -> list[Figure]:
        """The figures that the scenario measured."""
        files = self.attached(attachments.FIGURE)
        return [Figure.from_json(file.path.read_text(encoding="utf-8")) for file in files]


def read_results(folder: Path) -> list[Result]:
    """All results in a folder, in the order in which they ran."""
    return sorted(_read(folder), key=lambda result: result.start)


def _read(folder: Path) -> Iterator[Result]:
    for file in folder.glob("*-result.json"):
        raw = json.loads(file.read_text(encoding="utf-8"))
        yield Result(
            history_id=raw["historyId"],
            full_name=raw["fullName"],
            name=raw["name"],
            place=place_of({label["name"]: label["value"] for label in raw["labels"]}),
            tags=frozenset(each["value"] for each in raw["labels"] if each["name"] == "tag"),
            status=raw["status"],
            message=raw.get("statusDetails", {}).get("message", ""),
            start=raw["start"],
            stop=raw["stop"],
            steps=tuple(_step(step, folder) for step in raw.get("steps", [])),
        )


def _step(raw: dict[str, Any], folder: Path) -> Step:
    return Step(
        name=raw["name"],
        start=raw["start"],
        stop=raw["stop"],
        attachments=tuple(_attachment(each, folder) for each in raw.get("attachments", [])),
    )


def _attachment(raw: dict[str, str], folder: Path) -> Attachment:
    kind = raw["source"].partition("-attachment.")[2]
    return Attachment(raw["name"], kind, folder / raw["source"])
