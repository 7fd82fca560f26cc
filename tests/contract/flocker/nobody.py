"""An address of this machine behind which nobody is, not even a kernel that says so."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

ADDRESS = "127.0.0.1"


@contextmanager
def port_of_nobody() -> Iterator[int]:
    """A port that answers no call for a connection: as many wait there as there is room for."""
    with (
        socket.create_server((ADDRESS, 0), backlog=0) as full,
        socket.create_connection(full.getsockname()),
    ):
        yield full.getsockname()[1]
