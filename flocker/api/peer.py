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
    GET  /copies/<id>/snapshots/<n>        a btrfs stream; ?parent=<n> for an increment
    GET  /copies/<id>/snapshots/<n>/bytes  how much data that stream carries
    POST /increments                       small increments of many volumes, in one stream
    GET  /standing                         whether the node that asks was retired
    GET  /asides                           what was put aside there
    POST /upkeep/purge                     see upkeep_api.py
    GET  /upkeep/strays                    likewise
    POST /verification/...                 see verification_api.py

permissions.py says who may ask what; peer_models.py has the limits of questions and answers.

A stream has no length: it comes in frames, with signs of life and an end of its own (frames.py), so
one that breaks off cannot pass for whole.

Longer than 300 lines because both ends of each route are here.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any
from urllib.parse import quote

import anyio
import httpx2
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from flocker.api.peer_models import (
    ASIDES,
    LARGEST_ANSWER_BYTES,
    SNAPSHOTS,
    STRAYS,
    Bytes,
    CreateRequest,
    DigestAnswer,
    IncrementsRequest,
    Name,
    Number,
    OperationAnswer,
    PurgeAnswer,
    ReleaseRequest,
    SnapshotPart,
    StandingAnswer,
    VerifyAnswer,
    VolumeId,
    plain,
    problems,
    read,
    reason,
)
from flocker.api.peer_route import PeerRoute, caller_of
from flocker.api.rights import Rights
from flocker.base import audit
from flocker.base.errors import (
    BadRequest,
    FlockerError,
    NotAllowed,
    OwnerAway,
    PeerAway,
    PoolError,
    Refused,
    Stalled,
    TransferFailed,
    VolumeNotFound,
)
from flocker.base.records import Move, Node, Removed, Snapshot, Volume
from flocker.care.removed_copies import RemovedCopies
from flocker.certificates.tls import Tls
from flocker.moving.increments import Increment, Increments, Wanted, decode, encode
from flocker.moving.peer_requests import PeerRequests
from flocker.node.context import NodeContext
from flocker.pool.digest import Digest
from flocker.pool.protocol import Aside
from flocker.streams import frames, liveness
from flocker.volumes.driver import Driver
from flocker.volumes.operations import Operations
from flocker.volumes.requests import FORWARDED, Forwarded

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


@dataclass(frozen=True)
class Parts:
    """What answers other nodes."""

    context: NodeContext
    driver: Driver
    requests: PeerRequests
    removed_copies: RemovedCopies
    operations: Operations
    rights: Rights
    count_sent: Callable[[int], None]


