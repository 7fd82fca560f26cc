"""What a scenario leaves in the report, so that a reader need not take its word."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from html import escape
from importlib.metadata import version
from pathlib import Path

import allure
from allure_commons.types import AttachmentType
from PIL import Image, ImageDraw, ImageFont

from acceptance import speed
from acceptance.app import CORRECT, NODE_DOWN, Gap, Probe
from acceptance.cluster import Typed

ENVIRONMENT = Path("build/environment.json")

INK = "#22313f"
PAPER = "#ffffff"
OUTCOME_COLOURS = {CORRECT: "#2e9e5b", NODE_DOWN: "#9aa5b1"}
OTHER_OUTCOME_COLOUR = "#d1493f"
LEGEND = "".join(
    f'<circle cx="{x}" cy="23" r="4" fill="{colour}"/><text x="{x + 10}" y="28">{text}</text>'
    for x, colour, text in (
        (500, OUTCOME_COLOURS[CORRECT], CORRECT),
        (580, OTHER_OUTCOME_COLOUR, "no or a wrong answer"),
        (740, OUTCOME_COLOURS[NODE_DOWN], NODE_DOWN),
    )
)
TITLE_PIXELS = 96  # the report shows the picture at a third of its size
MARGIN_PIXELS = 16


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


def promised(seconds: float) -> float:
    """What a promised time is on these nodes; attached where it is longer than promised."""
    allowed = speed.NODES.allow(seconds)
    if allowed > seconds:
        measured(f"{allowed:.0f} s allowed for {seconds:g}: the nodes are {speed.NODES}")
    return allowed


def screenshot(name: str, png: bytes) -> None:
    """Attach one picture of the page."""
    allure.attach(png, name=name, attachment_type=AttachmentType.PNG)


def side_by_side(before_png: bytes, after_png: bytes, titles: tuple[str, str]) -> None:
    """Attach two screenshots as one picture, each below its title."""
    allure.attach(
        stitch(before_png, after_png, titles),
        name=" | ".join(titles),
        attachment_type=AttachmentType.PNG,
    )


def gap(measured: Gap) -> None:
    """Attach how long the app did not answer: as a drawing, and every single question."""
    allure.attach(draw_gap(measured), name=_headline(measured), attachment_type=AttachmentType.SVG)
    probes(measured.probes)


def probes(asked: Iterable[Probe]) -> None:
    """Attach every question to the app and what came of it; also when the gap never ended."""
    rows = [(f"{probe.at_seconds:.2f}", probe.address, probe.outcome) for probe in asked]
    _attach_table("Every question to the app", ("seconds", "address", "outcome"), rows)


def owners(before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Attach which node owned each volume before and after; both map volume to node."""
    volumes = sorted({*before, *after})
    rows = [(volume, before.get(volume, "-"), after.get(volume, "-")) for volume in volumes]
    _attach_table("Owners of the volumes", ("volume", "before", "after"), rows)


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


def stitch(before_png: bytes, after_png: bytes, titles: tuple[str, str]) -> bytes:
    """One PNG of two, side by side with their titles above."""
    pictures = [Image.open(io.BytesIO(png)).convert("RGB") for png in (before_png, after_png)]
    width = sum(picture.width for picture in pictures) + 3 * MARGIN_PIXELS
    height = max(picture.height for picture in pictures) + TITLE_PIXELS + MARGIN_PIXELS
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=TITLE_PIXELS * 0.6)
    left = MARGIN_PIXELS
    for picture, title in zip(pictures, titles, strict=True):
        pen.text((left, TITLE_PIXELS / 2), title, fill=INK, font=font, anchor="lm")
        sheet.paste(picture, (left, TITLE_PIXELS))
        # A white page on white paper has no edge.
        pen.rectangle(
            (left - 1, TITLE_PIXELS - 1, left + picture.width, TITLE_PIXELS + picture.height),
            outline=INK,
        )
        left += picture.width + MARGIN_PIXELS
    png = io.BytesIO()
    sheet.save(png, "PNG", optimize=True)
    return png.getvalue()


def draw_gap(measured: Gap) -> str:
    """An SVG with one row of dots per address over time; a dot is a question."""
    left, right, rows = 130, 870, {measured.old_address: 70, measured.new_address: 110}
    per_second = (right - left) / max(measured.seconds, 0.1)
    step = next((s for s in (1, 2, 5, 10, 30, 60) if measured.seconds / s <= 12), 300)
    title = _headline(measured)
    parts = [f'<text x="10" y="28" font-size="16" font-weight="bold">{title}</text>', LEGEND]
    for address, y in rows.items():
        parts.append(f'<text x="10" y="{y + 5}">{escape(address)}</text>')
        parts.append(f'<path d="M{left} {y}H{right}" stroke="#dfe4ea"/>')
    for second in range(0, int(measured.seconds) + 1, step):
        x = left + second * per_second
        parts.append(f'<path d="M{x:.1f} 132v6" stroke="{INK}"/>')
        parts.append(f'<text x="{x:.1f}" y="155" text-anchor="middle">{second} s</text>')
    for probe in measured.probes:
        x = left + min(probe.at_seconds, measured.seconds) * per_second
        colour = OUTCOME_COLOURS.get(probe.outcome, OTHER_OUTCOME_COLOUR)
        parts.append(
            f'<circle cx="{x:.1f}" cy="{rows[probe.address]}" r="4" fill="{colour}">'
            f"<title>{probe.at_seconds:.2f} s: {escape(probe.outcome)}</title></circle>"
        )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 170" width="900" height="170" '
        f'font-family="sans-serif" font-size="13" fill="{INK}">'
        f'<rect width="900" height="170" fill="{PAPER}"/>{"".join(parts)}</svg>'
    )


def _headline(measured: Gap) -> str:
    return f"{measured.seconds:.1f} s from stop to the first correct answer"


def _attach_table(name: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    allure.attach(text.getvalue(), name=name, attachment_type=AttachmentType.CSV)


def _shorten(command: str, longest: int = 100) -> str:
    line = " ".join(command.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
