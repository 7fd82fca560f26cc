"""TCP ports for servers that a test starts, stops and starts again."""

from __future__ import annotations

import socket

_held: list[socket.socket] = []


def free_port() -> int:
    """A port that no other process gets for as long as this one lives.

    The kernel gives a port that a socket is bound to neither to who asks for any free port nor to a
    connection that goes out. A server that sets SO_REUSEADDR, as all of ours do, may still bind to
    it, at any address and as often as it likes, since the socket here does not listen.
    """
    holding = socket.socket()
    holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holding.bind(("", 0))
    _held.append(holding)
    return int(holding.getsockname()[1])
