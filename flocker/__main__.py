"""The daemon of one node: `python3 -m flocker`, started by systemd."""

from __future__ import annotations

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

from flocker import VERSION
from flocker.api import serve_engine
from flocker.btrfs import BtrfsPool
from flocker.catalog import Catalog
from flocker.config import Config
from flocker.driver import Driver
from flocker.engine import Engine
from flocker.errors import ControlPlaneAway, FlockerError
from flocker.etcd import EtcdOwnership
from flocker.handoff import Arrivals, Handoff
from flocker.holders import Holders
from flocker.ownership import Node, Ownership
from flocker.peer import HttpPeers, serve_peers
from flocker.pool import Pool

log = logging.getLogger("flocker")

# Calls that wait at once: a Mount may wait for answer_seconds and must not keep a Get waiting.
CALLS_AT_ONCE = 256
GOODBYE_SECONDS = 1  # a peer keeps its connection open; waiting for it would delay every restart
RETRY_SECONDS = 1  # while etcd is away, which is also how a cluster begins
FIRST_INHERITED_FD = 3  # sd_listen_fds(3)


def main() -> int:
    """Serve until SIGTERM; the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        config = Config.from_environment()
        servers = _servers(config, stopping)
    except FlockerError as error:
        print(f"flocker: {error}", file=sys.stderr)
        return 1
    _tell_systemd("READY=1")
    log.info("serving volumes of %s", config.node)
    stopping.wait()
    for server, _ in servers:
        server.should_exit = True
    for _, thread in servers:
        thread.join(GOODBYE_SECONDS * 2)
    return 0


def _servers(
    config: Config, stopping: threading.Event
) -> list[tuple[uvicorn.Server, threading.Thread]]:
    """Put the parts together and start serving the engine and the peers."""
    pool = BtrfsPool(config.pool)
    ownership = EtcdOwnership(config.etcd_endpoints, config.lease_seconds, config.certificates)
    peers = HttpPeers(config.node, ownership.nodes, config.peer_port, config.certificates)
    handoff = Handoff(config.node, ownership, pool, peers)
    driver = Driver(
        config.node,
        ownership=ownership,
        catalog=Catalog(ownership, config.pool / "catalog.json"),
        pool=pool,
        peers=peers,
        arrivals=Arrivals(handoff, config.answer_seconds),
        holders=Holders(config.runtime / "holders.json"),
        containers_using=Engine(config.engine_socket).containers_using,
    )
    threading.Thread(
        target=_stay_known, args=(config, ownership, pool, driver, stopping), daemon=True
    ).start()
    tls = uvicorn.Config(
        _with_room(serve_peers(driver, pool)),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GOODBYE_SECONDS,
        ssl_keyfile=str(config.certificates.key),
        ssl_certfile=str(config.certificates.cert),
        ssl_ca_certs=str(config.certificates.ca),
        ssl_cert_reqs=ssl.CERT_REQUIRED,
    )
    plain = uvicorn.Config(
        _with_room(serve_engine(driver, ownership)),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GOODBYE_SECONDS,
    )
    peer_socket = socket.create_server((config.address, config.peer_port))
    return [_serve(tls, peer_socket), _serve(plain, _engine_socket(config.socket))]


def _serve(
    config: uvicorn.Config, listening: socket.socket
) -> tuple[uvicorn.Server, threading.Thread]:
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    return server, thread


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


def _stay_known(
    config: Config, ownership: Ownership, pool: Pool, driver: Driver, stopping: threading.Event
) -> None:
    """Keep this node's lease alive, and catch up whenever etcd is back."""
    is_caught_up = False
    while not stopping.is_set():
        wait_seconds = config.lease_seconds / 3
        try:
            usage = pool.usage()
            ownership.announce(
                Node(config.node, config.address, VERSION, usage.used_bytes, usage.total_bytes)
            )
            if not is_caught_up:
                driver.put_away_lost()
                is_caught_up = True
                log.info("joined the cluster")
        except ControlPlaneAway as error:
            is_caught_up = False
            wait_seconds = RETRY_SECONDS
            log.warning("%s", error)
        except FlockerError:
            log.exception("this node could not catch up with the cluster")
        stopping.wait(wait_seconds)


def _tell_systemd(state: str) -> None:
    """sd_notify(3): a datagram to the socket systemd names."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.connect("\0" + address[1:] if address.startswith("@") else address)
            notify.sendall(state.encode())


if __name__ == "__main__":
    sys.exit(main())
