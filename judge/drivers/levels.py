"""All trials of a driver, level by level."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from judge.drivers.behaviours import Level
from judge.drivers.engine_stage import EngineStage
from judge.drivers.engine_trials import ENGINE_TRIALS
from judge.drivers.here import AtHand, at_hand
from judge.drivers.profile import Profile
from judge.drivers.recording_proxy import recording
from judge.drivers.scenario_rows import outcomes_of
from judge.drivers.socket_trials import SOCKET_TRIALS, SocketStage
from judge.drivers.trial import NotTried, Stage, Trial, try_all
from judge.drivers.verdicts import Outcome, Verdict
from judge.machine.mounts import PLUGINS
from report.results import read_results

BUILT_IN = "the driver is part of the engine and has no socket"
NOT_HERE = "the profile does not say how to reach the driver on this machine (here)"


def outcomes(profile: Profile, results: Path) -> Iterator[Outcome]:
    """Try everything that the driver claims.

    Args:
        results: the folder of the results of the scenarios' last run.
    """
    yield from _on_this_machine(profile)
    if profile.has_scenarios:
        yield from outcomes_of(read_results(results))


def _on_this_machine(profile: Profile) -> Iterator[Outcome]:
    if profile.here is None:
        yield from _untried(Level.SOCKET, SOCKET_TRIALS, profile, NOT_HERE)
        yield from _untried(Level.ENGINE, ENGINE_TRIALS, profile, NOT_HERE)
        return
    try:
        with at_hand(profile, profile.here) as driver:
            yield from _at_the_socket(profile, driver)
            yield from _with_the_engine(profile, driver)
    except NotTried as reason:
        yield from _untried(Level.SOCKET, SOCKET_TRIALS, profile, str(reason))
        yield from _untried(Level.ENGINE, ENGINE_TRIALS, profile, str(reason))


def _at_the_socket(profile: Profile, driver: AtHand) -> Iterator[Outcome]:
    if driver.plugin is None:
        yield from _untried(Level.SOCKET, SOCKET_TRIALS, profile, BUILT_IN)
        return
    stage = SocketStage(driver.plugin, profile, driver.words)
    yield from try_all(SOCKET_TRIALS, stage, Level.SOCKET, profile.claims)


def _with_the_engine(profile: Profile, driver: AtHand) -> Iterator[Outcome]:
    with ExitStack() as stack:
        proxy = None
        if driver.plugin is not None:
            path = PLUGINS / f"{profile.driver}.sock"
            proxy = stack.enter_context(recording(driver.plugin, path))
        stage = EngineStage(driver, proxy)
        yield from try_all(ENGINE_TRIALS, stage, Level.ENGINE, profile.claims)


def _untried(
    level: Level, trials: Iterable[Trial[Stage]], profile: Profile, reason: str
) -> Iterator[Outcome]:
    claimed = [trial.behaviour for trial in trials if trial.is_claimed(profile.claims)]
    for behaviour in dict.fromkeys(claimed):
        yield Outcome(behaviour, level, Verdict.NOT_TRIED, reason)
