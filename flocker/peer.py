"""One node talking to another: HTTP over mutual TLS, on one port.

    POST /volumes/<name>/check-unused      anything using it? 409 names it
    POST /volumes/<name>/prepare           take a snapshot before a move
    POST /volumes/<name>/release           take the last snapshot for a move
    POST /volumes/<name>/put-away          the volume has moved
    POST /volumes/<name>/create            create it; sent to the node that has what it is made from
    POST /volumes/<name>/remove            remove it; sent to the owner
    POST /operations/<operation>           what an operator asked for; sent to where the data is
    POST /copies/<id>/forget               it was removed
    GET  /copies/<id>/snapshots            those that are there
    GET  /copies/<id>/snapshots/<n>        a btrfs stream; ?parent=<n> for an increment, ?to=<node>
    GET  /copies/<id>/snapshots/<n>/bytes  how much data that stream carries
    POST /increments                       small increments of many volumes, in one stream
    GET  /asides                           what was put aside there
    POST /upkeep/purge                     see upkeep_api.py
    GET  /upkeep/strays                    likewise
    POST /verification/...                 see verification_api.py

A stream has no length: it is chunked, so one that breaks off cannot pass for whole. To whom asks
for it `framed`, it comes with signs of life (frames.py); nodes of older versions neither ask for
that nor send it.

Longer than 300 lines because both ends of each route are here.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any
from urllib.parse import quote

import anyio
import httpx2
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.types import Message, Receive, Scope, Send

from flocker import frames, liveness
from flocker.config import Certificates
from flocker.custody import Custody
from flocker.digest import Digest
from flocker.driver import Driver
from flocker.errors import (
    BadRequest,
    FlockerError,
    OwnerAway,
    PeerAway,
    PoolError,
    Refused,
    Stalled,
    TransferFailed,
    VolumeNotFound,
)
from flocker.increments import Increment, Increments, Wanted, decode, encode
from flocker.operations import Operations
from flocker.pool import Aside, Pool
from flocker.records import Move, Node, Snapshot, Volume
from flocker.replication import Retention

log = logging.getLogger(__name__)

ANSWER_SECONDS = 20
LIST_SECONDS = 5  # a person waits for it, and is told which nodes are not on the list
CONNECT_SECONDS = 5  # and for TLS, which a node takes its time for when fifty volumes move at once
# A snapshot waits until the disk has all that was written, and the size of a stream is unknown as
# long as btrfs walks over files that did not change. As long is waited for a node to take more of
# a stream: it gives up sooner if its disk hangs, and nobody else can tell that from a slow disk.
DISK_SECONDS = 600
# A move that an operator asks for elsewhere takes as long as its data.
OPERATION_SECONDS = 24 * 3600
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
FORWARDED = frozenset({"move", "snapshot", "prune", "restore", "undelete", "resize"})


class ReleaseRequest(BaseModel):
    """Which move the volume is wanted for."""

    epoch: int
    token: str


class IncrementsRequest(BaseModel):
    """Everything that a node lacks (increments.Wanted)."""

    to: str
    wanted: list[dict[str, Any]]
    framed: bool = False


class CreateRequest(BaseModel):
    """The options as they were typed."""

    options: dict[str, str]


@dataclass(frozen=True)
class Parts:
    """What answers other nodes."""

    driver: Driver
    custody: Custody
    operations: Operations
    pool: Pool
    retention: Retention
    count_sent: Callable[[int], None]


def serve_peers(parts: Parts) -> FastAPI:
    """The application that answers other nodes."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    driver, custody, pool = parts.driver, parts.custody, parts.pool

    @app.post("/volumes/{name}/check-unused")
    def check_unused(name: str) -> dict[str, Any]:
        custody.refuse_if_used(name)
        return {}

    @app.post("/volumes/{name}/prepare")
    def prepare(name: str) -> dict[str, Any]:
        return custody.prepare(name).to_json()

    @app.post("/volumes/{name}/release")
    def release(name: str, wanted: ReleaseRequest) -> dict[str, Any]:
        return custody.release(name, wanted.epoch, wanted.token).to_json()

    @app.post("/volumes/{name}/put-away")
    def put_away(name: str) -> dict[str, Any]:
        custody.put_away(name)
        return {}

    @app.post("/volumes/{name}/create")
    def create(name: str, asked: CreateRequest) -> dict[str, Any]:
        driver.create(name, asked.options)
        return {}

    @app.post("/volumes/{name}/remove")
    def remove(name: str) -> dict[str, Any]:
        driver.remove_for_peer(name)
        return {}

    @app.post("/operations/{operation}")
    def operate(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if operation not in FORWARDED:
            raise BadRequest(f"no operation '{operation}'")
        answer: dict[str, Any] = getattr(parts.operations, operation)(**arguments)
        return answer

    @app.post("/copies/{volume_id}/forget")
    def forget(volume_id: str) -> dict[str, Any]:
        custody.forget(volume_id)
        return {}

    @app.get("/copies/{volume_id}/snapshots")
    def snapshots(volume_id: str) -> list[dict[str, Any]]:
        return [snapshot.to_json() for snapshot in pool.snapshots(volume_id)]

    @app.get("/copies/{volume_id}/snapshots/{number}")
    async def stream(
        volume_id: str, number: int, to: str, parent: int | None = None, *, framed: bool = False
    ) -> _Outgoing:
        parts.retention.sending(volume_id, to, number)
        chunks = pool.send(volume_id, number, parent)
        # Asked for the first one here, so that what cannot be sent is refused with its reason.
        first = await run_in_threadpool(next, chunks, b"")
        return _Outgoing(first, chunks, parts.count_sent, to, is_framed=framed)

    @app.get("/copies/{volume_id}/snapshots/{number}/bytes")
    def stream_bytes(volume_id: str, number: int, parent: int | None = None) -> dict[str, int]:
        return {"bytes": pool.stream_bytes(volume_id, number, parent)}

    @app.post("/increments")
    def increments(asked: IncrementsRequest) -> _Outgoing:
        wanted = [Wanted.from_json(each) for each in asked.wanted]
        found = Increments(pool, parts.retention).send(asked.to, wanted)
        chunks = encode(found)
        return _Outgoing(b"", chunks, parts.count_sent, asked.to, is_framed=asked.framed)

    @app.get("/asides")
    def asides() -> list[dict[str, Any]]:
        return [aside.to_json() for aside in parts.operations.asides()]

    @app.exception_handler(FlockerError)
    def refuse(_: Request, error: Exception) -> JSONResponse:
        refused = isinstance(error, Refused | VolumeNotFound | BadRequest)
        return JSONResponse({"error": str(error)}, status_code=409 if refused else 500)

    return app


class _Outgoing(StreamingResponse):
    """A stream that ends with its answer: read to the end, broken off or never begun.

    When the other node hangs up, Starlette cancels the sending, wherever it is at that moment.
    One that stays and takes nothing is hung up on.
    """

    def __init__(
        self,
        first: bytes,
        chunks: Generator[bytes, None, None],
        count_sent: Callable[[int], None],
        to: str,
        *,
        is_framed: bool,
    ) -> None:
        counted = _counted(first, chunks, count_sent)
        content = frames.encode(counted) if is_framed else filter(None, counted)
        kind = frames.MEDIA_TYPE if is_framed else "application/octet-stream"
        super().__init__(content, media_type=kind)
        self._chunks = chunks
        self._to = to

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            try:
                with anyio.fail_after(DISK_SECONDS):
                    await send(message)
            except TimeoutError as error:
                raise TransferFailed(
                    f"{self._to} has taken nothing of a stream for {DISK_SECONDS:g} s; it is ended"
                ) from error

        try:
            await super().__call__(scope, receive, send_in_time)
        finally:
            with anyio.CancelScope(shield=True):  # a cancelled answer could not wait for it
                await run_in_threadpool(self._chunks.close)


def _counted(
    first: bytes, chunks: Iterator[bytes], count_sent: Callable[[int], None]
) -> Iterator[bytes]:
    for chunk in chain([first], chunks):
        yield chunk
        count_sent(len(chunk))


class HttpPeers:
    """The other nodes, found by the addresses they announce.

    Args:
        nodes: the nodes that are alive now by name, this one included.
    """

    def __init__(
        self,
        node: str,
        nodes: Callable[[], dict[str, Node]],
        port: int,
        certificates: Certificates,
    ) -> None:
        self._node = node
        self._nodes = nodes
        self._port = port
        tls = ssl.create_default_context(cafile=str(certificates.ca))
        tls.load_cert_chain(str(certificates.cert), str(certificates.key))
        self._client = httpx2.Client(
            transport=httpx2.HTTPTransport(
                verify=tls,
                limits=httpx2.Limits(keepalive_expiry=IDLE_SECONDS),
                socket_options=KEEPALIVE,
                trust_env=False,
            ),
            timeout=httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            trust_env=False,
        )

    def check_unused(self, volume: Volume) -> None:
        self._ask(volume, volume.owner, "check-unused")

    def prepare(self, volume: Volume) -> Snapshot:
        answer = self._ask(volume, volume.owner, "prepare", within=DISK_SECONDS)
        return Snapshot.from_json(answer)

    def release(self, volume: Volume, move: Move) -> Snapshot:
        wanted = {"epoch": volume.epoch, "token": move.token}
        answer = self._ask(volume, volume.owner, "release", wanted, within=DISK_SECONDS)
        return Snapshot.from_json(answer)

    def tell_moved(self, volume: Volume, source: str) -> None:
        try:
            self._ask(volume, source, "put-away")
        except FlockerError as error:
            # The record is what counts; the old owner also looks for itself.
            log.warning("%s was not told that '%s' moved: %s", source, volume.name, error)

    def create(self, node: str, name: str, options: dict[str, str]) -> None:
        path = f"/volumes/{quote(name, safe='')}/create"
        self._post(node, path, {"options": options}, DISK_SECONDS)

    def remove(self, volume: Volume) -> None:
        self._ask(volume, volume.owner, "remove")

    def operate(self, node: str, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        path = f"/operations/{operation}"
        answer: dict[str, Any] = self._post(node, path, arguments, OPERATION_SECONDS)
        return answer

    def asides(self, node: str) -> list[Aside]:
        return [Aside.from_json(value) for value in self._get(node, "/asides", within=LIST_SECONDS)]

    def strays(self, node: str) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = self._get(node, "/upkeep/strays")
        return answer

    def purge(self, node: str, volume_ids: list[str], references: list[str]) -> dict[str, Any]:
        body = {"volume_ids": volume_ids, "references": references}
        answer: dict[str, Any] = self._post(node, "/upkeep/purge", body, OPERATION_SECONDS)
        return answer

    def verify(self, volume: Volume) -> dict[str, Any]:
        body = {"volume": volume.name}
        answer: dict[str, Any] = self._post(
            volume.owner, "/verification/verify", body, OPERATION_SECONDS
        )
        return answer

    def digest(
        self, volume_id: str, node: str, snapshot: Snapshot, bytes_per_second: int
    ) -> Digest:
        body = {
            "volume_id": volume_id,
            "number": snapshot.number,
            "identity": snapshot.identity,
            "bytes_per_second": bytes_per_second,
        }
        answer = self._post(node, "/verification/digest", body, OPERATION_SECONDS)
        return Digest.from_json(answer)

    def snapshots(self, volume_id: str, node: str) -> list[Snapshot]:
        answer = self._get(node, f"/copies/{volume_id}/snapshots")
        return [Snapshot.from_json(value) for value in answer]

    def stream_bytes(
        self, volume_id: str, node: str, wanted: Snapshot, parent: Snapshot | None
    ) -> int:
        path = f"/copies/{volume_id}/snapshots/{wanted.number}/bytes"
        return int(self._get(node, path, _against(parent), DISK_SECONDS)["bytes"])

    def stream(
        self, volume_id: str, node: str, wanted: Snapshot, parent: Snapshot | None
    ) -> Generator[bytes, None, None]:
        path = f"/copies/{volume_id}/snapshots/{wanted.number}"
        params = {"to": self._node, "framed": True, **_against(parent)}
        with self._streaming(node, "GET", path, params=params) as answer:
            yield from _content(answer, node)

    def increments(self, node: str, wanted: Sequence[Wanted]) -> Iterator[Increment]:
        body = {"to": self._node, "wanted": [each.to_json() for each in wanted], "framed": True}
        with self._streaming(node, "POST", "/increments", json=body) as answer:
            if answer.status_code == httpx2.codes.NOT_FOUND:
                return  # an older version: all of them are fetched alone
            yield from decode(_content(answer, node))

    @contextmanager
    def _streaming(
        self, node: str, method: str, path: str, **asked: Any
    ) -> Iterator[httpx2.Response]:
        """Open a stream, and explain what ends it too early."""
        patience = _patient(liveness.STALL_SECONDS)
        try:
            with self._client.stream(
                method, self._url(node) + path, timeout=patience, **asked
            ) as answer:
                yield answer
        except httpx2.ReadTimeout as error:
            raise Stalled(node, liveness.STALL_SECONDS) from error
        except httpx2.HTTPError as error:
            raise TransferFailed(
                f"the stream from {node} broke off ({error!r}); try again"
            ) from error

    def forget(self, volume: Volume) -> None:
        threading.Thread(target=self._tell_forget, args=(volume,), daemon=True).start()

    def _tell_forget(self, volume: Volume) -> None:
        for node in self._nodes():
            if node == self._node:
                continue
            try:
                self._post(node, f"/copies/{volume.id}/forget", None, ANSWER_SECONDS)
            except FlockerError as error:  # it looks for itself when it is back
                log.warning("%s was not told that '%s' is removed: %s", node, volume.name, error)

    def _ask(
        self, volume: Volume, node: str, verb: str, body: Any = None, within: float = ANSWER_SECONDS
    ) -> Any:
        path = f"/volumes/{quote(volume.name, safe='')}/{verb}"
        try:
            return self._post(node, path, body, within)
        except PeerAway as error:
            if node != volume.owner:
                raise
            raise OwnerAway(volume.name, node, error.reason) from error

    def _post(self, node: str, path: str, body: Any, within: float) -> Any:
        url = self._url(node) + path
        return self._answer(node, within, lambda timeout: self._client.post(
            url, json=body, timeout=timeout
        ))  # fmt: skip

    def _get(
        self,
        node: str,
        path: str,
        params: dict[str, int] | None = None,
        within: float = ANSWER_SECONDS,
    ) -> Any:
        url = self._url(node) + path
        return self._answer(node, within, lambda timeout: self._client.get(
            url, params=params, timeout=timeout
        ))  # fmt: skip

    def _answer(
        self, node: str, within: float, send: Callable[[httpx2.Timeout], httpx2.Response]
    ) -> Any:
        try:
            answer = send(_patient(within))
        except httpx2.ReadTimeout as error:
            raise PeerAway(node, f"no answer within {within:g} s") from error
        except httpx2.HTTPError as error:
            raise PeerAway(node, str(error) or repr(error)) from error
        if answer.status_code == httpx2.codes.CONFLICT:
            raise Refused(answer.json()["error"])
        if not answer.is_success:
            raise PoolError(f"{node} could not do it: {_reason(answer)}")
        return answer.json()

    def _url(self, node: str) -> str:
        if known := self._nodes().get(node):
            return f"https://{known.address}:{self._port}"
        raise PeerAway(node, "its lease has run out")


def _content(answer: httpx2.Response, node: str) -> Iterable[bytes]:
    if not answer.is_success:
        answer.read()
        raise TransferFailed(f"{node} cannot send: {answer.text}")
    if answer.headers.get("content-type") == frames.MEDIA_TYPE:
        return frames.decode(answer.iter_raw(), node)
    return answer.iter_raw()  # an older version


def _against(parent: Snapshot | None) -> dict[str, int]:
    return {} if parent is None else {"parent": parent.number}


def _patient(seconds: float) -> httpx2.Timeout:
    """Wait that long for an answer, but not for a machine that is not there."""
    return httpx2.Timeout(seconds, connect=CONNECT_SECONDS)


def _reason(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, LookupError, TypeError):
        return answer.text
