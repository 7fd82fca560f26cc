"""The promises that the feature files make, each with its verdict in one run.

A rule of a feature is a promise, and its scenarios are how it is tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from behave.model import Feature
from behave.parser import parse_file

from report.figure import Figure
from report.identity import Place, history_id_of, labels_of, name_of, place_of
from report.results import Result

SEVERITIES = ("blocker", "critical", "normal", "minor", "trivial")
NOT_FINISHED = "wip"
NOT_IN_THIS_RUN = "not part of this run"


class Verdict(Enum):
    """The outcome of a scenario or a promise; the value is the word that the page shows."""

    HOLDS = "holds"
    BROKEN = "broken"
    NOT_TRIED = "not tried"


@dataclass(frozen=True)
class Planned:
    """A scenario in a feature file."""

    history_id: str
    name: str
    place: Place


@dataclass(frozen=True)
class Trial:
    """A scenario as the page shows it. `reason` says why it failed or was not tried."""

    name: str
    place: Place
    result: Result | None

    @property
    def verdict(self) -> Verdict:
        if self.result is None or self.result.status == "skipped":
            return Verdict.NOT_TRIED
        return Verdict.HOLDS if self.result.status == "passed" else Verdict.BROKEN

    @property
    def reason(self) -> str:
        return NOT_IN_THIS_RUN if self.result is None else self.result.message

    @property
    def figures(self) -> list[Figure]:
        return [] if self.result is None else self.result.figures


@dataclass(frozen=True)
class Promise:
    """A rule with its scenarios."""

    name: str
    trials: tuple[Trial, ...]

    @property
    def verdict(self) -> Verdict:
        """Broken if one scenario is; not tried only if none was."""
        found = {trial.verdict for trial in self.trials}
        for verdict in (Verdict.BROKEN, Verdict.HOLDS):
            if verdict in found:
                return verdict
        return Verdict.NOT_TRIED

    @property
    def untried(self) -> int:
        """The number of scenarios that were not tried."""
        return sum(trial.verdict is Verdict.NOT_TRIED for trial in self.trials)

    @property
    def figures(self) -> list[Figure]:
        """The worst of each figure that its scenarios measured."""
        return worst(figure for trial in self.trials for figure in trial.figures)


@dataclass(frozen=True)
class Part:
    """A feature with its promises."""

    name: str
    promises: tuple[Promise, ...]


@dataclass(frozen=True)
class Epic:
    """The features that belong together."""

    name: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Promises:
    """All promises, the most important first."""

    epics: tuple[Epic, ...] = field(default=())

    @property
    def all(self) -> list[Promise]:
        return [promise for epic in self.epics for part in epic.parts for promise in part.promises]

    @property
    def trials(self) -> list[Trial]:
        return [trial for promise in self.all for trial in promise.trials]

    def of(self, verdict: Verdict) -> list[Promise]:
        """The promises with this verdict."""
        return [promise for promise in self.all if promise.verdict is verdict]

    @property
    def untried(self) -> dict[str, list[Trial]]:
        """Reason -> the scenarios that were not tried because of it; the most frequent first."""
        reasons: dict[str, list[Trial]] = {}
        for trial in self.trials:
            if trial.verdict is Verdict.NOT_TRIED:
                reasons.setdefault(trial.reason, []).append(trial)
        return dict(sorted(reasons.items(), key=lambda item: -len(item[1])))


def worst(figures: Iterable[Figure]) -> list[Figure]:
    """The largest measured value of each name and promise, in the order of first appearance."""
    found: dict[tuple[str, float | None], Figure] = {}
    for figure in figures:
        key = (figure.name, figure.promised)
        if key not in found or figure.measured > found[key].measured:
            found[key] = figure
    return list(found.values())


def read_plan(folder: Path) -> list[Planned]:
    """Every scenario of a folder of feature files that is meant to run."""
    parsed = (parse_file(str(path)) for path in sorted(folder.glob("**/*.feature")))
    return [
        Planned(
            history_id_of(scenario),
            name_of(scenario),
            place_of({label.name: label.value for label in labels_of(scenario)}),
        )
        for feature in parsed
        if isinstance(feature, Feature)
        for scenario in feature.walk_scenarios()
        if NOT_FINISHED not in scenario.effective_tags
    ]


def judge(plan: Sequence[Planned], results: Sequence[Result]) -> Promises:
    """Join plan and results; a result of a scenario that is no longer planned comes last."""
    by_id = {result.history_id: result for result in results}
    trials = [Trial(each.name, each.place, by_id.pop(each.history_id, None)) for each in plan]
    trials += [Trial(result.name, result.place, result) for result in by_id.values()]
    return Promises(_epics(trials))


def _epics(trials: Sequence[Trial]) -> tuple[Epic, ...]:
    """Order epics and features by their most important scenario, rules as they are written."""
    return tuple(
        Epic(
            epic,
            tuple(
                Part(
                    part,
                    tuple(
                        Promise(rule, tuple(of_rule))
                        for rule, of_rule in _grouped(of_part, "rule").items()
                    ),
                )
                for part, of_part in _by_importance(_grouped(of_epic, "feature"))
            ),
        )
        for epic, of_epic in _by_importance(_grouped(trials, "epic"))
    )


def _grouped(trials: Iterable[Trial], level: str) -> dict[str, list[Trial]]:
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(getattr(trial.place, level), []).append(trial)
    return groups


def _by_importance(groups: dict[str, list[Trial]]) -> list[tuple[str, list[Trial]]]:
    return sorted(
        groups.items(),
        key=lambda group: min(SEVERITIES.index(trial.place.severity) for trial in group[1]),
    )
