"""All trials of a driver, level by level."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from acceptance.machines.protocol import NodesNotUp
from acceptance.nodes.access import NodeAway
from host.problem import Problem
from judge.drivers.behaviours import Level
from judge.drivers.engine_stage import EngineStage
from judge.drivers.engine_trials import ENGINE_TRIALS
from judge.drivers.here import AtHand, at_hand
from judge.drivers.node_stage import on_nodes
from judge.drivers.node_trials import NODE_TRIALS
from judge.drivers.profile import Profile
from judge.drivers.recording_proxy import recording
from judge.drivers.scenario_rows import outcomes_of
from judge.drivers.socket_trials import SOCKET_TRIALS, SocketStage
from judge.drivers.trial import NotTried, Stage, Trial, try_all
from judge.drivers.verdicts import TrialOutcome, Verdict
from judge.machine.mounts import PLUGINS
from report.results import read_results

BUILT_IN = "the driver is part of the engine and has no socket"
NOT_HERE = "the profile does not say how to reach the driver on this machine (here)"
NOT_ON_NODES = "the profile does not say how to reach the driver on nodes (nodes)"
NOT_UP = "no nodes are up; type: make up"


@dataclass(frozen=True)
class Equipment:
    """The equipment besides this machine.

    Attributes:
        has_nodes: whether the nodes of the Vagrantfile are up.
        inventory: a file that lists servers to use as nodes instead.
        results: the folder of the results of the scenarios' last run.
    """

    has_nodes: bool
    inventory: Path | None
    results: Path


def outcomes(profile: Profile, equipment: Equipment) -> Iterator[TrialOutcome]:
    """Try everything that the driver claims, on all levels."""
    yield from _on_this_machine(profile)
    yield from _on_nodes(profile, equipment)
    if profile.has_scenarios:
        yield from outcomes_of(read_results(equipment.results))


def _on_this_machine(profile: Profile) -> Iterator[TrialOutcome]:
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


def _at_the_socket(profile: Profile, driver: AtHand) -> Iterator[TrialOutcome]:
    if driver.plugin is None:
        yield from _untried(Level.SOCKET, SOCKET_TRIALS, profile, BUILT_IN)
        return
    stage = SocketStage(driver.plugin, profile, driver.words)
    yield from try_all(SOCKET_TRIALS, stage, Level.SOCKET, profile.claims)


def _with_the_engine(profile: Profile, driver: AtHand) -> Iterator[TrialOutcome]:
    with ExitStack() as stack:
        proxy = None
        if driver.plugin is not None:
            path = PLUGINS / f"{profile.driver}.sock"
            proxy = stack.enter_context(recording(driver.plugin, path))
        stage = EngineStage(driver, proxy)
        yield from try_all(ENGINE_TRIALS, stage, Level.ENGINE, profile.claims)


def _on_nodes(profile: Profile, equipment: Equipment) -> Iterator[TrialOutcome]:
    if profile.nodes is None:
        yield from _untried(Level.CLUSTER, NODE_TRIALS, profile, NOT_ON_NODES)
        return
    if not equipment.has_nodes and equipment.inventory is None:
        yield from _untried(Level.CLUSTER, NODE_TRIALS, profile, NOT_UP)
        return
    try:
        with on_nodes(profile, profile.nodes, equipment.inventory) as stage:
            yield from try_all(NODE_TRIALS, stage, Level.CLUSTER, profile.claims)
    except (NotTried, NodeAway, NodesNotUp, Problem) as reason:
        yield from _untried(Level.CLUSTER, NODE_TRIALS, profile, str(reason))


def _untried(
    level: Level, trials: Iterable[Trial[Stage]], profile: Profile, reason: str
) -> Iterator[TrialOutcome]:
    claimed = [trial.behaviour for trial in trials if trial.is_claimed(profile.claims)]
    for behaviour in dict.fromkeys(claimed):
        yield TrialOutcome(behaviour, level, Verdict.NOT_TRIED, reason)
