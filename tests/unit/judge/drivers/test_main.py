"""The command: its verdicts, its exit status and its files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from judge.drivers import __main__ as command
from judge.drivers.verdicts import BehaviourVerdict, Verdict

BARE = "driver: mine\ntitle: My driver\nclaims: [quota]\n"


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the machine's mounts nor the checkout's matrix change."""
    monkeypatch.setattr(command, "leave_the_machines_mounts", lambda: None)
    monkeypatch.setattr(command, "MATRIX", tmp_path / "drivers.json")
    monkeypatch.setattr(command.signal, "signal", lambda *_: None)


def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, *more: str) -> int:
    profile = tmp_path / "mine.yml"
    profile.write_text(text)
    monkeypatch.setattr(sys, "argv", ["judge", str(profile), *more])
    return command.main()


def test_a_driver_that_nobody_can_reach_is_not_tried_and_has_not_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, BARE) == 0
    printed = capsys.readouterr()
    assert "not claimed, " in printed.out
    assert "the profile does not say how to reach the driver on this machine" in printed.err
    kept = json.loads((tmp_path / "drivers.json").read_text())["drivers"]["mine"]
    assert kept["findings"]["9"]["verdict"] == "not tried"
    assert kept["findings"]["14"]["verdict"] == "not claimed"
    assert kept["findings"]["29"]["verdict"] == "not tried"


def test_a_missing_program_is_named_with_its_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = BARE + "here: {socket: /x/mine.sock, programs: {no-such-program: its-package}}\n"
    assert run(monkeypatch, tmp_path, text) == 0
    found = json.loads((tmp_path / "drivers.json").read_text())["drivers"]["mine"]["findings"]
    assert "no-such-program not installed here" in found["9"]["reason"]
    assert "apt-get install its-package" in found["9"]["reason"]


def test_the_verdicts_are_printed_as_json_on_request(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, tmp_path, BARE, "--json")
    printed = json.loads(capsys.readouterr().out)
    assert printed["title"] == "My driver"
    assert len(printed["findings"]) == 35


def test_one_failure_fails_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    findings = {number: BehaviourVerdict(Verdict.HELD) for number in range(1, 36)}
    findings[9] = BehaviourVerdict(Verdict.FAILED, "lost it", (1,))
    monkeypatch.setattr(command, "judge", lambda *_: findings)
    assert run(monkeypatch, tmp_path, BARE) == 1


def test_a_wrong_profile_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, "driver: mine\n") == 2
    assert "title: field required" in capsys.readouterr().err


def test_a_wrong_inventory_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, BARE, "--inventory", str(tmp_path / "none.yml")) == 2
    assert "none.yml: there is no such file" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["", "none.yml"])
def test_without_a_profile_the_command_says_how_to_name_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["judge", path])
    assert command.main() == 2
    assert "make judge DRIVER=features/drivers/local.yml" in capsys.readouterr().err
