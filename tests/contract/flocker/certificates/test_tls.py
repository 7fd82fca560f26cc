"""Connections between nodes while their certificates are replaced."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flocker.api.peer_client import HttpPeers
from flocker.api.peer_connections import PeerConnections
from flocker.base.config import Certificates
from flocker.base.errors import PeerAway
from flocker.base.records import Node
from flocker.certificates import leaves
from flocker.certificates.tls import RECORD_BYTES, Tls

pytestmark = pytest.mark.contract

ROOT = Path(__file__).parents[4]
ADDRESS = "127.0.0.1"
CONNECTIONS = 400
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]"


@pytest.fixture
def certs(tmp_path: Path) -> Path:
    folder = tmp_path / "certs"
    nodes = [f"{node}={ADDRESS}" for node in ("node1", "node2")]
    subprocess.run([ROOT / "provision" / "certificates", folder, *nodes], check=True, timeout=60)
    return folder


def renew(certs: Path, node: str) -> None:
    [driver, *_] = leaves.leaves(certs / node, certs / node / "member")
    driver.make(node, ADDRESS)


@contextmanager
def served(tls: ssl.SSLContext, seen: list[str]) -> Iterator[int]:
    """A server as the daemon's is one; it notes the number of each caller's certificate."""
    loop = asyncio.new_event_loop()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown: Any = writer.get_extra_info("peercert")
        seen.append(str(shown["serialNumber"]))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await writer.drain()
        writer.close()

    server = loop.run_until_complete(asyncio.start_server(answer, ADDRESS, 0, ssl=tls))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def serial(port: int, tls: ssl.SSLContext) -> str:
    """Ask something; the number of the certificate of who answers."""
    with (
        socket.create_connection((ADDRESS, port), timeout=30) as connection,
        tls.wrap_socket(connection, server_hostname="node1") as wrapped,
    ):
        wrapped.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert wrapped.recv(100).startswith(b"HTTP/1.1 200")
        shown: Any = wrapped.getpeercert()
        return str(shown["serialNumber"])


def test_no_connection_fails_while_certificates_are_replaced(certs: Path) -> None:
    serving = Tls(Certificates.within(certs / "node1"))
    asking = Tls(Certificates.within(certs / "node2"))
    done = threading.Event()

    def reload() -> None:
        while not done.is_set():
            renew(certs, "node1")
            serving.reload()
            asking.reload()

    with served(serving.server, []) as port, ThreadPoolExecutor(5) as threads:
        replacing = threads.submit(reload)
        try:
            serials = set(threads.map(lambda _: serial(port, asking.client), range(CONNECTIONS)))
        finally:
            done.set()
        replacing.result()
    assert len(serials) > 1


def test_other_nodes_are_called_with_the_newest_certificate(certs: Path) -> None:
    tls = Tls(Certificates.within(certs / "node2"))
    seen: list[str] = []
    with served(Tls(Certificates.within(certs / "node1")).server, seen) as port:
        peers = HttpPeers(
            PeerConnections(
                "node2", lambda: {"node1": Node("node1", ADDRESS, "0", 0, 1)}, port, tls
            )
        )
        for _ in range(2):
            assert peers.asides("node1") == []
        renew(certs, "node2")
        tls.reload()
        assert peers.asides("node1") == []
    first, second, third = seen
    assert first == second != third


def test_what_is_not_tls_1_3_is_refused(certs: Path) -> None:
    old = ssl.create_default_context(cafile=certs / "ca" / "cert.pem")
    old.load_cert_chain(certs / "node2" / "cert.pem", certs / "node2" / "key.pem")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        served(Tls(Certificates.within(certs / "node1")).server, []) as port,
        pytest.raises(ssl.SSLError, match=r"version|EOF"),
    ):
        serial(port, old)


def test_a_certificate_of_another_authority_in_a_new_file_is_not_taken(
    certs: Path, tmp_path: Path
) -> None:
    """The trusted authorities are replaced with the rest."""
    other = tmp_path / "other"
    make = [ROOT / "provision" / "certificates", other, f"node1={ADDRESS}", f"node2={ADDRESS}"]
    subprocess.run(make, check=True, timeout=60)
    tls = Tls(Certificates.within(certs / "node1"))
    nodes = {"node1": Node("node1", ADDRESS, "0", 0, 1)}
    with served(tls.server, []) as port:
        former = HttpPeers(
            PeerConnections("node2", lambda: nodes, port, Tls(Certificates.within(certs / "node2")))
        )
        later = HttpPeers(
            PeerConnections("node2", lambda: nodes, port, Tls(Certificates.within(other / "node2")))
        )
        assert former.asides("node1") == []
        with pytest.raises(PeerAway, match=r"(?i)certificate"):
            later.asides("node1")
        for name in ("ca.pem", "cert.pem", "key.pem"):
            (certs / "node1" / name).write_bytes((other / "node1" / name).read_bytes())
        tls.reload()
        assert later.asides("node1") == []
        with pytest.raises(PeerAway):
            HttpPeers(
                PeerConnections(
                    "node2", lambda: nodes, port, Tls(Certificates.within(certs / "node2"))
                )
            ).asides("node1")


@pytest.fixture
def ends(certs: Path) -> Iterator[tuple[ssl.SSLSocket, ssl.SSLSocket]]:
    """Both ends of a connection: who asks, and who answers."""
    one, other = socket.socketpair()
    asking, serving = (Tls(Certificates.within(certs / node)) for node in ("node2", "node1"))
    with ThreadPoolExecutor(1) as threads:
        wrapped = threads.submit(serving.server.wrap_socket, other, server_side=True)
        with (
            asking.client.wrap_socket(one, server_hostname="node1") as client,
            wrapped.result() as server,
        ):
            client.settimeout(30)
            yield client, server


def test_all_that_has_arrived_is_had_at_once(ends: tuple[ssl.SSLSocket, ssl.SSLSocket]) -> None:
    client, server = ends
    sent = os.urandom(4 * RECORD_BYTES)
    server.sendall(sent)
    assert client.recv(3 * RECORD_BYTES) == sent[: 3 * RECORD_BYTES], "and not more than asked for"
    assert client.recv(3 * RECORD_BYTES) == sent[3 * RECORD_BYTES :]
    assert client.gettimeout() == 30


def test_what_has_not_arrived_is_not_waited_for(
    ends: tuple[ssl.SSLSocket, ssl.SSLSocket],
) -> None:
    client, server = ends
    server.sendall(bytes(RECORD_BYTES))
    began = time.monotonic()
    assert len(client.recv(4 * RECORD_BYTES)) == RECORD_BYTES
    assert time.monotonic() - began < 10
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(1)


@pytest.mark.parametrize("is_orderly", [True, False])
def test_what_came_before_the_end_is_had_first(
    ends: tuple[ssl.SSLSocket, ssl.SSLSocket], is_orderly: bool
) -> None:
    client, server = ends
    server.sendall(bytes(RECORD_BYTES))
    if is_orderly:
        with ThreadPoolExecutor(1) as threads:
            over = threads.submit(server.unwrap)
            assert len(client.recv(4 * RECORD_BYTES)) == RECORD_BYTES
            assert client.recv(1) == b""
            client.close()
        assert isinstance(over.exception(), OSError | None)
    else:
        server.shutdown(socket.SHUT_RDWR)
        assert len(client.recv(4 * RECORD_BYTES)) == RECORD_BYTES
        assert client.recv(1) == b""
