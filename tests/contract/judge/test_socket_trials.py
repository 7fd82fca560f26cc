"""Level 1 on a plugin that is right, and on ones that are wrong in one way each."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from judge.drivers.behaviours import Claim, Level
from judge.drivers.plugin_socket import PluginSocket
from judge.drivers.profile import Here, Profile
from judge.drivers.socket_trials import SOCKET_TRIALS, SocketStage
from judge.drivers.trial import try_all
from judge.drivers.verdicts import TrialOutcome, Verdict
from tests.contract.judge.small_plugin import DEFECTS, serving

pytestmark = pytest.mark.contract

PROFILE = Profile(
    driver="small",
    title="A small plugin",
    claims=frozenset({Claim.STATUS}),
    here=Here(socket="{folder}/small.sock", options={"colour": "red"}),
    other_options={"colour": "green"},
    bad_options={"size": "huge"},
)
ANSWER_SECONDS = 1.0


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="small-", dir="/tmp") as short:  # it holds a socket
        yield Path(short)


def outcomes(folder: Path, defect: str = "") -> list[TrialOutcome]:
    path = folder / "small.sock"
    with serving(path, folder, defect):
        stage = SocketStage(PluginSocket(path, ANSWER_SECONDS), PROFILE, words={})
        return list(try_all(SOCKET_TRIALS, stage, Level.SOCKET, PROFILE.claims))


def failed(found: list[TrialOutcome]) -> dict[int, str]:
    return {each.behaviour: each.reason for each in found if each.verdict is Verdict.FAILED}


def test_a_plugin_that_is_right_holds_everything(folder: Path) -> None:
    found = outcomes(folder)
    assert failed(found) == {}
    assert {each.behaviour for each in found if each.verdict is Verdict.HELD} == {
        trial.behaviour for trial in SOCKET_TRIALS
    }


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_fails_its_behaviours_and_no_others(folder: Path, defect: str) -> None:
    found = failed(outcomes(folder, defect))
    assert set(found) == DEFECTS[defect], found
    assert all(found.values()), "a failure without a reason"


def test_a_plugin_that_is_not_there_fails_everything_it_claims(folder: Path) -> None:
    stage = SocketStage(PluginSocket(folder / "none.sock", ANSWER_SECONDS), PROFILE, words={})
    found = list(try_all(SOCKET_TRIALS, stage, Level.SOCKET, PROFILE.claims))
    assert {each.verdict for each in found} == {Verdict.FAILED}
    assert all("no answer" in each.reason or "No such file" in each.reason for each in found)
