"""The daemon's two HTTP servers: one for this node's engine, one for other nodes.

dockerd keeps the connections of a plugin and uses them again. Its client repeats a request that
got lost without the request's body (docs/decisions/0001), so the engine's server is made such that
none gets lost: every answer ends its connection, and a server that ends answers what it was asked.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from flocker.api.peer_door import Door, PeerProtocol

# Calls that wait at once: a Mount may wait for answer_seconds and must not keep a Get waiting.
CALLS_AT_ONCE = 256
PEERS_GOODBYE_SECONDS = 1  # a peer keeps its connection open; waiting for it would delay a restart
# Time left for a call when the daemon has been told to end; systemd gives it 15 s for all.
ANSWER_SECONDS = 6.0
REFUSAL_SECONDS = 2.0  # for the answers to the calls that took longer
SILENCE_SECONDS = 1.0  # for a connection on which nothing was asked yet
POLL_SECONDS = 0.02


class Server:
    """One application on one socket, in its own thread."""

    def __init__(self, server: uvicorn.Server, listening: socket.socket, stop_seconds: float):
        self._server = server
        self._stop_seconds = stop_seconds
        self._thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        self._thread.start()

    @property
    def is_serving(self) -> bool:
        return self._server.started

    @property
    def has_died(self) -> bool:
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Take no more connections and end, when what was asked is answered or takes too long."""
        self._server.should_exit = True
        self._thread.join(self._stop_seconds)


def serve_on_plugin_socket(
    app: FastAPI, listening: socket.socket, beat: Callable[[], object]
) -> Server:
    """Serve this node's engine.

    Connections that are made while the server ends stay in the queue of a socket that systemd
    holds, for the daemon after this one.

    Args:
        beat: called twice a second by what answers.
    """
    config = uvicorn.Config(
        _ending_connections(_with_room(app)),
        http=_PluginProtocol,
        log_config=None,
        access_log=False,
    )
    seconds = SILENCE_SECONDS + ANSWER_SECONDS + REFUSAL_SECONDS
    return Server(_PluginServer(config, beat), listening, stop_seconds=seconds + 1)


def serve_on_peer_socket(
    app: FastAPI,
    listening: socket.socket,
    tls: ssl.SSLContext,
    beat: Callable[[], object],
) -> Server:
    """Serve other nodes, who need a certificate of the cluster; `beat` as above."""
    config = uvicorn.Config(
        _with_room(app),
        http=PeerProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=PEERS_GOODBYE_SECONDS,
    )
    server = _PeerServer(config, beat, Door(listening, tls))
    return Server(server, listening, stop_seconds=PEERS_GOODBYE_SECONDS * 2)


class _CalmServer(uvicorn.Server):
    """Looks twice a second whether it shall end, not ten times: an idle driver must be idle."""

    def __init__(self, config: uvicorn.Config, beat: Callable[[], object]) -> None:
        super().__init__(config)
        self._beat = beat

    async def main_loop(self) -> None:
        ticks = 0  # of a tenth of a second; every tenth the date for answers is made anew
        while not await self.on_tick(ticks):
            self._beat()
            await asyncio.sleep(0.5)
            ticks += 5


class _PeerServer(_CalmServer):
    """Has its own door, which lets nobody in without a certificate."""

    def __init__(
        self,
        config: uvicorn.Config,
        beat: Callable[[], object],
        door: Door,
    ) -> None:
        super().__init__(config, beat)
        self._door = door

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        del sockets  # the door's
        await super().startup(sockets=[])
        self._door.open(self._welcome)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._door.close()
        await super().shutdown(sockets)

    def _welcome(self) -> PeerProtocol:
        return PeerProtocol(self.config, self.server_state, self.lifespan.state)


class _PluginServer(_CalmServer):
    """Ends when every call is answered: those that take too long with a refusal."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        await asyncio.sleep(POLL_SECONDS)  # what was accepted just now becomes a connection
        await self._await_answers()
        for task in self.server_state.tasks:
            task.cancel()  # the calls refuse themselves then: see plugin_call.py
        await self._until(lambda: not self._is_answering(), REFUSAL_SECONDS)
        await super().shutdown([])

    async def _await_answers(self) -> None:
        # The engine asks as soon as it is connected, so a connection stays silent only if whoever
        # made it needs it no more.
        await self._until(lambda: not self.server_state.connections, SILENCE_SECONDS)
        await self._until(lambda: not self._is_answering(), ANSWER_SECONDS)

    def _is_answering(self) -> bool:
        return bool(self.server_state.tasks)

    async def _until(self, is_reached: Any, within: float) -> None:
        deadline = time.monotonic() + within
        while not is_reached() and time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)


class _EngineWaiter:
    """The engine at the other end of a connection; it implements `plugin_call.Waiter`."""

    def __init__(self, connection: _PluginProtocol) -> None:
        self._connection = connection

    def has_gone(self) -> bool:
        """Tell whether nobody waits for the answer any more."""
        transport = self._connection.transport
        if transport.is_closing():
            return True
        # The kernel knows before this process has read all that came until then.
        looking = select.poll()
        looking.register(transport.get_extra_info("socket"), select.POLLRDHUP)
        return bool(looking.poll(0))

    def hang_up(self) -> None:
        """Close the connection; what is answered afterwards reaches nobody."""
        self._connection.transport.close()


class _PluginProtocol(H11Protocol):
    """Lets the application know who waits for its answer, as `request.state.waiter`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.app_state = {**self.app_state, "waiter": _EngineWaiter(self)}


def _ending_connections(app: ASGIApp) -> ASGIApp:
    """The application with answers that tell the caller not to use the connection again."""

    async def ending(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_ending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), (b"connection", b"close")]
            await send(message)

        await app(scope, receive, send_ending)

    return ending


def _with_room(app: FastAPI) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = CALLS_AT_ONCE
        yield

    app.router.lifespan_context = lifespan
    return app
