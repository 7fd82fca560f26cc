"""The page of a run, as HTML that loads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from judge.history import AnyEvent, Begin, FaultBegan, FaultEnded
from judge.page.picture import draw
from judge.verdict import Judgement, Verdict

TEMPLATES = Path(__file__).resolve().parent / "templates"
HOUSE_STYLE = Path(__file__).resolve().parents[2] / "report" / "templates"
MARKS = {Verdict.VALID: ("✓", "holds"), Verdict.UNKNOWN: ("○", "not-tried")}
BAD = ("✗", "broken")
MOST_FINDINGS = 50  # nobody reads more


def render(events: Sequence[AnyEvent], judgement: Judgement) -> str:
    """The page of a run with these events, which begin with a Begin."""
    begin = events[0]
    assert isinstance(begin, Begin)
    templates = Environment(
        loader=FileSystemLoader([TEMPLATES, HOUSE_STYLE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    mark, colour = MARKS.get(judgement.verdict, BAD)
    return templates.get_template("run.html").render(
        begin=begin,
        judgement=judgement,
        mark=mark,
        colour=colour,
        pictures=draw(events, judgement.findings),
        most_findings=MOST_FINDINGS,
        faults=_faults(events),
    )


def _faults(events: Sequence[AnyEvent]) -> list[tuple[FaultBegan, float | None]]:
    """Each fault, and when it ended; None: it did not."""
    ends = {each.fault: each.at for each in events if isinstance(each, FaultEnded)}
    return [(each, ends.get(each.fault)) for each in events if isinstance(each, FaultBegan)]
