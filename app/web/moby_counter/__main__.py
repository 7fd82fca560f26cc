"""Serve moby-counter: `python3 -m moby_counter`. README.md lists what the environment may say."""

from __future__ import annotations

import logging
import os
import socket
import sys
from pathlib import Path

import uvicorn

from moby_counter.settings import BadSettings, PostgresServer, RedisServer, from_environment
from moby_counter.storage import Storage
from moby_counter.visitors import Visitor
from moby_counter.web import create_app

log = logging.getLogger("moby_counter")

GOODBYE_SECONDS = 5  # for requests under way at SIGTERM; Docker kills after 10


def main() -> int:
    """Serve until SIGTERM. Exit status 0; 2: a setting is wrong."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    try:
        settings = from_environment(os.environ)
    except BadSettings as error:
        print(f"moby-counter: {error}", file=sys.stderr)
        return 2
    node = read_node(settings.node_file)
    log.info("serving as %s, whales are kept by %s", node, settings.storage)
    uvicorn.run(
        create_app(open_storage(settings.storage), node),
        host="0.0.0.0",  # noqa: S104  a container's port is published by Docker, not here
        port=settings.port,
        http=Visitor,
        log_config=None,  # logs go to the handler above
        access_log=False,  # the page asks twice a second
        timeout_graceful_shutdown=GOODBYE_SECONDS,
    )
    return 0


def open_storage(server: RedisServer | PostgresServer) -> Storage:
    """The storage on that server, with none of the other's client, which takes 0.2 s to import."""
    if isinstance(server, PostgresServer):
        from moby_counter.postgres_storage import PostgresStorage

        return PostgresStorage(server)
    from moby_counter.redis_storage import RedisStorage

    return RedisStorage(server)


def read_node(path: Path) -> str:
    """The node's name from a file such as /etc/hostname, else this machine's hostname."""
    try:
        return path.read_text(encoding="ascii").strip() or socket.gethostname()
    except (OSError, UnicodeDecodeError):
        return socket.gethostname()


if __name__ == "__main__":
    sys.exit(main())
