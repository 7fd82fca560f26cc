"""Whales in Postgres."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from psycopg import AsyncConnection, Error
from psycopg.errors import UndefinedTable

from moby_counter.settings import PostgresServer
from moby_counter.storage import MAX_WHALES, PING_SECONDS, SeaFull, StorageAway
from moby_counter.whales import Whale

MAKE_TABLE = """
CREATE TABLE IF NOT EXISTS whales (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    x integer NOT NULL,
    y integer NOT NULL
)
"""
# Several that come at once may go beyond the limit by as many.
ADD = "INSERT INTO whales (x, y) SELECT %s, %s WHERE (SELECT count(*) FROM whales) < %s"
LIST = "SELECT x, y FROM whales ORDER BY number"

# Of two that make a table at once one fails, IF NOT EXISTS or not. Any number does that nobody
# else in the database locks.
LOCK = "SELECT pg_advisory_xact_lock(7770)"

ANSWER_SECONDS = 10.0
# Postgres gives up first: then it says why, and nothing of what was refused turns up later.
STATEMENT_SECONDS = 8.0


class PostgresStorage:
    """Whales as rows of a table, each committed by itself.

    Postgres answers a commit when it is on disk, unless its `fsync` or `synchronous_commit` were
    switched off. Numbers are given in the order of coming, and may have gaps.

    Each call makes a connection of its own, so that none is found dead after Postgres was away.
    """

    def __init__(self, server: PostgresServer) -> None:
        self._server = server

    async def add(self, whale: Whale) -> None:
        values = (whale.x, whale.y, MAX_WHALES)
        try:
            async with self._connection(ANSWER_SECONDS) as postgres:
                try:
                    added = await postgres.execute(ADD, values)
                except UndefinedTable:
                    await make_table(postgres)
                    added = await postgres.execute(ADD, values)
        except (Error, OSError) as error:
            raise StorageAway(f"Postgres did not take the whale: {reason(error)}") from error
        if not added.rowcount:
            raise SeaFull

    async def all(self) -> list[str]:
        try:
            async with self._connection(ANSWER_SECONDS) as postgres:
                rows = await (await postgres.execute(LIST)).fetchall()
        except UndefinedTable:
            return []
        except (Error, OSError) as error:
            raise StorageAway(f"Postgres did not list the whales: {reason(error)}") from error
        return [str(Whale(x, y)) for x, y in rows]

    async def is_connected(self) -> bool:
        try:
            # It lets nobody in before it can answer questions.
            async with self._connection(PING_SECONDS):
                return True
        except (Error, OSError):
            return False

    @asynccontextmanager
    async def _connection(self, seconds: float) -> AsyncIterator[AsyncConnection]:
        """A connection that ends after so many seconds, whatever is going on over it."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        async with asyncio.timeout_at(deadline):
            connection = await AsyncConnection.connect(
                host=self._server.host,
                port=self._server.port,
                user=self._server.user,
                password=self._server.password,
                dbname=self._server.database,
                autocommit=True,
                options=f"-c statement_timeout={STATEMENT_SECONDS:g}s",
            )
        # No timeout of asyncio from here on: when it cancels a question, psycopg asks the server
        # to forget that question and waits until it has, which a frozen one never does.
        hanging_up = loop.call_at(deadline, hang_up, connection)
        try:
            yield connection
        finally:
            hanging_up.cancel()
            await connection.close()


async def make_table(postgres: AsyncConnection) -> None:
    """Make the table of whales unless it is there; several may do so at once."""
    async with postgres.transaction():
        await postgres.execute(LOCK)
        await postgres.execute(MAKE_TABLE)


def hang_up(connection: AsyncConnection) -> None:
    """End a connection below psycopg, for which it looks as if the server had."""
    with (
        suppress(Error, OSError),  # the server was faster
        socket.socket(fileno=os.dup(connection.fileno())) as line,
    ):
        line.shutdown(socket.SHUT_RDWR)


def reason(error: Exception) -> str:
    """The first line of what libpq or Postgres said; the others are hints and details."""
    said = str(error).strip().splitlines()
    return said[0] if said else "no answer in time"
