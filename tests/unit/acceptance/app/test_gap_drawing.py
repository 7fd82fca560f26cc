"""How the report shows that the app was away."""

from __future__ import annotations

import csv
import io
from xml.etree import ElementTree

import pytest

from acceptance.app import gap_drawing
from acceptance.app.gap import CORRECT, NODE_DOWN, Gap, Probe
from report.figure import APP_AWAY, Figure
from tests.unit.acceptance.attached import Attached, attached

__all__ = ["attached"]

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


def test_a_gap_is_drawn_and_listed(attached: list[Attached]) -> None:
    gap_drawing.attach(GAP)
    drawing, figure, table = attached
    assert Figure.from_json(figure.body) == Figure(APP_AWAY, 2.5, None, None, "s")
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
    ElementTree.fromstring(gap_drawing.draw(gap))  # noqa: S314  our own text
