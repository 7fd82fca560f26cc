"""Redis and the web app for each test, both gone afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.app.app_processes import RedisServer, WebApp


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    try:
        server.start()
        yield server
    finally:
        server.end()
        server.client.close()


@pytest.fixture
def app(tmp_path: Path, redis: RedisServer) -> Iterator[WebApp]:
    web = WebApp(tmp_path, redis.port)
    try:
        web.start()
        yield web
    finally:
        web.end()
        web.http.close()
