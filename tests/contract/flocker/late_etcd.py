"""A way to etcd on which questions can be held back, and asked again: memory's and a real one's."""

from __future__ import annotations

import json
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

import pytest
import requests

from flocker.base.errors import ControlPlaneAway
from flocker.consensus.etcd import EtcdOwnership
from flocker.consensus.ownership import Ownership
from tests.contract.flocker.etcd_members import LEASE_SECONDS, Etcd
from tests.twins.memory_ownership import MemoryOwnership

Question = dict[str, Any]


class Way(Protocol):
    """The way of a test's nodes to etcd.

    Attributes:
        asked: every transaction that was executed, oldest first.
        held: those that were not; whoever asked was told that etcd is away.
        is_held: tells which are.
    """

    asked: list[Question]
    held: list[Question]
    is_held: Callable[[Question], bool]

    def join(self) -> Ownership:
        """The view of one more node."""

    def execute(self, question: Question) -> None:
        """Have a transaction executed now, whoever asked it and when."""

    def keys(self) -> dict[str, Any]:
        """All that etcd holds."""


class MemoryWay:
    """All on one etcd in memory."""

    def __init__(self) -> None:
        self._shared = MemoryOwnership()
        self.asked = self._shared.etcd.executed
        self.held: list[Question] = []
        self.is_held: Callable[[Question], bool] = lambda _: False
        self._shared.etcd.before = self._hold

    def join(self) -> Ownership:
        return self._shared

    def execute(self, question: Question) -> None:
        with suppress(ControlPlaneAway):  # its lease is over
            self._shared.etcd.execute(question)

    def keys(self) -> dict[str, Any]:
        return {key: json.loads(value) for key, value in self._shared.etcd.keys().items()}

    def _hold(self, path: str, question: Question) -> None:
        if path == "/kv/txn" and self.is_held(question):
            self.held.append(question)
            raise ControlPlaneAway("etcd does not answer")


class HttpWay:
    """A proxy before a real etcd."""

    def __init__(self, etcd: Etcd) -> None:
        self._etcd = etcd
        self._asking = requests.Session()  # thousands of questions, on connections that stay
        self._asking.trust_env = False
        self._revision: str | None = None  # of etcd, as far as nobody else has written since
        self._keys: dict[str, Any] = {}
        self._keys_revision: str | None = None
        self.url = ""
        self.asked: list[Question] = []
        self.held: list[Question] = []
        self.is_held: Callable[[Question], bool] = lambda _: False

    def join(self) -> Ownership:
        return EtcdOwnership([self.url], LEASE_SECONDS * 30, None)

    def execute(self, question: Question) -> None:
        answer = self._asking.post(f"{self._etcd.endpoint}/v3/kv/txn", json=question, timeout=5)
        self._revision = answer.json().get("header", {}).get("revision")

    def keys(self) -> dict[str, Any]:
        """Read it, unless nothing was written since: each write makes a new revision."""
        if self._revision is None or self._revision != self._keys_revision:
            self._keys = self._read()
        return self._keys

    def _read(self) -> dict[str, Any]:
        question = {"key": "ZmxvY2tlci8=", "range_end": "ZmxvY2tlcjA="}  # flocker/, flocker0
        answer = self._asking.post(f"{self._etcd.endpoint}/v3/kv/range", json=question, timeout=5)
        found = answer.json()
        self._keys_revision = found["header"]["revision"]
        return {
            b64decode(each["key"]).decode(): json.loads(b64decode(each["value"]))
            for each in found.get("kvs", [])
        }

    def close(self) -> None:
        self._asking.close()

    def hand_on(self, path: str, body: bytes) -> requests.Response | None:
        """Etcd's answer; None if it is not asked."""
        self._revision = None
        if path == "/v3/kv/txn":
            question = json.loads(body)
            if self.is_held(question):
                self.held.append(question)
                return None
            self.asked.append(question)
        return self._asking.post(self._etcd.endpoint + path, data=body, timeout=5)


@contextmanager
def before(etcd: Etcd) -> Iterator[HttpWay]:
    """Serve a way to that etcd."""
    way = HttpWay(etcd)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = way.hand_on(self.path, body)
            self.close_connection = True
            if answer is not None:
                self.send_response(answer.status_code)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    way.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield way
    finally:
        server.shutdown()
        server.server_close()
        way.close()


@pytest.fixture(params=["memory", "etcd"])
def way(request: pytest.FixtureRequest) -> Iterator[Way]:
    """A way to an empty etcd of every kind there is."""
    if request.param == "memory":
        yield MemoryWay()
        return
    with before(request.getfixturevalue("etcd")) as found:
        yield found
