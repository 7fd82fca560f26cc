"""Serve moby-counter: `python3 -m moby_counter`.

Environment: REDIS_HOST (default redis), REDIS_PORT (6379), PORT (80), and NODE_FILE (/etc/node),
a file holding the name of the node; without it the machine's own hostname is shown.
"""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path

import uvicorn

from moby_counter.storage import RedisStorage
from moby_counter.web import create_app

log = logging.getLogger("moby_counter")

GOODBYE_SECONDS = 5  # for requests under way at SIGTERM; Docker kills after 10


def main() -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    host = os.environ.get("REDIS_HOST", "redis")
    port = int(os.environ.get("REDIS_PORT", "6379"))
    node = read_node(Path(os.environ.get("NODE_FILE", "/etc/node")))
    log.info("serving as %s, whales are kept by Redis at %s:%d", node, host, port)
    uvicorn.run(
        create_app(RedisStorage(host, port), node),
        host="0.0.0.0",  # noqa: S104  a container's port is published by Docker, not here
        port=int(os.environ.get("PORT", "80")),
        log_config=None,  # logs go to the handler above
        access_log=False,  # the page asks twice a second
        timeout_graceful_shutdown=GOODBYE_SECONDS,
    )


def read_node(path: Path) -> str:
    """The node's name from a file such as /etc/hostname, else this machine's hostname."""
    try:
        return path.read_text(encoding="ascii").strip() or socket.gethostname()
    except (OSError, UnicodeDecodeError):
        return socket.gethostname()


if __name__ == "__main__":
    main()
