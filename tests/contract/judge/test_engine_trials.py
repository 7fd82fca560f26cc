"""Level 2 on Docker's own driver, and on a plugin that is right or wrong in one way."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from judge.drivers.behaviours import Claim, Level
from judge.drivers.engine_stage import EngineStage
from judge.drivers.engine_trials import ENGINE_TRIALS
from judge.drivers.here import AtHand
from judge.drivers.plugin_socket import PluginSocket
from judge.drivers.profile import Budgets, Here, Profile, read
from judge.drivers.recording_proxy import recording
from judge.drivers.trial import try_all
from judge.drivers.verdicts import TrialOutcome, Verdict
from judge.machine.engine import OwnEngine, own_engine
from judge.machine.mounts import PLUGINS
from judge.machine.programs import Program
from tests.contract.judge.small_plugin import DEFECTS_IN_AN_ENGINE

pytestmark = pytest.mark.contract

ROOT = Path(__file__).parents[3]
SHOWN = (2, 8, 9, 10, 11, 12, 24)
SMALL = Profile(
    driver="small",
    title="A small plugin",
    claims=frozenset({Claim.STATUS, Claim.SURVIVES_RESTART}),
    here=Here(socket="{folder}/small.sock", options={"colour": "red"}),
    other_options={"colour": "green"},
    bad_options={"size": "huge"},
    budgets=Budgets(release=3),
)


@pytest.fixture(scope="module")
def engine() -> Iterator[OwnEngine]:
    with own_engine() as running:
        yield running


@contextmanager
def small_plugin(engine: OwnEngine, defect: str = "") -> Iterator[EngineStage]:
    """The plugin, always under one name: an engine waits for each that it has found once."""
    with tempfile.TemporaryDirectory(prefix="small-", dir="/tmp") as folder:
        path = Path(folder) / "small.sock"
        module = "tests.contract.judge.small_plugin"
        program = Program(
            [sys.executable, "-m", module, str(path), folder, *([defect] if defect else [])],
            Path(folder) / "log",
        )
        driver = AtHand(SMALL, engine, PluginSocket(path, 5), program, {})
        driver.restart_driver()
        try:
            with recording(PluginSocket(path, 5), PLUGINS / "small.sock") as proxy:
                yield EngineStage(driver, proxy)
        finally:
            program.stop()


def outcomes(stage: EngineStage, *rows: int) -> list[TrialOutcome]:
    trials = [trial for trial in ENGINE_TRIALS if not rows or trial.behaviour in rows]
    return list(try_all(trials, stage, Level.ENGINE, stage.profile.claims))


def with_verdict(found: list[TrialOutcome], verdict: Verdict) -> dict[int, str]:
    return {each.behaviour: each.reason for each in found if each.verdict is verdict}


def test_dockers_own_driver_ignores_other_options_and_holds_the_rest(engine: OwnEngine) -> None:
    """It comes first: later the engine would ask a plugin that is not there any more."""
    profile = read(ROOT / "features" / "drivers" / "local.yml")
    stage = EngineStage(AtHand(profile, engine, None, None, {}), None)
    found = outcomes(stage)
    assert set(with_verdict(found, Verdict.FAILED)) == {3}
    assert set(with_verdict(found, Verdict.NOT_TRIED)) == {26}
    assert {9, 10, 11, 12, 13, 21, 22, 23, 31, 33} <= set(with_verdict(found, Verdict.HELD))


def test_a_plugin_that_is_right_holds_everything(engine: OwnEngine) -> None:
    with small_plugin(engine) as stage:
        found = outcomes(stage)
    assert with_verdict(found, Verdict.FAILED) == {}
    assert set(with_verdict(found, Verdict.NOT_TRIED)) == {3}  # an engine does not ask twice
    assert len(with_verdict(found, Verdict.HELD)) == len(ENGINE_TRIALS) - 2  # 29 is not claimed


@pytest.mark.parametrize("defect", DEFECTS_IN_AN_ENGINE)
def test_each_defect_fails_its_behaviours_and_no_others(engine: OwnEngine, defect: str) -> None:
    with small_plugin(engine, defect) as stage:
        failed = with_verdict(outcomes(stage, *SHOWN), Verdict.FAILED)
    assert set(failed) == DEFECTS_IN_AN_ENGINE[defect], failed
    assert all(failed.values()), "a failure without a reason"


def test_a_proxy_counts_mounts_and_unmounts_of_each_use(engine: OwnEngine) -> None:
    with small_plugin(engine) as stage, stage.volume() as name:
        assert stage.proxy is not None
        container = stage.start(name)
        assert list(stage.proxy.uses(name).values()) == [1]
        stage.remove(container)
        assert stage.proxy.uses(name) == {}
        assert [each.error for each in stage.proxy.calls("Mount", name)] == [""]
        assert len(stage.proxy.calls("Create", name)) == 1


def test_a_use_that_does_not_end_is_told(engine: OwnEngine) -> None:
    with small_plugin(engine) as stage, stage.volume() as name:
        assert stage.proxy is not None
        stage.start(name)
        broken = replace(stage, proxy=stage.proxy)
        with pytest.raises(Exception, match="mounted more often than it unmounted"):
            broken.require_no_use(name)
