"""Connections that notice within seconds that the node at their other end is gone.

A node that loses its power, or whose address leads nowhere any more, says no goodbye. Left to its
defaults the kernel tries to connect for two minutes, and waits for an answer without end.
"""

from __future__ import annotations

import socket

CONNECT_SECONDS = 10
GONE_SECONDS = 20  # a paused container is not gone: its host's kernel answers for it

SOCKET_OPTIONS = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    # Of what was sent and not acknowledged; keepalive is about silence only.
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_SECONDS * 1000),
]


def watch(connected: socket.socket) -> None:
    """Have a connection break within GONE_SECONDS of its other end's disappearance."""
    for option in SOCKET_OPTIONS:
        connected.setsockopt(*option)
