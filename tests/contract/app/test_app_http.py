"""What the web app promises over HTTP, with a real Redis that is stopped, killed and frozen."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse

import pytest

from acceptance.waiting import eventually
from tests.contract.app.app_processes import READY_SECONDS, STOP_SECONDS, RedisServer, WebApp

pytestmark = pytest.mark.contract


def test_whales_are_listed_in_the_order_of_their_coming(app: WebApp, redis: RedisServer) -> None:
    assert app.whales() == []
    for whale in ["10:20", "0:0", "10000:10000", "10:20"]:
        answer = app.post(whale)
        assert (answer.status_code, answer.text) == (200, "ok")
    assert app.whales() == ["10:20", "0:0", "10000:10000", "10:20"]
    assert redis.whales() == app.whales()


def test_every_answer_names_the_node_and_is_not_reused(app: WebApp) -> None:
    for path, caching in [("/v1/ping", "no-store"), ("/v1/whales", "no-store"), ("/", "no-cache")]:
        headers = app.http.get(path).headers
        assert headers["served-by"] == "node7"
        assert headers["cache-control"] == caching
    assert app.http.get("/nowhere").headers["served-by"] == "node7"


def test_an_acknowledged_whale_survives_the_death_of_redis(app: WebApp, redis: RedisServer) -> None:
    assert app.post("1:2").text == "ok"
    redis.kill()
    redis.start()
    assert redis.whales() == ["1:2"]
    assert app.whales() == ["1:2"]


def test_whales_placed_at_once_are_all_saved(app: WebApp, redis: RedisServer) -> None:
    whales = [f"{number}:{number}" for number in range(20)]
    with ThreadPoolExecutor(len(whales)) as visitors:
        answers = list(visitors.map(app.post, whales))
    assert [answer.text for answer in answers] == ["ok"] * len(whales)
    redis.kill()
    redis.start()
    assert sorted(redis.whales()) == sorted(whales)


def test_a_whale_waits_for_a_save_in_the_background(app: WebApp, redis: RedisServer) -> None:
    redis.client.rpush("whales", *["5:5"] * 20)
    redis.client.config_set("rdb-key-save-delay", 1_000_000)  # microseconds, for our one key
    redis.client.bgsave()
    redis.client.config_set("rdb-key-save-delay", 0)
    assert "rdb_bgsave_in_progress:1" in redis.persistence()
    assert app.post("1:2").text == "ok"
    redis.kill()
    redis.start()
    assert redis.whales()[-1] == "1:2"


def test_without_redis_nothing_is_acknowledged_and_it_heals_by_itself(
    app: WebApp, redis: RedisServer
) -> None:
    # Several at once, so that the app keeps several connections, all dead afterwards.
    with ThreadPoolExecutor(5) as visitors:
        placed = ["1:1", "2:2", "3:3", "4:4", "5:5"]
        assert all(answer.is_success for answer in visitors.map(app.post, placed))
    assert app.is_connected()

    redis.stop()
    assert not app.is_connected()
    refused = app.post("9:9")
    assert refused.status_code == 503
    assert refused.text.startswith("Redis did not take the whale: ")
    assert app.http.get("/v1/whales").status_code == 503

    redis.start()
    with ThreadPoolExecutor(5) as visitors:
        again = ["6:6", "7:7", "8:8", "10:10", "11:11"]
        assert all(answer.is_success for answer in visitors.map(app.post, again))
    assert app.is_connected()
    assert sorted(app.whales()) == sorted(placed + again)


def test_the_log_tells_when_redis_went_and_came_back_once(app: WebApp, redis: RedisServer) -> None:
    app.is_connected()
    redis.stop()
    assert [app.is_connected() for _ in range(3)] == [False] * 3
    redis.start()
    assert [app.is_connected() for _ in range(3)] == [True] * 3
    log = app.log.read_text()
    assert log.count("storage is connected") == 2
    assert log.count("storage is away") == 1
    assert "GET" not in log, "one line per request is too many"


def test_a_frozen_redis_counts_as_away(app: WebApp, redis: RedisServer) -> None:
    assert app.is_connected()
    redis.send(signal.SIGSTOP)
    try:
        assert not app.is_connected()
    finally:
        redis.send(signal.SIGCONT)
    assert app.is_connected()


def test_a_whale_that_cannot_be_saved_is_refused_and_taken_back(
    app: WebApp, redis: RedisServer
) -> None:
    assert app.post("1:2").text == "ok"
    # Root may write anywhere, so let the file's place be taken by a directory.
    dump = redis.directory / "dump.rdb"
    dump.rename(redis.directory / "kept")
    dump.mkdir()
    (dump / "not-empty").touch()

    refused = app.post("1:2")
    assert refused.status_code == 503
    assert refused.text.startswith("Redis did not save the whale: its log")
    assert app.whales() == ["1:2"], "exactly the refused one is taken back"

    (dump / "not-empty").unlink()
    dump.rmdir()
    assert app.post("3:4").text == "ok"
    assert app.whales() == ["1:2", "3:4"]


@pytest.mark.parametrize("body", ["", "1", "-1:2", "1.5:2", "10001:0", "01:2", "1:2\n", "<b>"])
def test_bad_coordinates_are_refused(app: WebApp, body: str) -> None:
    answer = app.post(body)
    assert answer.status_code == 400
    assert answer.text == "a whale is x:y, two whole numbers from 0 to 10000, such as 120:80"
    assert answer.headers["content-type"].startswith("text/plain")
    assert app.whales() == []


def test_a_large_body_is_refused(app: WebApp) -> None:
    answer = app.post("1" * 12)
    assert (answer.status_code, answer.text) == (413, "a whale has at most 11 bytes")
    assert app.whales() == []


def post_part(app: WebApp, head: str, body: bytes) -> tuple[int, str]:
    """Send the start of a request whose rest never comes; the status and text of the answer."""
    with socket.create_connection(("127.0.0.1", app.port), timeout=10) as visitor:
        visitor.sendall(f"POST /v1/whales HTTP/1.1\r\nHost: app\r\n{head}\r\n\r\n".encode())
        visitor.sendall(body)
        answer = HTTPResponse(visitor, method="POST")
        answer.begin()
        return answer.status, answer.read().decode()


@pytest.mark.parametrize("head", ["Content-Length: 1000000000000", "Transfer-Encoding: chunked"])
def test_a_body_without_end_is_refused_early(app: WebApp, head: str) -> None:
    started = time.monotonic()
    answer = post_part(app, head, b"10\r\n" + b"1" * 16 + b"\r\n")
    assert answer == (413, "a whale has at most 11 bytes")
    assert time.monotonic() - started < 2, "it has read no further than needed"
    assert app.whales() == []


def test_a_visitor_who_sends_megabytes_still_reads_why_not(app: WebApp) -> None:
    answer = app.http.post("/v1/whales", content=b"1" * 5_000_000)
    assert answer.status_code == 413

    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield b"1" * 50_000

    assert app.http.post("/v1/whales", content=chunks()).status_code == 413
    assert app.whales() == []


def test_a_body_that_does_not_arrive_is_given_up(app: WebApp) -> None:
    answer = post_part(app, "Content-Length: 3", b"1:")
    assert answer == (408, "no whale arrived within 5 s")
    assert app.whales() == []


def test_a_visitor_who_leaves_half_way_places_nothing(app: WebApp) -> None:
    with socket.create_connection(("127.0.0.1", app.port), timeout=5) as visitor:
        visitor.sendall(b"POST /v1/whales HTTP/1.1\r\nHost: app\r\nContent-Length: 4\r\n\r\n1:2")
    assert app.is_connected()
    assert app.whales() == []
    assert "Traceback" not in app.log.read_text()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(app: WebApp, method: str) -> None:
    answer = app.http.request(method, "/v1/whales", content="1:2")
    assert (answer.status_code, answer.text) == (405, "Method Not Allowed")
    assert set(answer.headers["allow"].split(", ")) >= {"GET", "POST"}
    assert app.http.request(method, "/v1/ping").status_code == 405
    assert app.http.request(method, "/").status_code == 405
    assert app.whales() == []


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/whale", "/v1/whales/", "/../whales.py"])
def test_unknown_paths_are_refused(app: WebApp, path: str) -> None:
    assert app.http.get(path).status_code == 404
    assert app.http.post(path, content="1:2").status_code in (404, 405)
    assert app.whales() == []


def test_both_processes_end_at_once_with_a_visitor_connected(
    app: WebApp, redis: RedisServer
) -> None:
    assert app.post("1:2").text == "ok"  # httpx keeps this connection open
    threading.Thread(target=app.is_connected).start()
    assert app.stop() < STOP_SECONDS / 2
    redis.client.rpush("whales", "not saved yet")
    assert redis.stop() < STOP_SECONDS / 2
    redis.start()
    assert redis.whales() == ["1:2", "not saved yet"], "Redis saves when it is told to end"


def test_the_app_serves_before_redis_is_there(app: WebApp, redis: RedisServer) -> None:
    app.stop()
    redis.stop()
    app.start()
    assert not app.is_connected()
    redis.start()
    eventually(app.is_connected, is_=True, within=READY_SECONDS)
