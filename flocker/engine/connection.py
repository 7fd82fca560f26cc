"""The connection to this node's engine: one question, one answer, within a time."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

from flocker.base.errors import EngineAway

SHORTEST_WAIT_SECONDS = 0.01  # none at all would mean: without blocking


class EngineConnection:
    """The engine behind a unix socket."""

    def __init__(self, engine_socket: Path) -> None:
        self._socket = engine_socket

    def call(self, method: str, path: str, within: float) -> tuple[int, Any]:
        """Status and what the body says, None if it is empty.

        Raises:
            EngineAway: no answer in time, or one that is not the engine's.
        """
        connection = _Connection(self._socket, max(within, SHORTEST_WAIT_SECONDS))
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            body = answer.read()
            return answer.status, json.loads(body) if body else None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise EngineAway(f"the Docker engine does not answer: {error!r}") from error
        finally:
            connection.close()


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("engine", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def expect(expected: int, status: int, answer: Any) -> None:
    """Take any other status for no answer of the engine's."""
    if status != expected:
        raise EngineAway(f"the Docker engine answers {status}: {answer}")
