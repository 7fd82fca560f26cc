"""The five answers at the top of the page, taken from one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from report.figure import APP_AWAY, APP_STARTED, LAG, TAKEOVER, Figure
from report.promises import Promises, Trial, Verdict

PROMISED = "An app moves to another server with all its data."
INTRODUCTION = "This project promises that an app moves to another server with all its data."
ONE_WRITER = "Only one server at a time can change a volume's data."
NOT_MEASURED = "Not measured in this run."


@dataclass(frozen=True)
class Answer:
    """A question, its answer in a few words, and what stands behind it."""

    question: str
    short: str
    details: tuple[str, ...]


def headlines(trials: Sequence[Trial]) -> dict[str, Figure]:
    """Name -> the figure to tell of it: of the strictest promise, the worst that was measured."""
    found: dict[str, Figure] = {}
    for figure in (figure for trial in trials for figure in trial.figures):
        known = found.get(figure.name)
        if known is None or _strictness(figure) < _strictness(known):
            found[figure.name] = figure
    return found


def verdict(promises: Promises, failed_tests: int) -> str:
    """One sentence that says what held.

    Args:
        failed_tests: of the tests that are no scenarios.
    """
    broken, held = promises.of(Verdict.BROKEN), promises.of(Verdict.HOLDS)
    tried = len(broken) + len(held)
    if not tried:
        sentence = "No promise was tried in this run"
    elif broken:
        are = "is" if len(broken) == 1 else "are"
        sentence = f"{len(broken)} of {_count(tried, 'promise')} that were tried {are} broken"
    elif tried == 1:
        sentence = "The one promise that was tried holds"
    else:
        sentence = f"All {tried} promises that were tried hold"
    if failed_tests:
        joined = ";" if broken or not tried else ", but"
        sentence += f"{joined} {_count(failed_tests, 'other test')} failed"
    return sentence


def summary(promises: Promises, figures: dict[str, Figure]) -> str:
    """The answers in one paragraph, as far as this run has them."""
    sentences = [INTRODUCTION]
    sentences += [f"Broken: {promise.name}." for promise in promises.of(Verdict.BROKEN)]
    if APP_AWAY in figures:
        sentences.append(f"The app was away for {figures[APP_AWAY].measured_text} while it moved.")
    if TAKEOVER in figures:
        sentences.append(_takeover(figures[TAKEOVER]))
    if LAG in figures:
        lag = figures[LAG].measured_text
        sentences.append(f"Replicas lagged by at most {lag}.")
    untried = len(promises.of(Verdict.NOT_TRIED))
    were = "was" if untried == 1 else "were"
    sentences.append(f"{untried} of {_count(len(promises.all), 'promise')} {were} not tried.")
    return " ".join(sentences)


def _takeover(slowest: Figure) -> str:
    """The promise is part of the sentence: some failures have a looser one."""
    promised = ""
    if slowest.promised is not None:
        promised = f" that are promised within {slowest.promised:g} {slowest.unit}"
    return f"Takeovers{promised} took at most {slowest.measured_text}."


def answers(promises: Promises, figures: dict[str, Figure], failed_tests: int) -> list[Answer]:
    """The five questions that a reader has, each with its answer."""
    return [
        _what_is_promised(promises),
        _is_it_true(promises, failed_tests),
        _how_long(promises, figures.get(APP_AWAY), figures.get(APP_STARTED)),
        _what_is_lost(figures.get(LAG), figures.get(TAKEOVER)),
        _what_was_not_tried(promises),
    ]


def _what_is_promised(promises: Promises) -> Answer:
    tries = _count(len(promises.trials), "scenario")
    size = f"{_count(len(promises.all), 'promise')}, tested by {tries}."
    return Answer("What is promised?", PROMISED, (ONE_WRITER, size))


def _is_it_true(promises: Promises, failed_tests: int) -> Answer:
    broken = promises.of(Verdict.BROKEN)
    tried = len(broken) + len(promises.of(Verdict.HOLDS))
    if not tried:
        short = "Unknown"
    elif broken or failed_tests:
        short = "No"
    elif tried == len(promises.all):
        short = "Yes"
    else:
        short = f"Yes, for {tried} of {_count(len(promises.all), 'promise')}"
    details = (
        f"{verdict(promises, failed_tests)}.",
        *(f"Broken: {promise.name}." for promise in broken),
    )
    return Answer("Is it true today?", short, details)


def _how_long(promises: Promises, away: Figure | None, started: Figure | None) -> Answer:
    question = "How long is the app away during a move?"
    if away is None:
        return Answer(question, NOT_MEASURED, ())
    details = ["From the command that stops the app to the first correct answer on another server."]
    figures = [figure for trial in promises.trials for figure in trial.figures]
    moves = [figure for figure in figures if figure.name == APP_AWAY]
    if len(moves) > 1:
        shortest = min(moves, key=lambda move: move.measured).measured_text
        details.append(f"The longest of {len(moves)} moves in this run; the shortest: {shortest}.")
    if started is not None:
        details.append(f"{started}.")
    return Answer(question, away.measured_text, tuple(details))


def _what_is_lost(lag: Figure | None, takeover: Figure | None) -> Answer:
    details = [
        "Writes that reached a replica survive. The other writes stay on the dead server's disk; "
        "when it is back, the command “flocker conflicts” lists them. With many busy volumes, "
        "replicas lag more."
    ]
    if lag is not None:
        details.append(f"{lag}.")
    if takeover is not None:
        details.append(f"{takeover}.")
    short = NOT_MEASURED
    if lag is not None:
        short = f"Up to the last {lag.measured_text} of writes in this run"
    return Answer("What is lost when a server dies?", short, tuple(details))


def _what_was_not_tried(promises: Promises) -> Answer:
    untried = promises.of(Verdict.NOT_TRIED)
    reasons = [
        f"{_count(len(trials), 'scenario')}: {reason}"
        for reason, trials in promises.untried.items()
    ]
    short = f"{_count(len(untried), 'promise')} of {len(promises.all)}"
    if not reasons:
        short = "Nothing: every scenario ran"
    return Answer("What was not tried?", short, tuple(reasons))


def _strictness(figure: Figure) -> tuple[float, float]:
    limit = float("inf") if figure.promised is None else figure.promised
    return limit, -figure.measured


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
