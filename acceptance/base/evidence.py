"""Evidence of a scenario for the report, so that a reader need not take its word."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

import allure
from allure_commons.types import AttachmentType

from acceptance.base.command import Typed
from acceptance.base.speed import Limit
from report import attachments
from report.figure import Figure

ENVIRONMENT = Path("build/environment.json")
TIMES = ("s", "ms")


def typed(done: Typed) -> None:
    """Attach a command and what it printed, as on a terminal of the node."""
    prompt = f"{done.user}@{done.node}:~$" if done.user else "$"
    end = f"[exit status {done.exit_status} after {done.seconds:.1f} s]"
    body = f"{prompt} {done.command}\n{done.output.rstrip()}".rstrip() + f"\n\n{end}\n"
    name = f"{done.node}$ {_shorten(done.command)}"
    allure.attach(body, name=name, attachment_type=AttachmentType.TEXT)


def measured(what: str) -> None:
    """Attach a figure, in words that need not be opened to be read."""
    allure.attach(what, name=what, attachment_type=AttachmentType.TEXT)


def figure(name: str, *, measured: float, promised: float | None = None, unit: str = "s") -> float:
    """Attach a figure beside its promise, for the report to show, and return the limit.

    Args:
        promised: as the scenario says it; None if there is nothing to compare with.
        unit: "s" and "ms" are times, whose limits follow the speed of the nodes.

    Returns:
        The largest value that `measured` may have on these nodes; infinite without a promise.
    """
    allowed = promised
    if promised is not None and unit in TIMES:
        allowed = Limit(promised).seconds
    found = Figure(name, measured, promised, allowed, unit)
    _attach(found.to_json(), str(found), AttachmentType.JSON, attachments.FIGURE)
    return math.inf if allowed is None else allowed


def picture(name: str, png: bytes, kind: str) -> None:
    """Attach a picture of one of the kinds in report.attachments."""
    _attach(png, name, AttachmentType.PNG, kind)


def drawing(name: str, svg: str) -> None:
    """Attach a drawing."""
    allure.attach(svg, name=name, attachment_type=AttachmentType.SVG)


def table(name: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]], kind: str) -> None:
    """Attach rows with a head, as CSV, of one of the kinds in report.attachments."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    _attach(text.getvalue(), name, AttachmentType.CSV, kind)


def owners(before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Attach which node owned each volume before and after, if that has changed.

    Both map volume to node.
    """
    if before == after:
        return
    volumes = sorted({*before, *after})
    rows = [(volume, before.get(volume, "-"), after.get(volume, "-")) for volume in volumes]
    table("Owners of the volumes", ("volume", "before", "after"), rows, attachments.OWNERS)


def logs(texts: Mapping[str, str]) -> None:
    """Attach texts by name, e.g. a node's journal or the containers' logs."""
    for name, text in texts.items():
        allure.attach(text or "(empty)", name=name, attachment_type=AttachmentType.TEXT)


def environment(facts: Mapping[str, str], path: Path = ENVIRONMENT) -> None:
    """Say what the run ran with, for the report's head; behave's version is added.

    Args:
        facts: shown as given, in this order, e.g. `{"Provider": "docker", "Engine": "26.1.5"}`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**facts, "behave": version("behave")}, indent=2) + "\n")


def _attach(body: str | bytes, name: str, type_: AttachmentType, kind: str) -> None:
    # Of an AttachmentType, Allure takes the extension too, and none that is given.
    allure.attach(body, name=name, attachment_type=type_.mime_type, extension=kind)


def _shorten(command: str, longest: int = 100) -> str:
    line = " ".join(command.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
