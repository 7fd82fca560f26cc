"""Whales in Redis."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from typing import cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from moby_counter.settings import RedisServer
from moby_counter.storage import MAX_WHALES, PING_SECONDS, SeaFull, StorageAway
from moby_counter.whales import Whale

log = logging.getLogger(__name__)

KEY = "whales"
CONNECT_SECONDS = 1.0
# A SAVE writes everything to disk while its client waits.
ANSWER_SECONDS = 10.0
SAVE_AGAIN_SECONDS = 0.05


class RedisStorage:
    """Whales as a list in Redis, saved to its dump.rdb one by one.

    The cast is for redis-py, whose types do not tell that this client decodes what it reads.

    Each call makes a connection of its own, so that none is found dead after Redis was away. That
    costs a millisecond, less than a save.
    """

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    async def add(self, whale: Whale) -> None:
        async with self._connection() as redis:
            try:
                count = await redis.rpush(KEY, str(whale))
            except (RedisError, OSError) as error:
                raise StorageAway(f"Redis did not take the whale: {error}") from error
            if count > MAX_WHALES:
                await take_back(redis, whale)
                raise SeaFull
            try:
                await save(redis)
            except ResponseError as error:
                await take_back(redis, whale)
                # Redis answers a failed SAVE with "ERR" and nothing more.
                reason = str(error) or "its log says why"
                raise StorageAway(f"Redis did not save the whale: {reason}") from error
            except (RedisError, OSError) as error:
                # Not taken back: after a crash it is gone anyhow, and an older whale at the same
                # place, which was acknowledged, would be removed in its stead.
                raise StorageAway(f"Redis was lost before the whale was saved: {error}") from error

    async def all(self) -> list[str]:
        async with self._connection() as redis:
            try:
                return await cast(Awaitable[list[str]], redis.lrange(KEY, 0, -1))
            except (RedisError, OSError) as error:
                raise StorageAway(f"Redis did not list the whales: {error}") from error

    async def is_connected(self) -> bool:
        try:
            async with asyncio.timeout(PING_SECONDS), self._connection() as redis:
                return bool(await redis.ping())
        except (RedisError, OSError, TimeoutError):
            return False

    def _connection(self) -> Redis:
        return Redis(
            host=self._server.host,
            port=self._server.port,
            password=self._server.password,
            decode_responses=True,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            # A command is sent once: repeating a push whose answer was lost places two whales.
            retry=Retry(NoBackoff(), 0),
        )


async def save(redis: Redis) -> None:
    """Have Redis write everything to disk; returns when it has.

    Redis refuses while it saves in the background, as its save points make it do now and
    then. That save began before this whale came, so wait for its end and save again.
    """
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            await redis.save()
        except ResponseError as error:
            if "save already in progress" not in str(error) or time.monotonic() > deadline:
                raise
        else:
            return
        await asyncio.sleep(SAVE_AGAIN_SECONDS)


async def take_back(redis: Redis, whale: Whale) -> None:
    """Remove the newest whale at this place, so that nobody sees one that was refused."""
    try:
        await redis.lrem(KEY, -1, str(whale))
    except (RedisError, OSError) as error:
        log.warning("whale %s was refused but may still show up: %s", whale, error)
