"""The app's client and the measurement of its absence, against small servers that misbehave."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import requests

from acceptance.app.client import MobyCounter
from acceptance.app.gap import GapNeverEnded, GapWatch
from acceptance.app.whale import Whale
from acceptance.base.waiting import eventually
from tests.unit.acceptance.app.fake_app import WHALES, FakeApp, serving, unserved


@pytest.fixture
def app() -> Iterator[FakeApp]:
    with serving() as app:
        yield app


@pytest.fixture
def other() -> Iterator[FakeApp]:
    with serving() as app:
        yield app


def always() -> bool:
    return True


def test_whales_come_in_order_as_numbers(app: FakeApp) -> None:
    assert MobyCounter(app.address).whales() == WHALES


@pytest.mark.parametrize(
    "answer", ['["10"]', '["a:b"]', '{"10": 20}', '["1:2:3"]', '["-1:2"]', "<"]
)
def test_an_answer_that_is_no_list_of_whales_is_an_error(app: FakeApp, answer: str) -> None:
    app.whales = answer
    with pytest.raises(ValueError):
        MobyCounter(app.address).whales()


def test_place_posts_the_whale_and_wants_ok(app: FakeApp) -> None:
    counter = MobyCounter(app.address)
    counter.place(Whale(10, 20))
    assert app.posted == ["10:20"]
    app.said = "maybe"
    with pytest.raises(ValueError, match="maybe"):
        counter.place(Whale(10, 20))


def test_ping_tells_whether_redis_is_there(app: FakeApp) -> None:
    assert MobyCounter(app.address).ping() is False


def test_an_error_status_comes_with_what_the_app_said(app: FakeApp) -> None:
    app.status, app.said = 503, "the whales are away"
    with pytest.raises(requests.HTTPError, match="503 the whales are away"):
        MobyCounter(app.address).place(Whale(1, 2))


def test_a_proxy_of_the_host_is_not_used(app: FakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://{unserved()}")
    assert MobyCounter(app.address).whales() == WHALES


def test_the_gap_ends_with_the_first_correct_answer_of_the_new_address(
    app: FakeApp, other: FakeApp
) -> None:
    other.status = 503
    with GapWatch(app.address, other.address, expected=WHALES, is_up=always) as running:
        wait_for_outcome(running, "correct")
        running.turn_to_new()
        wait_for_outcome(running, "status 503")
        other.status, other.whales = 200, "[]"
        wait_for_outcome(running, "wrong whales: []")
        other.whales = app.whales
        gap = running.wait(within=5)
    assert gap.probes[-1].outcome == "correct"
    assert gap.probes[-1].address == other.address == gap.new_address
    assert gap.seconds == gap.probes[-1].at_seconds
    assert [probe.at_seconds for probe in gap.probes] == sorted(
        probe.at_seconds for probe in gap.probes
    )
    # Ten a second and no more; a busy machine may miss some.
    assert len(gap.probes) <= 10 * gap.seconds + 1


def test_a_gap_that_does_not_end_says_what_was_last_seen(app: FakeApp) -> None:
    gone = unserved()
    with GapWatch(app.address, gone, expected=WHALES, is_up=always) as running:
        running.turn_to_new()
        with pytest.raises(GapNeverEnded, match=f"within 0.5 s; last: {gone}: no connection"):
            running.wait(within=0.5)
    assert {probe.outcome for probe in running.probes} <= {"no connection", "correct"}


def test_the_old_address_never_ends_the_gap(app: FakeApp) -> None:
    with (
        GapWatch(app.address, app.address, expected=WHALES, is_up=always) as running,
        pytest.raises(GapNeverEnded, match=rf"last: {app.address}: correct"),
    ):
        running.wait(within=0.3)


def test_a_node_that_is_down_is_not_asked(app: FakeApp) -> None:
    with GapWatch(app.address, app.address, expected=WHALES, is_up=lambda: False) as running:
        running.turn_to_new()
        with pytest.raises(GapNeverEnded, match="node down, not asked"):
            running.wait(within=0.3)
    assert {probe.outcome for probe in running.probes} == {"node down, not asked"}


def test_leaving_ends_the_questions(app: FakeApp) -> None:
    before = threading.active_count()
    with pytest.raises(KeyError), GapWatch(app.address, "", expected=WHALES, is_up=always):
        raise KeyError("the step failed")
    eventually(threading.active_count, is_=before, within=2)


def wait_for_outcome(running: GapWatch, outcome: str) -> None:
    def seen() -> bool:
        return any(probe.outcome == outcome for probe in running.probes)

    eventually(seen, is_=True, within=5)
