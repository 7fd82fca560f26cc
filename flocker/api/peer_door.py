"""The door of the port for other machines: who may be connected, and for how long in silence.

Anybody who reaches the port can connect. A connection without a certificate may stay for the time
of a handshake, and there are few of those at a time: when there are too many, one has to go, of the
address that has most, and the oldest of those that have not said a word. So idle connections keep
nobody out, and the daemon has files left for everything else. Those with a certificate are counted
by its name.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from flocker.api.callers import Caller, certified
from flocker.base.errors import NotAllowed

log = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 5.0
GOODBYE_SECONDS = 5.0  # for the other end to confirm that the connection is over
# A node that moves fifty volumes opens some sixty connections within a second, four of them for
# replicas. Behind one address may be several machines or containers.
HANDSHAKES_OF_ADDRESS = 128
HANDSHAKES = 512
# Turned away, and still with a file: no more are taken until some are closed.
CLOSING = 32
CLOSING_SECONDS = 0.01
# Fifty moves and the replicas of three hundred volumes need less than a hundred of one node.
CONNECTIONS_OF_NAME = 256
REQUEST_SECONDS = 10.0  # from the begin of a connection, or the last answer, to a whole request
PAUSE_SECONDS = 0.2  # when no connection can be taken, for example without a file to spare


class Door:
    """Takes connections from a listening socket, and gives those with a certificate a protocol."""

    def __init__(self, listening: socket.socket, tls: ssl.SSLContext) -> None:
        self._listening = listening
        self._tls = tls
        self._handshakes: dict[socket.socket, str] = {}  # and their addresses, the oldest first
        self._speaking: set[socket.socket] = set()  # of these, those that have said something
        self._names: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, welcome: Callable[[], PeerProtocol]) -> None:
        """Let connections in, in the running loop.

        Args:
            welcome: makes the protocol of one that has shown a certificate.
        """
        self._welcome = welcome
        self._listening.setblocking(False)
        self._begin(self._accept())

    def close(self) -> None:
        """Let no more in; those that are in stay."""
        for task in self._tasks:
            task.cancel()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, (address, *_) = await loop.sock_accept(self._listening)
            except OSError as error:
                log.warning("a connection could not be taken: %s", error)
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            self._make_room(address)
            self._handshakes[connection] = address
            self._begin(self._let_in(connection))
            await asyncio.sleep(0)  # for those that were turned away to close their files
            while len(self._tasks) > HANDSHAKES + CLOSING:
                await asyncio.sleep(CLOSING_SECONDS)

    def _make_room(self, address: str) -> None:
        addresses = Counter(self._handshakes.values())
        if addresses[address] >= HANDSHAKES_OF_ADDRESS:
            self._turn_one_away(address)
        elif len(self._handshakes) >= HANDSHAKES:
            [(busiest, _)] = addresses.most_common(1)
            self._turn_one_away(busiest)

    def _turn_one_away(self, address: str) -> None:
        of_address = [each for each, where in self._handshakes.items() if where == address]
        silent = (each for each in of_address if each not in self._speaking)
        self._turn_away(next(silent, of_address[0]))

    def _turn_away(self, connection: socket.socket) -> None:
        del self._handshakes[connection]
        # Not closed here: who waits for it does that when it sees this.
        with suppress(OSError):  # it is over already
            connection.shutdown(socket.SHUT_RDWR)

    async def _let_in(self, connection: socket.socket) -> None:
        try:
            if await self._has_spoken(connection):
                await asyncio.get_running_loop().connect_accepted_socket(
                    self._guest,
                    connection,
                    ssl=self._tls,
                    ssl_handshake_timeout=HANDSHAKE_SECONDS,
                    ssl_shutdown_timeout=GOODBYE_SECONDS,
                )
        except OSError as error:  # no TLS, no certificate, not in time
            log.debug("a connection was not let in: %s", error)
        finally:
            self._handshakes.pop(connection, None)
            self._speaking.discard(connection)

    async def _has_spoken(self, connection: socket.socket) -> bool:
        """Tell whether the first bytes come in time.

        Until then a connection costs hardly anything: TLS is begun only for those that speak.
        """
        loop = asyncio.get_running_loop()
        speaks = asyncio.Event()
        loop.add_reader(connection, speaks.set)
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                await speaks.wait()
            has_spoken = connection in self._handshakes  # and was not turned away
        except TimeoutError:
            has_spoken = False
        finally:
            loop.remove_reader(connection)
        if has_spoken:
            self._speaking.add(connection)
        else:
            connection.close()
        return has_spoken

    def _guest(self) -> PeerProtocol:
        guest = self._welcome()
        guest.names = self._names
        return guest

    def _begin(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class PeerProtocol(H11Protocol):
    """A connection of another machine; `request.state.caller` is who that is, or why it is nobody.

    Ends when no whole request comes in time, and at once when there are too many of its name.
    """

    names: Counter[str]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._caller = _caller(transport)
        self._counted = _counted_as(self._caller)
        self.names[self._counted] += 1
        self.app_state = {**self.app_state, "caller": self._caller}
        if self.names[self._counted] > CONNECTIONS_OF_NAME:
            log.warning("too many connections of %s; one more is refused", self._counted)
            transport.abort()
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._timer.cancel()
        self.names[self._counted] -= 1
        if not self.names[self._counted]:
            del self.names[self._counted]

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._timer.cancel()
        self._await_request()

    def _await_request(self) -> None:
        self._timer = self.loop.call_later(REQUEST_SECONDS, self._hang_up_if_idle)

    def _hang_up_if_idle(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()


def _counted_as(caller: Caller | NotAllowed) -> str:
    return f"{caller.role} {caller.name}" if isinstance(caller, Caller) else str(caller)


def _caller(transport: asyncio.Transport) -> Caller | NotAllowed:
    address = str((transport.get_extra_info("peername") or ["?"])[0])
    try:
        return certified(transport.get_extra_info("peercert") or {}, address)
    except NotAllowed as error:
        return error
