"""What every storage owes the web app: one suite for real ones, stopped, killed and frozen."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from acceptance.base.waiting import eventually
from tests.contract.app.app_processes import READY_SECONDS, STOP_SECONDS, StorageServer
from tests.contract.app.web_app import WebApp

pytestmark = pytest.mark.contract


def test_whales_are_listed_in_the_order_of_their_coming(
    app: WebApp, storage: StorageServer
) -> None:
    assert app.whales() == []
    for whale in ["10:20", "0:0", "10000:10000", "10:20"]:
        answer = app.post(whale)
        assert (answer.status_code, answer.text) == (200, "ok")
    assert app.whales() == ["10:20", "0:0", "10000:10000", "10:20"]
    assert storage.whales() == app.whales()


def test_an_acknowledged_whale_survives_the_death_of_its_storage(
    app: WebApp, storage: StorageServer
) -> None:
    assert app.post("1:2").text == "ok"
    storage.crash()
    storage.start()
    assert storage.whales() == ["1:2"]
    assert app.whales() == ["1:2"]


def test_whales_placed_at_once_are_all_saved(app: WebApp, storage: StorageServer) -> None:
    whales = [f"{number}:{number}" for number in range(20)]
    with ThreadPoolExecutor(len(whales)) as visitors:
        answers = list(visitors.map(app.post, whales))
    assert [answer.text for answer in answers] == ["ok"] * len(whales)
    storage.crash()
    storage.start()
    assert sorted(storage.whales()) == sorted(whales)


def test_without_its_storage_nothing_is_acknowledged_and_it_heals_by_itself(
    app: WebApp, storage: StorageServer
) -> None:
    # Several at once, so that the app keeps several connections, all dead afterwards.
    with ThreadPoolExecutor(5) as visitors:
        placed = ["1:1", "2:2", "3:3", "4:4", "5:5"]
        assert all(answer.is_success for answer in visitors.map(app.post, placed))
    assert app.is_connected()

    storage.stop()
    assert not app.is_connected()
    refused = app.post("9:9")
    assert refused.status_code == 503
    assert refused.text.startswith(f"{storage.name} did not take the whale: ")
    assert app.http.get("/v1/whales").status_code == 503

    storage.start()
    with ThreadPoolExecutor(5) as visitors:
        again = ["6:6", "7:7", "8:8", "10:10", "11:11"]
        assert all(answer.is_success for answer in visitors.map(app.post, again))
    assert app.is_connected()
    assert sorted(app.whales()) == sorted(placed + again)


def test_the_log_tells_once_when_the_storage_went_and_came_back(
    app: WebApp, storage: StorageServer
) -> None:
    app.is_connected()
    storage.stop()
    assert [app.is_connected() for _ in range(3)] == [False] * 3
    storage.start()
    assert [app.is_connected() for _ in range(3)] == [True] * 3
    log = app.log.read_text()
    assert log.count("storage is connected") == 2
    assert log.count("storage is away") == 1
    assert "GET" not in log, "one line per request is too many"


def test_a_frozen_storage_counts_as_away(app: WebApp, storage: StorageServer) -> None:
    assert app.is_connected()
    storage.send(signal.SIGSTOP)
    try:
        assert not app.is_connected()
    finally:
        storage.send(signal.SIGCONT)
    assert app.is_connected()


def test_a_storage_that_is_only_slow_does_not_count_as_away(
    app: WebApp, storage: StorageServer
) -> None:
    """The page would drop what is clicked meanwhile."""
    assert app.is_connected()
    storage.send(signal.SIGSTOP)
    goes_on = threading.Timer(1.5, storage.send, [signal.SIGCONT])
    goes_on.start()
    try:
        assert app.is_connected()
    finally:
        goes_on.join()


def test_a_whale_that_cannot_be_saved_is_refused_and_not_shown(
    app: WebApp, storage: StorageServer
) -> None:
    assert app.post("1:2").text == "ok"
    storage.refuse()
    refused = app.post("1:2")
    assert refused.status_code == 503
    assert refused.text.startswith(f"{storage.name} did not ")
    assert refused.text.count("\n") == 0
    assert app.whales() == ["1:2"], "exactly the refused one is missing"

    storage.accept()
    assert app.post("3:4").text == "ok"
    assert app.whales() == ["1:2", "3:4"]


def test_both_processes_end_at_once_with_a_visitor_connected(
    app: WebApp, storage: StorageServer
) -> None:
    assert app.post("1:2").text == "ok"  # httpx2 keeps this connection open
    threading.Thread(target=app.is_connected).start()
    assert app.stop() < STOP_SECONDS / 2
    storage.put("3:4")
    assert storage.stop() < STOP_SECONDS / 2
    storage.start()
    assert storage.whales() == ["1:2", "3:4"], "it saves when it is told to end"


def test_the_app_serves_before_its_storage_is_there(app: WebApp, storage: StorageServer) -> None:
    app.stop()
    storage.stop()
    app.start()
    assert not app.is_connected()
    storage.start()
    eventually(app.is_connected, is_=True, within=READY_SECONDS)


def test_a_full_sea_takes_no_more_whales(app: WebApp, storage: StorageServer) -> None:
    assert app.post("1:1").is_success
    storage.put(*["2:2"] * 9_998)
    assert app.post("3:3").text == "ok"
    refused = app.post("4:4")
    assert refused.status_code == 409
    assert refused.text == "the sea is full: there are 10000 whales in it"
    assert storage.whales() == ["1:1", *["2:2"] * 9_998, "3:3"]
