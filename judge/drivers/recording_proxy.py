"""A plugin socket between an engine and a driver, which notes every call and changes none."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

from judge.drivers.plugin_socket import Answer, NoAnswer, PluginSocket

BEGINNING = "/VolumeDriver."


@dataclass(frozen=True)
class Call:
    """A call of the engine, and the driver's answer; `error` is empty if the driver agreed."""

    name: str
    volume: str
    use: str
    error: str
    seconds: float


class RecordingProxy:
    """The calls that went through, in the order of their answers."""

    def __init__(self, driver: PluginSocket) -> None:
        self._driver = driver
        self._calls: list[Call] = []
        self._lock = threading.Lock()

    def calls(self, name: str, volume: str) -> list[Call]:
        """The calls of that name about a volume, the oldest first."""
        with self._lock:
            return [each for each in self._calls if (each.name, each.volume) == (name, volume)]

    def uses(self, volume: str) -> dict[str, int]:
        """Use -> how much more often it was mounted than unmounted; none is zero."""
        mounted = Counter(each.use for each in self.calls("Mount", volume) if not each.error)
        unmounted = Counter(each.use for each in self.calls("Unmount", volume) if not each.error)
        mounted.subtract(unmounted)
        return {use: count for use, count in mounted.items() if count}

    def forward(self, address: str, body: bytes) -> Answer:
        """Ask the driver, and note its answer.

        Raises:
            NoAnswer: the driver gave none.
        """
        started = time.monotonic()
        answer = self._driver.send("POST", address, body)
        asked = _object(body)
        call = Call(
            address.removeprefix(BEGINNING),
            str(asked.get("Name", "")),
            str(asked.get("ID", "")),
            answer.error,
            time.monotonic() - started,
        )
        with self._lock:
            self._calls.append(call)
        return answer


@contextmanager
def recording(driver: PluginSocket, path: Path) -> Iterator[RecordingProxy]:
    """Put a proxy in front of a driver, at a path where an engine looks for its plugins."""
    proxy = RecordingProxy(driver)
    server = _Server(str(path), _handler_of(proxy))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        path.unlink()


class _Server(ThreadingUnixStreamServer):
    daemon_threads = True


def _handler_of(proxy: RecordingProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers each connection once, so that the engine reuses none."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                answer = proxy.forward(self.path, body)
            except NoAnswer:
                return  # the engine gets no answer either, and does what it does then
            content = answer.text.encode()
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Print nothing about a request."""

        def address_string(self) -> str:
            return "engine"

    return Handler


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
