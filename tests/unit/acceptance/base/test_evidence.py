"""Evidence as the report gets it, read back from what Allure was given."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest

from acceptance.base import evidence, speed
from acceptance.base.command import Typed
from acceptance.base.speed import Speed
from report import attachments
from report.figure import Figure
from tests.unit.acceptance.attached import Attached, attached

__all__ = ["attached"]


def test_a_command_reads_like_a_terminal(attached: list[Attached]) -> None:
    evidence.typed(Typed("admin", "node1", "docker-compose stop", "Stopping redis\n", 0, 1.234))
    assert attached == [
        Attached(
            "node1$ docker-compose stop",
            "admin@node1:~$ docker-compose stop\nStopping redis\n\n[exit status 0 after 1.2 s]\n",
            "txt",
        )
    ]


def test_a_command_without_output_and_one_of_many_lines(attached: list[Attached]) -> None:
    loop = "for x in 1 2\ndo echo $x\ndone" + " " * 200 + "|" * 200
    evidence.typed(Typed("admin", "node1", "true", "", 0, 0))
    evidence.typed(Typed("admin", "node1", loop, "1\n", 1, 0))
    assert attached[0].body == "admin@node1:~$ true\n\n[exit status 0 after 0.0 s]\n"
    assert "\n" not in attached[1].name
    assert len(attached[1].name) < 120


def test_a_command_typed_in_the_repository_has_nobodys_prompt(attached: list[Attached]) -> None:
    evidence.typed(Typed(None, "your machine", "make help", "demo\n", 0, 0.1))
    assert attached == [
        Attached(
            "your machine$ make help", "$ make help\ndemo\n\n[exit status 0 after 0.1 s]\n", "txt"
        )
    ]


def test_owners_are_compared_volume_by_volume(attached: list[Attached]) -> None:
    evidence.owners({"demo": "node1", "old": "node2"}, {"demo": "node2"})
    assert list(csv.reader(io.StringIO(attached[0].body))) == [
        ["volume", "before", "after"],
        ["demo", "node1", "node2"],
        ["old", "node2", "-"],
    ]


def test_owners_that_stay_are_not_listed(attached: list[Attached]) -> None:
    evidence.owners({"demo": "node1"}, {"demo": "node1"})
    evidence.owners({}, {})
    assert attached == []


def test_a_figure_is_kept_beside_its_promise(attached: list[Attached]) -> None:
    assert evidence.figure("Takeover", measured=14.2, promised=30) == 30
    assert attached[0].name == "Takeover: 14.2 s (promised: at most 30 s)"
    assert attached[0].extension == attachments.FIGURE
    assert Figure.from_json(attached[0].body) == Figure("Takeover", 14.2, 30, 30, "s")


def test_slow_nodes_are_allowed_more_time_but_not_more_data(
    attached: list[Attached], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "NODES", Speed(10.0))
    assert evidence.figure("List", measured=400, promised=100, unit="ms") == 1000
    assert evidence.figure("Received", measured=11, promised=12, unit="MB") == 12
    assert evidence.figure("Away", measured=3) == math.inf
    assert "1000 ms allowed on these slow nodes" in attached[0].name


def test_logs_keep_their_names(attached: list[Attached]) -> None:
    evidence.logs({"node1: journal": "started\n", "node2: journal": ""})
    assert [(log.name, log.body) for log in attached] == [
        ("node1: journal", "started\n"),
        ("node2: journal", "(empty)"),
    ]


def test_the_environment_is_kept_for_the_report(tmp_path: Path) -> None:
    path = tmp_path / "build" / "environment.json"
    evidence.environment({"Provider": "docker"}, path)
    assert list(json.loads(path.read_text())) == ["Provider", "behave"]
