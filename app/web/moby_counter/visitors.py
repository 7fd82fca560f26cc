"""Limits on the share of the server that one visitor may take."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

log = logging.getLogger(__name__)

# A browser opens six, and several people may sit behind one address.
CONNECTIONS_OF_ONE = 100
REQUEST_SECONDS = 10.0

_connections: Counter[str] = Counter()  # address -> open ones; used by the server's one thread


class Visitor(H11Protocol):
    """A connection that is closed when no whole request came over it for REQUEST_SECONDS.

    It is closed at once when its address has enough of them. uvicorn's own limit for idle
    connections begins after a first answer, and any byte ends it.
    """

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        address = self._address()
        _connections[address] += 1
        if _connections[address] > CONNECTIONS_OF_ONE:
            if _connections[address] == CONNECTIONS_OF_ONE + 1:
                log.warning("%s has %d connections: no more are taken", address, CONNECTIONS_OF_ONE)
            transport.close()
            return
        self._wait_for_request()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_waiting()
        address = self._address()
        _connections[address] -= 1
        if not _connections[address]:
            del _connections[address]

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing():
            self._wait_for_request()

    def _wait_for_request(self) -> None:
        self._stop_waiting()
        self._waiting = self.loop.call_later(REQUEST_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()

    def _give_up(self) -> None:
        if not self._is_answering():
            self.transport.close()

    def _is_answering(self) -> Any:
        return self.cycle is not None and not self.cycle.response_complete

    def _address(self) -> str:
        return self.client[0] if self.client else ""
