"""The five answers at the top of the page, taken from one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from report.figure import APP_AWAY, LAG, TAKEOVER, Figure
from report.promises import Promises, Trial, Verdict

PROMISED = (
    "A container that starts on another server finds its volume there with all its data. "
    "Only one server at a time can write to a volume."
)
NOT_MEASURED = "Not measured in this run."


@dataclass(frozen=True)
class Answer:
    """A question, its answer in a few words, and what stands behind it."""

    question: str
    short: str
    details: tuple[str, ...]
    anchor: str


def headlines(trials: Sequence[Trial]) -> dict[str, Figure]:
    """Name -> the figure to tell of it: of the strictest promise, the worst that was measured."""
    found: dict[str, Figure] = {}
    for figure in (figure for trial in trials for figure in trial.figures):
        known = found.get(figure.name)
        if known is None or _strictness(figure) < _strictness(known):
            found[figure.name] = figure
    return found


def verdict(promises: Promises) -> str:
    """One sentence that says what held."""
    broken, held = promises.of(Verdict.BROKEN), promises.of(Verdict.HOLDS)
    tried = len(broken) + len(held)
    if not tried:
        return "No promise was tried in this run"
    if broken:
        return f"{len(broken)} of {_count(tried, 'promise')} that were tried {_be(broken)} broken"
    if tried == 1:
        return "The one promise that was tried holds"
    return f"All {tried} promises that were tried hold"


def summary(promises: Promises, figures: dict[str, Figure]) -> str:
    """One plain sentence that answers all five questions."""
    parts = [f"{verdict(promises)}: an app moves to another server with all its data"]
    if APP_AWAY in figures:
        parts.append(f"the app was away for {figures[APP_AWAY].measured_text}")
    if TAKEOVER in figures:
        parts.append(f"another server took over {figures[TAKEOVER].measured_text} after a failure")
    if LAG in figures:
        parts.append(
            f"replicas lacked at most the last {figures[LAG].measured_text} of what was written"
        )
    untried = len(promises.of(Verdict.NOT_TRIED))
    parts.append(f"{_count(untried, 'promise')} {'was' if untried == 1 else 'were'} not tried")
    return f"{'; '.join(parts)}."


def answers(promises: Promises, figures: dict[str, Figure]) -> list[Answer]:
    """The five questions that a reader has, each with its answer."""
    return [
        Answer("What is promised?", _size(promises), (PROMISED,), "promises"),
        _is_it_true(promises),
        _how_long(figures.get(APP_AWAY)),
        _what_is_lost(figures.get(LAG), figures.get(TAKEOVER)),
        _what_was_not_tried(promises),
    ]


def _size(promises: Promises) -> str:
    return f"{_count(len(promises.all), 'promise')}, tried by {_count(len(promises.trials), 'scenario')}"


def _is_it_true(promises: Promises) -> Answer:
    broken = promises.of(Verdict.BROKEN)
    tried = len(broken) + len(promises.of(Verdict.HOLDS))
    short = "Unknown" if not tried else "No" if broken else "Yes"
    details = (f"{verdict(promises)}.", *(f"Broken: {promise.name}" for promise in broken))
    return Answer("Is it true today?", short, details, "promises")


def _how_long(away: Figure | None) -> Answer:
    question = "How long is the app away during a move?"
    if away is None:
        return Answer(question, NOT_MEASURED, (), "story")
    details = (
        "From the command that stops the app to the first correct answer on the new server.",
    )
    return Answer(question, away.measured_text, details, "story")


def _what_is_lost(lag: Figure | None, takeover: Figure | None) -> Answer:
    details = [
        "What a replica has survives. The dead server's disk keeps the rest, and "
        "`flocker conflicts` lists it when the server is back."
    ]
    if lag is not None:
        details.append(f"{lag}.")
    if takeover is not None:
        details.append(f"{takeover}.")
    short = NOT_MEASURED if lag is None else f"At most the last {lag.measured_text} of writes"
    return Answer("What is lost when a server dies?", short, tuple(details), "promises")


def _what_was_not_tried(promises: Promises) -> Answer:
    untried = promises.of(Verdict.NOT_TRIED)
    reasons = [
        f"{_count(len(trials), 'scenario')}: {reason}"
        for reason, trials in promises.untried.items()
    ]
    short = f"{_count(len(untried), 'promise')} of {len(promises.all)}"
    if not reasons:
        short = "Nothing: every scenario ran"
    return Answer("What was not tried?", short, tuple(reasons), "not-tried")


def _strictness(figure: Figure) -> tuple[float, float]:
    limit = float("inf") if figure.promised is None else figure.promised
    return limit, -figure.measured


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _be(some: Sequence[object]) -> str:
    return "is" if len(some) == 1 else "are"
