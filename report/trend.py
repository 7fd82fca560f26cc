"""The runs before this one, a line each, kept over `make report`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from host.files import write_whole
from report.figure import APP_AWAY, LAG, TAKEOVER, Figure
from report.promises import Promises, Verdict
from report.results import Result

KEPT_RUNS = 50
SHOWN = (APP_AWAY, TAKEOVER, LAG)


@dataclass(frozen=True)
class Run:
    """One run of the scenarios in numbers. `figures` maps a name to a value with its unit."""

    started: int  # milliseconds since 1970; no two runs have the same
    holds: int
    broken: int
    not_tried: int
    figures: dict[str, str]

    @property
    def at(self) -> datetime:
        """When the run began."""
        return datetime.fromtimestamp(self.started / 1000, UTC)


def run_of(promises: Promises, results: Sequence[Result], headlines: dict[str, Figure]) -> Run:
    """The numbers of this run."""
    return Run(
        started=min(result.start for result in results),
        holds=len(promises.of(Verdict.HOLDS)),
        broken=len(promises.of(Verdict.BROKEN)),
        not_tried=len(promises.of(Verdict.NOT_TRIED)),
        figures={name: headlines[name].measured_text for name in SHOWN if name in headlines},
    )


def remember(run: Run, file: Path) -> list[Run]:
    """Add a run to the file and return all that it holds, oldest first.

    A report that is written again replaces the line of its run.
    """
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    runs = {known.started: known for known in (Run(**json.loads(line)) for line in lines)}
    runs[run.started] = run
    kept = [runs[started] for started in sorted(runs)][-KEPT_RUNS:]
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, "".join(f"{json.dumps(asdict(each))}\n" for each in kept))
    return kept
