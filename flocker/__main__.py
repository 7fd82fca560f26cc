"""The daemon of one node: `python3 -m flocker`, started by systemd."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio.to_thread
import uvicorn
from fastapi import FastAPI

from flocker.config import Config
from flocker.daemon import assemble
from flocker.errors import FlockerError

log = logging.getLogger("flocker")

# Calls that wait at once: a Mount may wait for answer_seconds and must not keep a Get waiting.
CALLS_AT_ONCE = 256
GOODBYE_SECONDS = 1  # a peer keeps its connection open; waiting for it would delay every restart
START_POLL_SECONDS = 0.05
WATCH_SECONDS = 1
FIRST_INHERITED_FD = 3  # sd_listen_fds(3)


def main() -> int:
    """Serve until SIGTERM; the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for library in ("httpx", "uvicorn"):
        logging.getLogger(library).setLevel(logging.WARNING)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        config = Config.from_environment()
        servers = _servers(config, stopping)
    except (FlockerError, OSError) as error:  # a port in use, a certificate that cannot be read
        print(f"flocker: {error}", file=sys.stderr)
        return 1
    is_ready = False
    while not stopping.wait(WATCH_SECONDS if is_ready else START_POLL_SECONDS):
        if any(server.has_died for server in servers):
            print("flocker: stopped serving; the lines above say why", file=sys.stderr)
            return 1
        if not is_ready and all(server.is_serving for server in servers):
            is_ready = True
            _tell_systemd("READY=1")
            log.info("serving volumes of %s", config.node)
        _tell_systemd("WATCHDOG=1")
    for server in servers:
        server.stop()
    return 0


class _CalmServer(uvicorn.Server):
    """Looks twice a second whether it shall end, not ten times: an idle driver must be idle."""

    async def main_loop(self) -> None:
        ticks = 0  # of a tenth of a second; every tenth the date for answers is made anew
        while not await self.on_tick(ticks):
            await asyncio.sleep(0.5)
            ticks += 5


class _Server:
    """One application on one socket, in a thread of its own."""

    def __init__(self, config: uvicorn.Config, listening: socket.socket) -> None:
        self._server = _CalmServer(config)
        self._thread = threading.Thread(target=self._server.run, args=([listening],), daemon=True)
        self._thread.start()

    @property
    def is_serving(self) -> bool:
        return self._server.started

    @property
    def has_died(self) -> bool:
        return not self._thread.is_alive()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(GOODBYE_SECONDS * 2)


def _servers(config: Config, stopping: threading.Event) -> list[_Server]:
    """Put the parts together and start serving the engine and the peers."""
    daemon = assemble(config, stopping)
    tls = uvicorn.Config(
        _with_room(daemon.peers_app),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GOODBYE_SECONDS,
        ssl_keyfile=str(config.certificates.key),
        ssl_certfile=str(config.certificates.cert),
        ssl_ca_certs=str(config.certificates.ca),
        ssl_cert_reqs=ssl.CERT_REQUIRED,
    )
    plain = uvicorn.Config(
        _with_room(daemon.engine_app),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GOODBYE_SECONDS,
    )
    peer_socket = socket.create_server((config.address, config.peer_port))
    return [_Server(tls, peer_socket), _Server(plain, _engine_socket(config.socket))]


def _with_room(app: FastAPI) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = CALLS_AT_ONCE
        yield

    app.router.lifespan_context = lifespan
    return app


def _engine_socket(path: Path) -> socket.socket:
    """The socket systemd holds for us, or one of our own at `path`, for root only."""
    if os.environ.get("LISTEN_PID") == str(os.getpid()):
        return socket.socket(fileno=FIRST_INHERITED_FD)
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    path.chmod(0o600)
    listening.listen()
    return listening


def _tell_systemd(state: str) -> None:
    """sd_notify(3): a datagram to the socket systemd names."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.connect("\0" + address[1:] if address.startswith("@") else address)
            notify.sendall(state.encode())


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    # Not sys.exit: that would wait for threads that wait for data, for up to answer_seconds.
    os._exit(status)
