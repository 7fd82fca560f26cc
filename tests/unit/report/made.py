"""Results and plans made by hand."""

from __future__ import annotations

import io
import json
from pathlib import Path

from PIL import Image

from report import attachments
from report.figure import Figure
from report.identity import Place
from report.promises import Planned
from report.results import Attachment, Result, Step
from report.story import Story, find_story

RULE = "Data follows the app"
START = 1_795_000_000_000
UP = "vagrant@node1:~$ docker-compose up -d\nContainer started\n\n[exit status 0 after 7.5 s]\n"
PS = "vagrant@node2:~$ docker ps\nNAMES\nweb\n\n[exit status 0 after 0.2 s]\n"
GAP = "seconds,address,outcome\n0.00,10.0.0.1,correct\n2.40,10.0.0.2,correct\n"


def place(rule: str = RULE, feature: str = "Moves", severity: str = "normal") -> Place:
    return Place("The promises", feature, rule, severity)


def planned(name: str, where: Place | None = None) -> Planned:
    return Planned(name, name, where or place())


def result(
    name: str,
    status: str = "passed",
    *,
    where: Place | None = None,
    message: str = "",
    steps: tuple[Step, ...] = (),
    tags: frozenset[str] = frozenset(),
    start: int = START,
) -> Result:
    """A result of the scenario that `planned` makes of the same name."""
    return Result(
        name, f"Moves: {name}", name, where or place(), tags, status, message, start, start + 400,
        steps,
    )  # fmt: skip


def step(*attached: Attachment, start: int = START) -> Step:
    return Step("Given something", start, start + 100, attached)


def attachment(folder: Path, kind: str, content: str | bytes, name: str = "it") -> Attachment:
    path = folder / f"{len(list(folder.iterdir()))}-attachment.{kind}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Attachment(name, kind, path)


def measured(folder: Path, *figures: Figure) -> Step:
    return step(*(attachment(folder, attachments.FIGURE, each.to_json()) for each in figures))


def history_line(results: list[Result]) -> str:
    """A line of Allure's history for these results, as far as it is read."""
    shown = {
        each.history_id: {"fullName": each.full_name, "start": each.start, "id": f"id-{each.name}"}
        for each in results
    }
    return json.dumps({"testResults": shown})


def told_story(folder: Path) -> Story:
    """A move from node1, whose page is blue, to node2, whose page is green."""
    told = result(
        "The app moves",
        steps=(
            step(attachment(folder, "txt", UP, "node1$ docker-compose up -d")),
            step(attachment(folder, attachments.PICTURE, png("blue"), "The page on node1")),
            step(attachment(folder, "txt", "a whale\n", "a whale was placed")),
            step(attachment(folder, attachments.GAP, GAP)),
            step(attachment(folder, attachments.PICTURE, png("green"), "The page on node2")),
            step(attachment(folder, "txt", PS, "node2$ docker ps")),
        ),
    )
    found = find_story([told])
    assert found is not None
    return found


def png(colour: str) -> bytes:
    kept = io.BytesIO()
    Image.new("RGB", (1280, 800), colour).save(kept, "PNG")
    return kept.getvalue()
