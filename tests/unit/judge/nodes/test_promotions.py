"""Promotions are read from the volumes' histories, with the epoch and the promise of each."""

from __future__ import annotations

from typing import Any

import pytest

from judge.nodes.clock import Clock
from judge.nodes.promotions import History


def event(what: str, second: int, node: str = "node2", why: str = "", volume: str = "a") -> Any:
    at = f"2126-01-01T00:00:{second:02}.000+00:00"
    return {"volume": volume, "at": at, "node": node, "what": what, "why": why, "by": ""}


WHY = (
    "node1 is away: its lease ran out; "
    "what it wrote after 2126-01-01T00:00:03.500+00:00 may be lost"
)


def test_a_promotion_has_its_epoch_and_its_promise() -> None:
    history, clock = History(), Clock()
    history.see([event("created", 1), event("moved", 2), event("promoted", 10, why=WHY)])
    history.see([event("promoted", 10, why=WHY), event("snapshot", 11), event("moved", 12)])
    [promoted] = history.promotions({"a": 4, "b": 1}, clock)
    assert (promoted.volume, promoted.node, promoted.former) == ("a", "node2", "node1")
    assert promoted.epoch == 3  # the move after it began the fourth
    assert promoted.complete_until is not None
    assert promoted.at - promoted.complete_until == pytest.approx(6.5)


def test_an_earlier_volume_of_the_name_does_not_count() -> None:
    history = History()
    history.see([{**event("promoted", 10, why=WHY), "at": "2026-01-01T00:00:00.000+00:00"}])
    assert list(history.promotions({"a": 2}, Clock())) == []


def test_without_a_time_everything_is_promised() -> None:
    history = History()
    history.see([event("promoted", 10, why="node1 is away")])
    [promoted] = history.promotions({"a": 2}, Clock())
    assert promoted.complete_until is None
