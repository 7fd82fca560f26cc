"""The app is watched at its old node while it stops, and at its new one from then on."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from acceptance.app.gap import GapNeverEnded
from acceptance.app.move import AppMove
from acceptance.base.waiting import eventually
from tests.unit.acceptance.app.fake_app import WHALES, FakeApp, serving, unserved
from tests.unit.acceptance.attached import Attached, attached

__all__ = ["attached"]


def at(address: str) -> Any:
    return SimpleNamespace(address=address)


def seen_by(app: FakeApp) -> Any:
    return at(app.address)


def test_the_app_is_away_until_its_new_node_shows_the_whales(attached: list[Attached]) -> None:
    move = AppMove(lambda: True)
    with serving() as old, serving() as new:
        with move.leaving(seen_by(old), seen_by(new), WHALES):
            old.status = 503
        gap = move.wait_until_back(within=5)
        move.close()
    assert (gap.old_address, gap.new_address) == (old.address, new.address)
    assert gap.probes[-1].address == new.address
    assert any("from stop to the first correct answer" in each.name for each in attached)


def test_an_app_that_never_comes_back_leaves_its_questions(attached: list[Attached]) -> None:
    move = AppMove(lambda: True)
    with move.leaving(at(unserved()), at(unserved()), WHALES):
        pass
    with pytest.raises(GapNeverEnded):
        move.wait_until_back(within=0.3)
    move.close()
    assert [each.name for each in attached] == ["Every question to the app"]


def test_nobody_is_asked_after_the_watch_was_closed() -> None:
    before = threading.active_count()
    move = AppMove(lambda: True)
    with move.leaving(at(unserved()), at(unserved()), WHALES):
        pass
    move.close()
    eventually(threading.active_count, is_=before, within=2)


def test_an_app_that_nobody_moved_does_not_come_back() -> None:
    with pytest.raises(AssertionError, match="nobody has moved the app"):
        AppMove(lambda: True).wait_until_back(within=0.1)
