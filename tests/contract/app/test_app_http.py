"""What the web app promises over HTTP, whichever storage is behind it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPResponse

import httpx2
import pytest

from acceptance.base.waiting import eventually
from tests.contract.app.app_processes import RedisServer, running_redis
from tests.contract.app.web_app import WebApp, running_app

pytestmark = pytest.mark.contract


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RedisServer, WebApp]]:
    """One for all tests: starting both takes longer than asking. Tests leave nothing but whales."""
    folder = tmp_path_factory.mktemp("app")
    with running_redis(folder) as redis, running_app(folder, redis.settings()) as web:
        yield redis, web


@pytest.fixture
def app(started: tuple[RedisServer, WebApp]) -> WebApp:
    """The web app, without whales."""
    redis, web = started
    redis.forget()
    return web


def test_every_answer_names_the_node_and_is_not_reused(app: WebApp) -> None:
    for path, caching in [("/v1/ping", "no-store"), ("/v1/whales", "no-store"), ("/", "no-cache")]:
        headers = app.http.get(path).headers
        assert headers["served-by"] == "node7"
        assert headers["cache-control"] == caching
    assert app.http.get("/nowhere").headers["served-by"] == "node7"


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


def test_every_answer_tells_browsers_to_run_and_frame_nothing_foreign(app: WebApp) -> None:
    for path in ("/", "/page.js", "/v1/whales", "/nowhere"):
        headers = app.http.get(path).headers
        assert "default-src 'none'; script-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "origin", ["http://elsewhere.example", "null", "", "http://127.0.0.1", "127.0.0.1:1"]
)
def test_another_sites_page_places_no_whale(app: WebApp, origin: str) -> None:
    answer = app.http.post("/v1/whales", content="1:2", headers={"Origin": origin})
    assert (answer.status_code, answer.text) == (403, "only this app's own page may do that")
    assert app.whales() == []


def test_the_apps_own_page_and_a_script_place_whales(app: WebApp) -> None:
    own = app.http.post("/v1/whales", content="1:2", headers={"Origin": app.url})
    assert (own.status_code, app.post("3:4").status_code) == (200, 200)
    assert app.whales() == ["1:2", "3:4"]


def test_a_file_is_sent_whole_whatever_parts_are_asked_for(app: WebApp) -> None:
    """Thousands of parts would keep the server busy for a second."""
    parts = ",".join(f"{start}-{start}" for start in range(5000))
    answer = app.http.get("/page.js", headers={"Range": f"bytes={parts}"})
    assert answer.status_code == 200
    assert answer.content == app.http.get("/page.js").content


def hangs_up(visitor: socket.socket) -> bool:
    """Tell whether the app ends the connection within the time of the socket."""
    try:
        return visitor.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("beginning", [b"", b"GET /v1/ping HTTP/1.1\r\nHost: app\r\n"])
def test_a_request_that_never_becomes_whole_is_given_up(app: WebApp, beginning: bytes) -> None:
    with socket.create_connection(("127.0.0.1", app.port), timeout=20) as visitor:
        visitor.sendall(beginning)
        assert hangs_up(visitor)
    assert app.is_connected()


def test_one_visitor_gets_a_hundred_connections(app: WebApp) -> None:
    with ExitStack() as all_of_them:
        for _ in range(101):
            last = all_of_them.enter_context(
                socket.create_connection(("127.0.0.1", app.port), timeout=5)
            )
        assert hangs_up(last)
    eventually(app.is_connected, is_=True, within=5, not_yet=(httpx2.TransportError,))
    assert "127.0.0.1 has 100 connections: no more are taken" in app.log.read_text()