def serve_peers(parts: Parts) -> FastAPI:
    """The application that answers other nodes."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.router.route_class = PeerRoute
    app.state.rights = parts.rights
    driver, requests, pool = parts.driver, parts.requests, parts.context.pool

    @app.post("/volumes/{name}/check-unused")
    def check_unused(name: Name) -> dict[str, Any]:
        requests.refuse_if_used(name)
        return {}

    @app.post("/volumes/{name}/prepare")
    def prepare(name: Name) -> dict[str, Any]:
        return requests.prepare(name).to_json()

    @app.post("/volumes/{name}/release")
    def release(name: Name, wanted: ReleaseRequest) -> dict[str, Any]:
        return requests.release(name, wanted.epoch, wanted.token).to_json()

    @app.post("/volumes/{name}/put-away")
    def put_away(name: Name) -> dict[str, Any]:
        requests.put_away(name)
        return {}

    @app.post("/volumes/{name}/create")
    def create(name: Name, asked: CreateRequest) -> dict[str, Any]:
        driver.create(name, asked.options)
        return {}

    @app.post("/volumes/{name}/remove")
    def remove(name: Name) -> dict[str, Any]:
        driver.remove_for_peer(name)
        return {}

    @app.post("/operations/{operation}")
    def operate(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if operation not in FORWARDED:
            raise BadRequest(f"no operation {operation[:80]!r}")
        try:
            asked = FORWARDED[operation].model_validate(arguments)
        except ValidationError as error:
            raise BadRequest(f"the request cannot be read: {problems(error.errors())}") from error
        return parts.operations.do(asked)

    @app.post("/copies/{volume_id}/forget")
    def forget(volume_id: VolumeId) -> dict[str, Any]:
        parts.removed_copies.discard(volume_id)
        return {}

    @app.get("/copies/{volume_id}/snapshots")
    def snapshots(volume_id: VolumeId) -> list[dict[str, Any]]:
        return [snapshot.to_json() for snapshot in pool.snapshots(volume_id)]

    @app.get("/copies/{volume_id}/snapshots/{number}")
    async def stream(
        request: Request, volume_id: VolumeId, number: Number, parent: Number | None = None
    ) -> _Outgoing:
        to = caller_of(request).name
        parts.context.retention.sending(volume_id, to, number)
        chunks = pool.send(volume_id, number, parent)
        # Asked for the first one here, so that what cannot be sent is refused with its reason.
        first = await run_in_threadpool(next, chunks, b"")
        return _Outgoing(first, chunks, parts.count_sent, to)

    @app.get("/copies/{volume_id}/snapshots/{number}/bytes")
    def stream_bytes(
        volume_id: VolumeId, number: Number, parent: Number | None = None
    ) -> dict[str, int]:
        return {"bytes": pool.stream_bytes(volume_id, number, parent)}

    @app.post("/increments")
    def increments(request: Request, asked: IncrementsRequest) -> _Outgoing:
        to = caller_of(request).name
        refusals = parts.rights.refusals([each.volume_id for each in asked.wanted], to)
        wanted = [each.wanted() for each in asked.wanted if each.volume_id not in refusals]
        found = Increments(pool, parts.context.retention).send(to, wanted)
        refused = (Increment(volume_id, error=why) for volume_id, why in refusals.items())
        return _Outgoing(b"", encode(chain(refused, found)), parts.count_sent, to)

    @app.get("/standing")
    def standing(request: Request) -> dict[str, str | None]:
        return {"retired_at": parts.rights.retired_at(caller_of(request).name)}

    @app.get("/asides")
    def asides() -> list[dict[str, Any]]:
        return [aside.to_json() for aside in parts.operations.removals.asides()]

    @app.exception_handler(FlockerError)
    def refuse(_: Request, error: Exception) -> JSONResponse:
        refused = isinstance(error, Refused | VolumeNotFound | BadRequest)
        status_code = 403 if isinstance(error, NotAllowed) else 409 if refused else 500
        return JSONResponse({"error": str(error)}, status_code)

    @app.exception_handler(RequestValidationError)
    def refuse_content(_: Request, error: RequestValidationError) -> JSONResponse:
        why = f"the request cannot be read: {problems(error.errors())}"
        return JSONResponse({"error": why}, status_code=400)

    @app.exception_handler(HTTPException)
    def refuse_request(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code)

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
    ) -> None:
        content = frames.encode(_counted(first, chunks, count_sent))
        super().__init__(content, media_type=frames.MEDIA_TYPE)
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


class HttpPeers:
    """The other nodes, found by the addresses they announce.

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

    def check_unused(self, volume: Volume) -> None:
        self._ask(volume, volume.owner, "check-unused")

    def prepare(self, volume: Volume) -> Snapshot:
        answer = self._ask(volume, volume.owner, "prepare", within=DISK_SECONDS)
        return read(volume.owner, SnapshotPart, answer).record()

    def release(self, volume: Volume, move: Move) -> Snapshot:
        wanted = {"epoch": volume.epoch, "token": move.token}
        answer = self._ask(volume, volume.owner, "release", wanted, within=DISK_SECONDS)
        return read(volume.owner, SnapshotPart, answer).record()

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

    def operate(self, node: str, request: Forwarded) -> dict[str, Any]:
        path = f"/operations/{request.operation}"
        answer = self._post(node, path, request.model_dump(), OPERATION_SECONDS)
        return plain(read(node, OperationAnswer, answer))

    def asides(self, node: str) -> list[Aside]:
        answer = read(node, ASIDES, self._get(node, "/asides", within=LIST_SECONDS))
        return [Aside.from_json(plain(each)) for each in answer]

    def retired_at(self, node: str) -> str | None:
        return read(node, StandingAnswer, self._get(node, "/standing")).retired_at

    def strays(self, node: str) -> list[dict[str, Any]]:
        return [plain(each) for each in read(node, STRAYS, self._get(node, "/upkeep/strays"))]

    def purge(self, node: str, removed: list[Removed], references: list[str]) -> dict[str, Any]:
        body = {"removed": [each.to_json() for each in removed], "references": references}
        answer = self._post(node, "/upkeep/purge", body, OPERATION_SECONDS)
        return plain(read(node, PurgeAnswer, answer))

    def verify(self, volume: Volume) -> dict[str, Any]:
        body = {"volume": volume.name}
        answer = self._post(volume.owner, "/verification/verify", body, OPERATION_SECONDS)
        return plain(read(volume.owner, VerifyAnswer, answer))

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
        return Digest.from_json(plain(read(node, DigestAnswer, answer)))

    def snapshots(self, volume_id: str, node: str) -> list[Snapshot]:
        answer = self._get(node, f"/copies/{volume_id}/snapshots")
        return [each.record() for each in read(node, SNAPSHOTS, answer)]

    def stream_bytes(
        self, volume_id: str, node: str, wanted: Snapshot, parent: Snapshot | None
    ) -> int:
        path = f"/copies/{volume_id}/snapshots/{wanted.number}/bytes"
        return read(node, Bytes, self._get(node, path, _against(parent), DISK_SECONDS)).bytes

    def stream(
        self, volume_id: str, node: str, wanted: Snapshot, parent: Snapshot | None
    ) -> Generator[bytes, None, None]:
        path = f"/copies/{volume_id}/snapshots/{wanted.number}"
        with self._streaming(node, "GET", path, params=_against(parent)) as answer:
            yield from _content(answer, node)

    def increments(self, node: str, wanted: Sequence[Wanted]) -> Iterator[Increment]:
        body = {"wanted": [each.to_json() for each in wanted]}
        with self._streaming(node, "POST", "/increments", json=body) as answer:
            yield from decode(_content(answer, node), node, len(wanted))

    @contextmanager
    def _streaming(
        self, node: str, method: str, path: str, **asked: Any
    ) -> Iterator[httpx2.Response]:
        """Open a stream, and explain what ends it too early."""
        patience = _patient(liveness.SILENCE_SECONDS)
        try:
            with self._client(node).stream(
                method, self._url(node) + path, timeout=patience, **asked
            ) as answer:
                yield answer
        except httpx2.ReadTimeout as error:
            raise Stalled(node, liveness.SILENCE_SECONDS) from error
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
    ) -> bytes:
        path = f"/volumes/{quote(volume.name, safe='')}/{verb}"
        try:
            return self._post(node, path, body, within)
        except PeerAway as error:
            if node != volume.owner:
                raise
            raise OwnerAway(volume.name, node, error.reason) from error

    def _post(self, node: str, path: str, body: Any, within: float) -> bytes:
        return self._answer(node, "POST", path, within, json=body)

    def _get(
        self,
        node: str,
        path: str,
        params: dict[str, int] | None = None,
        within: float = ANSWER_SECONDS,
    ) -> bytes:
        return self._answer(node, "GET", path, within, params=params)

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


def _content(answer: httpx2.Response, node: str) -> Iterable[bytes]:
    if not answer.is_success:
        answer.read()
        raise TransferFailed(f"{node} cannot send: {reason(answer.content)}")
    return frames.decode(answer.iter_raw(), node)


def _against(parent: Snapshot | None) -> dict[str, int]:
    return {} if parent is None else {"parent": parent.number}


def _patient(seconds: float) -> httpx2.Timeout:
    """Wait that long for an answer, but not for a machine that is not there."""
    return httpx2.Timeout(seconds, connect=CONNECT_SECONDS)
