"""The first page: everything that it shows, and its HTML."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from report.answers import Answer
from report.drivers import Matrix
from report.other_runs import RandomRun
from report.player import Player
from report.promises import Promises, Verdict
from report.results import Result
from report.story import Picture, Story
from report.trend import SHOWN, Run

HERE = Path(__file__).resolve().parent
DRIVER_MARKS = {"held": "✓", "failed": "✗", "not claimed": "-", "not tried": "○"}
MARKS = {Verdict.HOLDS: "✓", Verdict.BROKEN: "✗", Verdict.NOT_TRIED: "○"}
SHOWN_RUNS = 12
TESTS = {
    "alarms": "scenarios fail when driver or nodes are broken on purpose",
    "contract": "the parts, with real file systems, etcd, engines and databases",
    "samples": "one scenario on plain servers, and one virtual machine",
    "servers": "plain Debian servers",
    "unit": "the rules, without a disk or a network",
    "vm": "virtual machines and their boxes",
}


@dataclass(frozen=True)
class Page:
    """The content that the template shows.

    Args:
        links: the address of each result in Allure's report, relative to the page.
        facts: the nodes and programs of the run, name -> value.
        tests: program -> (passed, failed), of the tests that are no scenarios.
        runs: oldest first, this one last.
    """

    verdict: str
    summary: str
    answers: Sequence[Answer]
    promises: Promises
    story: Story | None
    player: Player | None
    links: Mapping[str, str]
    facts: Mapping[str, str]
    tests: Mapping[str, tuple[int, int]]
    runs: Sequence[Run]
    matrix: Matrix | None
    random_runs: Sequence[RandomRun]

    @property
    def is_broken(self) -> bool:
        """True if anything in this run failed."""
        return bool(self.promises.of(Verdict.BROKEN)) or any(
            failed for _, failed in self.tests.values()
        )

    @property
    def shown_runs(self) -> Sequence[Run]:
        """The newest runs, newest first."""
        return self.runs[::-1][:SHOWN_RUNS]

    @property
    def run_figures(self) -> list[str]:
        """The figures that at least one shown run measured."""
        return [name for name in SHOWN if any(name in run.figures for run in self.shown_runs)]

    def link(self, result: Result) -> str:
        """The address of a result in Allure's report, relative to the page."""
        return self.links[result.history_id]


def render(page: Page) -> str:
    """The page as HTML that loads nothing."""
    templates = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "mark": MARKS.__getitem__,
        "seconds": _seconds,
        "picture_list": _picture_list,
        "driver_mark": DRIVER_MARKS.__getitem__,
        "tested": lambda program: TESTS.get(program, ""),
    }
    logo = base64.b64encode((HERE / "logo.svg").read_bytes()).decode()
    return templates.get_template("index.html").render(
        page=page, verdicts=Verdict, now=datetime.now(UTC), logo=f"data:image/svg+xml;base64,{logo}"
    )


def _seconds(result: Result) -> str:
    seconds = (result.stop - result.start) / 1000
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _picture_list(pictures: Sequence[tuple[float, Picture]]) -> list[dict[str, object]]:
    """The pictures of a recording, as the script of the page reads them."""
    return [
        {"at": at, "caption": picture.caption, "source": picture.source} for at, picture in pictures
    ]
