"""A plugin's socket, asked as an engine asks it, and as no engine would."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

MIME = "application/vnd.docker.plugins.v1.1+json"  # source: Docker, plugin API


class NoAnswer(Exception):
    """The plugin did not answer; the message says to which call, and why."""


@dataclass(frozen=True)
class Answer:
    """A plugin's answer."""

    status: int
    text: str

    @property
    def fields(self) -> dict[str, Any]:
        """The answer's JSON object; empty if it is none."""
        try:
            return _object(json.loads(self.text))
        except (ValueError, RecursionError):
            return {}

    def object_in(self, name: str) -> dict[str, Any]:
        """The JSON object in a field; empty if it is none."""
        return _object(self.fields.get(name))

    def list_in(self, name: str) -> list[Any]:
        """The JSON list in a field; empty if it is none."""
        found = self.fields.get(name)
        return found if isinstance(found, list) else []

    @property
    def error(self) -> str:
        """The text that an engine would show; empty if the plugin agreed.

        Source: Docker, pkg/plugins/client.go.
        """
        said = str(self.fields.get("Err") or "")
        if self.status == 200:
            return said
        return said or self.text.strip() or f"HTTP status {self.status}"


class PluginSocket:
    """The socket at `path`; an answer that takes longer than `seconds` counts as none."""

    def __init__(self, path: Path, seconds: float) -> None:
        self.path = path
        self._seconds = seconds

    def ask(self, call: str, **fields: object) -> Answer:
        """Ask a call of the volume protocol, like "Create"."""
        return self.send("POST", f"/VolumeDriver.{call}", json.dumps(fields).encode())

    def activate(self) -> Answer:
        """Ask the plugin to introduce itself."""
        return self.send("POST", "/Plugin.Activate", b"")

    def send(self, method: str, address: str, body: bytes) -> Answer:
        """Send any request on its own connection.

        Raises:
            NoAnswer: none came in time, or the connection broke.
        """
        connection = UnixConnection(self.path, self._seconds)
        try:
            connection.request(method, address, body, {"Content-Type": MIME, "Accept": MIME})
            answer = connection.getresponse()
            return Answer(answer.status, answer.read().decode(errors="replace"))
        except TimeoutError as error:
            raise NoAnswer(f"no answer to {address} within {self._seconds:.3g} s") from error
        except (OSError, HTTPException) as error:
            raise NoAnswer(f"no answer to {address}: {error!r}") from error
        finally:
            connection.close()

    @contextmanager
    def raw(self) -> Iterator[socket.socket]:
        """A connection on which anything can be sent."""
        with socket.socket(socket.AF_UNIX) as connected:
            connected.settimeout(self._seconds)
            connected.connect(str(self.path))
            yield connected


class UnixConnection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("plugin", timeout=seconds)
        self._path = path
        self._connect_seconds = seconds

    def connect(self) -> None:
        """See HTTPConnection."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self._connect_seconds)
        self.sock.connect(str(self._path))


def _object(found: object) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}
