"""What only Redis does: it shows whales before they are saved, and saves in the background too."""

from __future__ import annotations

import pytest

from tests.contract.app.app_processes import RedisServer, StorageServer, WebApp

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
