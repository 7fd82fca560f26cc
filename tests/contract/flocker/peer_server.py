"""One node of a cluster in memory, served to others as its daemon serves it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fastapi import FastAPI

from acceptance.base.waiting import eventually
from flocker.api.maintenance_api import add_peer_maintenance_routes
from flocker.api.operator_api import add_watching_routes
from flocker.api.peer_api import Parts, serve_peers
from flocker.api.peer_client import HttpPeers
from flocker.api.peer_connections import PeerConnections
from flocker.api.serving import serve_on_peer_socket
from flocker.api.verification_api import add_peer_verification_routes
from flocker.base.records import Node
from flocker.certificates.tls import Tls
from tests.contract.flocker.peer_certificates import ADDRESS, Authority
from tests.unit.flocker.cluster import Machine, MemoryCluster


def peers_app(machine: Machine, count_sent: Callable[[int], None]) -> FastAPI:
    """The application by which a machine answers others."""
    app = serve_peers(
        Parts(
            machine.context,
            machine.driver,
            machine.departures,
            machine.removed_copies,
            machine.operations,
            machine.rights,
            count_sent,
        )
    )
    add_peer_maintenance_routes(app, machine.maintenance)
    add_peer_verification_routes(app, machine.verification)
    add_watching_routes(app, "", lambda: (200, {}), lambda: b"")
    return app


@contextmanager
def served(app: FastAPI, authority: Authority) -> Iterator[int]:
    """Serve an app as node1, at a port."""
    listening = socket.create_server((ADDRESS, 0))
    port: int = listening.getsockname()[1]
    tls = Tls(authority.of("node", "node1"))
    server = serve_on_peer_socket(app, listening, tls.server, lambda: None)
    eventually(lambda: server.is_serving, is_=True, within=10)
    try:
        yield port
    finally:
        server.stop()


def peers_of_node2(cluster: MemoryCluster, port: int, authority: Authority) -> HttpPeers:
    """What node2 uses; it finds node1 where node1 announced itself."""
    cluster["node1"].ownership.announce(Node("node1", ADDRESS, "0", 0, 1))
    return HttpPeers(
        PeerConnections(
            "node2", lambda: dict(cluster.state.nodes), port, Tls(authority.of("node", "node2"))
        )
    )
