"""A figure's text, and its way through an attachment."""

from __future__ import annotations

import pytest

from report.figure import Figure


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (Figure("Takeover", 14.23, 30, 30, "s"), "Takeover: 14.2 s (promised: at most 30 s)"),
        (Figure("Answer", 0.043, 1, 1, "s"), "Answer: 0.04 s (promised: at most 1 s)"),
        (Figure("Away", 3.44, None, None, "s"), "Away: 3.4 s"),
        (Figure("List", 212.4, 100, 250, "ms"),
         "List: 212 ms (promised: at most 100 ms; 250 ms allowed on these slow nodes)"),
    ],
)  # fmt: skip
def test_a_figure_names_measure_and_promise(figure: Figure, text: str) -> None:
    assert str(figure) == text


def test_a_figure_survives_the_attachment() -> None:
    figure = Figure("Takeover", 14.23, 30, 30, "s")
    assert Figure.from_json(figure.to_json()) == figure
