"""A node's way to the others: address, certificate and time limits."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from flocker.api.peer_models import LARGEST_ANSWER_BYTES, reason
from flocker.base import audit
from flocker.base.errors import PeerAway, PoolError, Refused, Stalled, TransferFailed
from flocker.base.records import Node
from flocker.certificates.tls import Tls
from flocker.streams import frames, liveness

ANSWER_SECONDS = 20
CONNECT_SECONDS = 5  # and for TLS, which a node takes its time for when fifty volumes move at once
# uvicorn closes idle connections after 5 s; one that is being closed is no sign of a dead node.
IDLE_SECONDS = 1
# A node that loses its power says no goodbye: without these, who waits for its answer would do so
# for DISK_SECONDS.
KEEPALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
]


class PeerConnections:
    """Connections to the other nodes, found by the addresses they announce.

    Args:
        nodes: the nodes that are alive now by name, this one included.
        tls: shows this node's certificate, and checks the names in those of others.
    """

    def __init__(
        self,
        node: str,
        nodes: Callable[[], dict[str, Node]],
        port: int,
        tls: Tls,
    ) -> None:
        self._node = node
        self._nodes = nodes
        self._port = port
        self._tls = tls
        self._clients: dict[str, tuple[ssl.SSLContext, httpx2.Client]] = {}
        self._connecting = threading.Lock()

    def others(self) -> list[str]:
        """The names of the other nodes that are alive now."""
        return [node for node in self._nodes() if node != self._node]

    def post(self, node: str, path: str, body: Any, within: float = ANSWER_SECONDS) -> bytes:
        """Have a node do something; its answer.

        Raises:
            PeerAway: there was none in time.
            Refused: it was refused; the message is that of the node.
            PoolError: it could not be done.
        """
        return self._answer(node, "POST", path, within, json=body)

    def get(
        self,
        node: str,
        path: str,
        params: dict[str, int] | None = None,
        within: float = ANSWER_SECONDS,
    ) -> bytes:
        """Ask a node for something; raises as `post` does."""
        return self._answer(node, "GET", path, within, params=params)

    @contextmanager
    def streaming(
        self, node: str, method: str, path: str, **asked: Any
    ) -> Iterator[Iterable[bytes]]:
        """Open a stream of chunks, and explain what ends it too early.

        Raises:
            Stalled: nothing came for too long.
            TransferFailed: it broke off, or the node cannot send it.
        """
        patience = _patient(liveness.SILENCE_SECONDS)
        try:
            with self._client(node).stream(
                method, self._url(node) + path, timeout=patience, **asked
            ) as answer:
                yield _content(answer, node)
        except httpx2.ReadTimeout as error:
            raise Stalled(node, liveness.SILENCE_SECONDS) from error
        except httpx2.HTTPError as error:
            raise TransferFailed(
                f"the stream from {node} broke off ({error!r}); try again"
            ) from error

    def _client(self, node: str) -> httpx2.Client:
        """The connections to one node; never those to another one, whatever their addresses."""
        newest = self._tls.client
        with self._connecting:
            shown, client = self._clients.get(node, (None, None))
            if client is None or shown is not newest:
                # The former one ends with the streams that it still has.
                client = httpx2.Client(
                    transport=_ToNode(node, newest),
                    timeout=httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
                    trust_env=False,
                )
                self._clients[node] = newest, client
            return client

    def _answer(self, node: str, method: str, path: str, within: float, **asked: Any) -> bytes:
        url, began = self._url(node) + path, time.monotonic()
        try:
            with self._client(node).stream(
                method,
                url,
                timeout=_patient(within),
                headers=self._for_whom(),
                **asked,
            ) as answer:
                content = b""
                for chunk in answer.iter_raw():
                    content += chunk
                    if len(content) > LARGEST_ANSWER_BYTES:
                        raise TransferFailed(f"{node} gave an answer without end")
                    if time.monotonic() - began > within:
                        raise PeerAway(node, f"no whole answer within {within:g} s")
        except httpx2.ReadTimeout as error:
            raise PeerAway(node, f"no answer within {within:g} s") from error
        except httpx2.HTTPError as error:
            raise PeerAway(node, str(error) or repr(error)) from error
        if answer.status_code in (httpx2.codes.CONFLICT, httpx2.codes.FORBIDDEN):
            raise Refused(reason(content))
        if not answer.is_success:
            raise PoolError(f"{node} could not do it: {reason(content)}")
        return content

    def _for_whom(self) -> dict[str, str]:
        """Name who asked this node for what it asks another one."""
        asker = audit.asker()
        is_ours = asker is not None and asker.name == self._node
        return {audit.FORWARDED_HEADER: asker.kind} if asker and is_ours else {}

    def _url(self, node: str) -> str:
        if known := self._nodes().get(node):
            return f"https://{known.address}:{self._port}"
        raise PeerAway(node, "its lease has run out")


class _ToNode(httpx2.HTTPTransport):
    """Connections to one node, which must show a certificate with that name.

    Its address will not do: that is whatever etcd says.
    """

    def __init__(self, node: str, tls: ssl.SSLContext) -> None:
        super().__init__(
            verify=tls,
            limits=httpx2.Limits(keepalive_expiry=IDLE_SECONDS),
            socket_options=KEEPALIVE,
            trust_env=False,
        )
        self._node = node

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.extensions = {**request.extensions, "sni_hostname": self._node}
        return super().handle_request(request)


def _content(answer: httpx2.Response, node: str) -> Iterable[bytes]:
    if not answer.is_success:
        answer.read()
        raise TransferFailed(f"{node} cannot send: {reason(answer.content)}")
    return frames.decode(answer.iter_raw(), node)


def _patient(seconds: float) -> httpx2.Timeout:
    """Wait that long for an answer, but not for a machine that is not there."""
    return httpx2.Timeout(seconds, connect=CONNECT_SECONDS)
