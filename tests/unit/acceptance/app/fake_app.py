"""A small server in the app's place, which answers what it is told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from acceptance.app.whale import Whale

WHALES = [Whale(10, 20), Whale(300, 40)]


@dataclass
class FakeApp:
    """The answers of one address; they may be changed while it serves."""

    address: str
    status: int = 200
    whales: str = '["10:20", "300:40"]'
    said: str = "ok"
    posted: list[str] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[FakeApp]:
    app = FakeApp("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer('{"connected": false}' if self.path == "/v1/ping" else app.whales)

        def do_POST(self) -> None:
            app.posted.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self._answer(app.said)

        def _answer(self, body: str) -> None:
            self.send_response(app.status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    app.address = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield app
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def unserved() -> str:
    """An address nobody listens on (any more)."""
    with serving() as app:
        return app.address
