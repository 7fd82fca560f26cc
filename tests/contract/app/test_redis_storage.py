"""What only Redis does: it shows whales before they are saved, and saves in the background too."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError

from tests.contract.app.app_processes import RedisServer, StorageServer
from tests.contract.app.web_app import WebApp

pytestmark = pytest.mark.contract


@pytest.fixture
def storage(redis: RedisServer) -> StorageServer:
    return redis


def test_a_whale_waits_for_a_save_in_the_background(app: WebApp, redis: RedisServer) -> None:
    redis.put(*["5:5"] * 20)
    redis.client.config_set("rdb-key-save-delay", 1_000_000)  # microseconds, for our one key
    redis.client.bgsave()
    redis.client.config_set("rdb-key-save-delay", 0)
    assert "rdb_bgsave_in_progress:1" in redis.persistence()
    assert app.post("1:2").text == "ok"
    redis.crash()
    redis.start()
    assert redis.whales()[-1] == "1:2"


def test_the_refusal_says_where_redis_tells_why(app: WebApp, redis: RedisServer) -> None:
    redis.refuse()
    assert app.post("1:2").text == "Redis did not save the whale: its log says why"


def test_who_does_not_know_the_password_reads_and_places_nothing(redis: RedisServer) -> None:
    with (
        Redis(port=redis.port, protocol=2) as stranger,
        pytest.raises(AuthenticationError, match="Authentication required"),
    ):
        stranger.lrange("whales", 0, -1)


def test_no_list_of_processes_shows_the_password(app: WebApp, redis: RedisServer) -> None:
    password = (redis.secrets / "password").read_text().strip()
    assert len(password) == 64
    assert app.is_connected()
    shown = subprocess.run(["ps", "-eww", "-o", "args"], check=True, capture_output=True, text=True)
    assert password not in shown.stdout


def test_a_wrong_password_is_said_by_the_app(redis: RedisServer, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("guessed\n")
    web = WebApp(tmp_path, redis.settings() | {"REDIS_PASSWORD_FILE": str(wrong)})
    try:
        web.start()
        answer = web.post("1:2")
        assert answer.status_code == 503
        assert "Redis did not take the whale: invalid username-password pair" in answer.text
    finally:
        web.end()
        web.http.close()
    assert redis.whales() == []
