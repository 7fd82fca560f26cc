"""What ends up in the report, read back from what Allure was given."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import allure_commons
import pytest
from PIL import Image

from acceptance import evidence
from acceptance.app import CORRECT, NODE_DOWN, Gap, Probe
from acceptance.cluster import Typed


@dataclass
class Attached:
    name: str
    body: Any
    extension: str


class Recorder:
    """Stands where a formatter would."""

    def __init__(self) -> None:
        self.attached: list[Attached] = []

    @allure_commons.hookimpl
    def attach_data(self, body: Any, name: str, attachment_type: Any, extension: str) -> None:
        self.attached.append(Attached(name, body, extension or attachment_type.extension))


@pytest.fixture
def attached() -> Iterator[list[Attached]]:
    recorder = Recorder()
    allure_commons.plugin_manager.register(recorder)
    yield recorder.attached
    allure_commons.plugin_manager.unregister(recorder)


GAP = Gap(
    2.5,
    "node1",
    "node2",
    (
        Probe(0.01, "node1", CORRECT),
        Probe(0.11, "node1", "no connection"),
        Probe(1.0, "node2", NODE_DOWN),
        Probe(1.5, "node2", "wrong whales: <none>"),
        Probe(2.5, "node2", CORRECT),
    ),
)


def picture(size: tuple[int, int], colour: str) -> bytes:
    png = io.BytesIO()
    Image.new("RGB", size, colour).save(png, "PNG")
    return png.getvalue()


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


def test_two_screenshots_become_one_picture(attached: list[Attached]) -> None:
    evidence.side_by_side(
        picture((40, 30), "red"), picture((60, 20), "blue"), ("before, node1", "after, node2")
    )
    assert attached[0].name == "before, node1 | after, node2"
    assert attached[0].extension == "png"
    sheet = Image.open(io.BytesIO(attached[0].body))
    margin, top = evidence.MARGIN_PIXELS, evidence.TITLE_PIXELS
    assert sheet.size == (40 + 60 + 3 * margin, 30 + top + margin)
    assert sheet.getpixel((margin, top)) == (255, 0, 0)
    assert sheet.getpixel((margin + 39, top + 29)) == (255, 0, 0)
    assert sheet.getpixel((2 * margin + 40, top)) == (0, 0, 255)
    titles = sheet.crop((0, 0, sheet.width, top - 1)).getcolors()
    assert titles is not None
    assert len(titles) > 1, "nothing is written above the pictures"


def test_a_gap_is_drawn_and_listed(attached: list[Attached]) -> None:
    evidence.gap(GAP)
    drawing, table = attached
    assert drawing.name == "2.5 s from stop to the first correct answer"
    svg = ElementTree.fromstring(drawing.body)  # noqa: S314  our own text
    dots = [
        circle
        for circle in svg.iter("{http://www.w3.org/2000/svg}circle")
        if circle.find("{http://www.w3.org/2000/svg}title") is not None
    ]
    assert len(dots) == len(GAP.probes)
    assert len({dot.get("cy") for dot in dots}) == 2
    assert [dot.get("fill") for dot in dots] == [
        "#2e9e5b", "#d1493f", "#9aa5b1", "#d1493f", "#2e9e5b",
    ]  # fmt: skip
    rows = list(csv.reader(io.StringIO(table.body)))
    assert rows[0] == ["seconds", "address", "outcome"]
    assert rows[2] == ["0.11", "node1", "no connection"]
    assert len(rows) == len(GAP.probes) + 1


@pytest.mark.parametrize("seconds", [0.0, 0.05, 9.9, 59.0, 3600.0])
def test_any_gap_can_be_drawn(seconds: float) -> None:
    gap = Gap(seconds, "node1", "node2", (Probe(seconds, "node2", CORRECT),))
    ElementTree.fromstring(evidence.draw_gap(gap))  # noqa: S314  our own text


def test_owners_are_compared_volume_by_volume(attached: list[Attached]) -> None:
    evidence.owners({"demo": "node1", "old": "node2"}, {"demo": "node2"})
    assert list(csv.reader(io.StringIO(attached[0].body))) == [
        ["volume", "before", "after"],
        ["demo", "node1", "node2"],
        ["old", "node2", "-"],
    ]


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
