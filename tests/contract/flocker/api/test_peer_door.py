"""Connections to the port for other machines that want nothing, or too much."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import httpx2
import pytest

from acceptance.base.waiting import eventually
from flocker.api import peer_door, peer_models, peer_route
from flocker.certificates.tls import Tls
from tests.contract.flocker.peer_caller import asking, version_of
from tests.contract.flocker.peer_certificates import ADDRESS, Authority
from tests.contract.flocker.peer_server import peers_app, served
from tests.unit.flocker.cluster import MemoryCluster

pytestmark = pytest.mark.contract

REQUEST = b"GET /asides HTTP/1.1\r\nHost: node1\r\n\r\n"


@pytest.fixture
def port(cluster: MemoryCluster, authority: Authority) -> Iterator[int]:
    with served(peers_app(cluster["node1"], lambda _: None), authority) as port:
        yield port


def connected(port: int, source: str = ADDRESS) -> socket.socket:
    return socket.create_connection((ADDRESS, port), timeout=20, source_address=(source, 0))


def greeted(port: int, authority: Authority, name: str = "node2") -> ssl.SSLSocket:
    """A connection that has shown a certificate."""
    tls = Tls(authority.of("node", name)).client
    return tls.wrap_socket(connected(port), server_hostname="node1")


def is_over(connection: socket.socket) -> bool:
    """Tell whether the other end has ended it, now or within some seconds."""
    try:
        return connection.recv(1 << 16) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def is_open(connection: socket.socket) -> bool:
    """Tell whether the other end has not ended it by now."""
    connection.setblocking(False)
    try:
        return connection.recv(1 << 16) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def test_only_tls_1_3_is_spoken(port: int, authority: Authority) -> None:
    tls = version_of(Tls(authority.of("node", "node2")).client, ssl.TLSVersion.TLSv1_2)
    with closing(connected(port)) as plain, pytest.raises(ssl.SSLError):
        tls.wrap_socket(plain, server_hostname="node1")
    with closing(greeted(port, authority)) as connection:
        assert connection.version() == "TLSv1.3"


def test_a_node_asks_by_tls_1_3_only(authority: Authority) -> None:
    server = version_of(Tls(authority.of("node", "node1")).server, ssl.TLSVersion.TLSv1_2)
    client = Tls(authority.of("node", "node2")).client
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        client.wrap_bio(to_client, to_server, server_hostname="node1").do_handshake()
    with pytest.raises(ssl.SSLError) as refused:
        server.wrap_bio(to_server, to_client, server_side=True).do_handshake()
    assert refused.value.reason == "UNSUPPORTED_PROTOCOL"


def test_the_limits_are_those_that_are_promised() -> None:
    """By SECURITY.md and decision 35; the tests below shorten them."""
    assert peer_door.HANDSHAKE_SECONDS <= 5
    assert peer_door.REQUEST_SECONDS <= 10
    assert peer_route.BODY_SECONDS <= 20
    assert peer_route.LARGEST_BODY_BYTES <= 16 << 20
    assert peer_models.LARGEST_ANSWER_BYTES <= 32 << 20
    assert peer_door.HANDSHAKES_OF_ADDRESS <= 128
    assert peer_door.HANDSHAKES <= 512
    assert peer_door.CONNECTIONS_OF_NAME <= 256


def test_a_connection_that_says_nothing_is_ended(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_door, "HANDSHAKE_SECONDS", 0.3)
    began = time.monotonic()
    with closing(connected(port)) as connection:
        assert is_over(connection)
    assert time.monotonic() - began < 10


def test_a_handshake_that_stops_half_way_is_ended(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_door, "HANDSHAKE_SECONDS", 0.3)
    with closing(connected(port)) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert is_over(connection)


@pytest.mark.parametrize("sent", [b"", REQUEST[:-2], b"POST /volumes/x/release HTTP/1.1\r\n"])
def test_a_request_that_does_not_come_ends_its_connection(
    port: int, authority: Authority, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(peer_door, "REQUEST_SECONDS", 0.3)
    with closing(greeted(port, authority)) as connection:
        connection.sendall(sent)
        assert is_over(connection)


def test_a_second_request_that_does_not_come_ends_its_connection(
    port: int, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_door, "REQUEST_SECONDS", 0.3)
    with closing(greeted(port, authority)) as connection:
        connection.sendall(REQUEST)
        assert b"200 OK" in connection.recv(1 << 16)
        connection.sendall(REQUEST[:-2])
        eventually(lambda: is_over(connection), is_=True, within=10)


def test_a_body_that_does_not_come_is_not_waited_for(
    port: int, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_route, "BODY_SECONDS", 0.3)
    head = b"POST /increments HTTP/1.1\r\nHost: node1\r\nContent-Length: 100\r\n\r\n{"
    with closing(greeted(port, authority)) as connection:
        connection.sendall(head)
        assert b"408" in connection.recv(1 << 16)


def test_a_body_that_is_too_large_is_refused(port: int, authority: Authority) -> None:
    ask = asking(port, authority.of("node", "node2"))
    answer = ask("POST", "/increments", content=b"x" * (peer_route.LARGEST_BODY_BYTES + 1))
    assert answer.status_code == 413

    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * (1 << 20)

    try:
        answer = ask("POST", "/increments", content=endless())
    except httpx2.TransportError:  # it was hung up on, in the middle
        pass
    else:
        assert answer.status_code == 413


def test_a_body_is_not_waited_for_of_who_may_not_ask(port: int, authority: Authority) -> None:
    head = b"POST /increments HTTP/1.1\r\nHost: node1\r\nContent-Length: 100\r\n\r\n"
    tls = Tls(authority.of("monitor", "prometheus")).client
    began = time.monotonic()
    with closing(tls.wrap_socket(connected(port), server_hostname="node1")) as connection:
        connection.sendall(head)
        assert b"403" in connection.recv(1 << 16)
    assert time.monotonic() - began < peer_route.BODY_SECONDS / 2


def test_of_too_many_of_an_address_the_oldest_that_is_silent_goes(
    port: int, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_door, "HANDSHAKES_OF_ADDRESS", 4)
    with ExitStack() as stack:
        speaking = stack.enter_context(closing(connected(port)))
        speaking.sendall(b"\x16\x03\x01")
        assert asking(port, authority.of("node", "node2"))("GET", "/asides").is_success
        silent = [stack.enter_context(closing(connected(port))) for _ in range(3)]
        one_more = stack.enter_context(closing(connected(port)))
        assert is_over(silent[0])
        assert is_open(speaking)
        assert all(map(is_open, [*silent[1:], one_more]))


def test_of_too_many_in_all_one_of_the_address_with_most_goes(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_door, "HANDSHAKES", 4)
    with ExitStack() as stack:
        alone = stack.enter_context(closing(connected(port, "127.0.0.2")))
        crowd = [stack.enter_context(closing(connected(port, "127.0.0.3"))) for _ in range(3)]
        another = stack.enter_context(closing(connected(port, "127.0.0.4")))
        assert is_over(crowd[0])
        assert all(map(is_open, [alone, another, *crowd[1:]]))


def test_idle_connections_keep_no_node_out(
    port: int, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest makes room, so that a node gets in though none has ended by itself."""
    monkeypatch.setattr(peer_door, "HANDSHAKE_SECONDS", 60.0)
    monkeypatch.setattr(peer_door, "HANDSHAKES_OF_ADDRESS", 5)
    with ExitStack() as idle:
        made = [idle.enter_context(closing(connected(port))) for _ in range(20)]
        assert asking(port, authority.of("node", "node2"))("GET", "/asides").is_success
        assert all(is_over(each) for each in made[:15])
        made[-1].settimeout(0.2)
        with pytest.raises(TimeoutError):
            made[-1].recv(1)


def test_one_name_has_no_more_than_its_connections(
    port: int, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_door, "CONNECTIONS_OF_NAME", 3)
    with ExitStack() as opened:
        for _ in range(3):
            connection = opened.enter_context(closing(greeted(port, authority)))
            connection.sendall(REQUEST)
            assert b"200 OK" in connection.recv(1 << 16)
        with closing(greeted(port, authority)) as one_more:
            assert is_over(one_more)
        with closing(greeted(port, authority, "node3")) as another:
            another.sendall(REQUEST)
            assert b"200 OK" in another.recv(1 << 16)
    # Counted until they are over, and no longer.
    ask = asking(port, authority.of("node", "node2"))
    eventually(
        lambda: ask("GET", "/asides").is_success, is_=True, within=10, not_yet=(httpx2.HTTPError,)
    )
