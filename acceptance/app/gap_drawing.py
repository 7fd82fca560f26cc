"""The app's downtime as the report shows it: a drawing, and every single question."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from acceptance.app.gap import CORRECT, NODE_DOWN, Gap, Probe
from acceptance.base import evidence
from report import attachments
from report.figure import APP_AWAY

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


def attach(measured: Gap) -> None:
    """Attach how long the app did not answer: as a drawing, and every single question."""
    evidence.drawing(_headline(measured), draw(measured))
    evidence.figure(APP_AWAY, measured=measured.seconds)
    attach_probes(measured.probes)


def attach_probes(asked: Iterable[Probe]) -> None:
    """Attach every question to the app and what came of it; also when the gap never ended."""
    rows = [(f"{probe.at_seconds:.2f}", probe.address, probe.outcome) for probe in asked]
    head = ("seconds", "address", "outcome")
    evidence.table("Every question to the app", head, rows, attachments.GAP)


def draw(measured: Gap) -> str:
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
