"""What the web app promises over HTTP, whichever storage is behind it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from http.client import HTTPResponse

import pytest

from tests.contract.app.app_processes import RedisServer, StorageServer, WebApp

pytestmark = pytest.mark.contract


@pytest.fixture
def storage(redis: RedisServer) -> StorageServer:
    return redis


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
