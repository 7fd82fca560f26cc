"""The story in pictures: the app before the move, the move, and the app after it."""

from __future__ import annotations

import base64
import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from report import attachments
from report.results import Attachment, Result

DEMO = "demo"
NOWHERE = "-"  # the owner of a volume that is not there
TYPED = re.compile(r"(?P<where>[^$]+)\$ (?P<command>.+)")
"""The name of an attachment with a command; see acceptance.base.evidence.typed."""


@dataclass(frozen=True)
class Picture:
    """A picture of the app with its caption; `source` is a data URI."""

    caption: str
    source: str


@dataclass(frozen=True)
class Stretch:
    """A time in which one address kept giving the same kind of answer.

    `left` and `width` are percentages of the whole gap.
    """

    address: str
    is_correct: bool
    start_seconds: float
    end_seconds: float
    left: float
    width: float


@dataclass(frozen=True)
class Gap:
    """The time from the stop of the app to its first correct answer."""

    seconds: float
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True)
class Change:
    """A volume's owner before and after a command, "-" for none."""

    volume: str
    before: str
    after: str

    def __str__(self) -> str:
        if self.before == NOWHERE:
            return f"{self.volume}: {self.after}"
        return f"{self.volume}: {self.before} → {self.after}"


@dataclass(frozen=True)
class Command:
    """A command of the story and what it did to the owners of volumes."""

    at_seconds: float  # since the scenario began
    where: str
    command: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Story:
    """One scenario that was watched while the app moved."""

    result: Result
    pictures: tuple[Picture, ...]
    gap: Gap
    commands: tuple[Command, ...]

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that the volume left and reached, if its owner changed."""
        moves = [
            (change.before, change.after)
            for command in self.commands
            for change in command.changes
            if NOWHERE not in (change.before, change.after)
        ]
        return moves[-1] if moves else ()

    @property
    def lanes(self) -> dict[str, list[Stretch]]:
        """Node or address -> its stretches, oldest first."""
        lanes: dict[str, list[Stretch]] = {}
        for stretch in self.gap.stretches:
            lanes.setdefault(stretch.address, []).append(stretch)
        names = dict(zip(lanes, self.nodes, strict=False))
        return {names.get(address, address): found for address, found in lanes.items()}


def find_story(results: Sequence[Result]) -> Story | None:
    """The first scenario that passed and has pictures of the app and the questions to it.

    What `make demo` tells comes first: it is the README's story.
    """
    for result in sorted(results, key=lambda result: DEMO not in result.tags):
        pictures = result.attached(attachments.PICTURE)
        gaps = result.attached(attachments.GAP)
        if result.status == "passed" and len(pictures) > 1 and gaps:
            return Story(
                result,
                tuple(Picture(each.name, inlined(each)) for each in pictures),
                read_gap(gaps[-1]),
                tuple(_commands(result)),
            )
    return None


def read_gap(table: Attachment) -> Gap:
    """Join the questions to the app, ten a second, to stretches of equal answers."""
    with table.path.open(encoding="utf-8", newline="") as file:
        asked = [
            (float(row["seconds"]), row["address"], row["outcome"] == attachments.CORRECT)
            for row in csv.DictReader(file)
        ]
    # A state lasts until the question that finds another one. The gap ends with the last answer.
    changes = [
        each for number, each in enumerate(asked) if not number or each[1:] != asked[number - 1][1:]
    ]
    end = asked[-1][0]
    ends = [*(at for at, _, _ in changes[1:]), end]
    scale = 100 / max(end, 0.1)
    stretches = [
        Stretch(address, is_correct, at, until, at * scale, (until - at) * scale)
        for (at, address, is_correct), until in zip(changes, ends, strict=True)
    ]
    return Gap(end, tuple(stretches))


def _commands(result: Result) -> list[Command]:
    """Return each typed command with the changes of owners that were attached after it."""
    commands: list[Command] = []
    for step in result.steps:
        at_seconds = (step.start - result.start) / 1000
        for attached in step.attachments:
            if attached.kind == "txt" and (typed := TYPED.fullmatch(attached.name)):
                commands.append(Command(at_seconds, typed["where"], typed["command"], ()))
            elif attached.kind == attachments.OWNERS and commands:
                commands[-1] = replace(commands[-1], changes=_changes(attached))
    return commands


def _changes(owners: Attachment) -> tuple[Change, ...]:
    with owners.path.open(encoding="utf-8", newline="") as file:
        rows = [Change(**row) for row in csv.DictReader(file)]
    return tuple(row for row in rows if row.before != row.after)


def inlined(picture: Attachment) -> str:
    """A picture as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(picture.path.read_bytes()).decode()}"
