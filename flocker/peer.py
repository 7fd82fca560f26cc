"""One node talking to another: HTTP over mutual TLS, on one port.

    POST /volumes/<name>/check-unused      anything using it? 409 names it
    POST /volumes/<name>/release           take the last snapshot for a move
    POST /volumes/<name>/put-away          the volume has moved
    POST /volumes/<name>/remove            remove it; sent to the owner
    POST /copies/<id>/forget               it was removed
    GET  /copies/<id>/snapshots/<n>        a btrfs stream; ?parent=<n> for an increment
    GET  /copies/<id>/snapshots/<n>/bytes  how much data that stream carries

A stream has no length: it is chunked, so one that breaks off cannot pass for whole.
"""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool

from flocker.config import Certificates
from flocker.driver import Driver
from flocker.errors import (
    FlockerError,
    OwnerAway,
    PoolError,
    Refused,
    TransferFailed,
    VolumeNotFound,
)
from flocker.ownership import Move, Node, Volume
from flocker.pool import Pool, Snapshot

log = logging.getLogger(__name__)

ANSWER_SECONDS = 20
CONNECT_SECONDS = 3
# A snapshot waits until the disk has all that was written; a stream is silent, and its size
# unknown, for as long as btrfs walks over files that did not change.
DISK_SECONDS = 600
# uvicorn closes idle connections after 5 s; one that is being closed is no sign of a dead node.
IDLE_SECONDS = 1


class ReleaseRequest(BaseModel):
    """Which move the volume is wanted for."""

    epoch: int
    token: str


def serve_peers(driver: Driver, pool: Pool) -> FastAPI:
    """The application that answers other nodes."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.post("/volumes/{name}/check-unused")
    def check_unused(name: str) -> dict[str, Any]:
        driver.refuse_if_used(name)
        return {}

    @app.post("/volumes/{name}/release")
    def release(name: str, wanted: ReleaseRequest) -> list[dict[str, Any]]:
        return [asdict(snapshot) for snapshot in driver.release(name, wanted.epoch, wanted.token)]

    @app.post("/volumes/{name}/put-away")
    def put_away(name: str) -> dict[str, Any]:
        driver.put_away(name)
        return {}

    @app.post("/volumes/{name}/remove")
    def remove(name: str) -> dict[str, Any]:
        driver.remove(name)
        return {}

    @app.post("/copies/{volume_id}/forget")
    def forget(volume_id: str) -> dict[str, Any]:
        driver.forget(volume_id)
        return {}

    @app.get("/copies/{volume_id}/snapshots/{number}")
    async def stream(
        request: Request, volume_id: str, number: int, parent: int | None = None
    ) -> StreamingResponse:
        chunks = pool.send(volume_id, number, parent)
        # Asked for the first one here, so that what cannot be sent is refused with its reason.
        first = await run_in_threadpool(next, chunks, b"")
        return StreamingResponse(
            _while_wanted(request, first, chunks), media_type="application/octet-stream"
        )

    @app.get("/copies/{volume_id}/snapshots/{number}/bytes")
    def stream_bytes(volume_id: str, number: int, parent: int | None = None) -> dict[str, int]:
        return {"bytes": pool.stream_bytes(volume_id, number, parent)}

    @app.exception_handler(FlockerError)
    def refuse(_: Request, error: Exception) -> JSONResponse:
        refused = isinstance(error, Refused | VolumeNotFound)
        return JSONResponse({"error": str(error)}, status_code=409 if refused else 500)

    return app


async def _while_wanted(
    request: Request, first: bytes, chunks: Generator[bytes, None, None]
) -> AsyncIterator[bytes]:
    """Chunks for as long as somebody reads them; uvicorn drops the rest without a word."""
    try:
        yield first
        async for chunk in iterate_in_threadpool(chunks):
            if await request.is_disconnected():
                return
            yield chunk
    finally:
        await run_in_threadpool(chunks.close)


class HttpPeers:
    """The other nodes, found by the addresses they announce.

    Args:
        nodes: the nodes that are alive now, this one included.
    """

    def __init__(
        self,
        node: str,
        nodes: Callable[[], list[Node]],
        port: int,
        certificates: Certificates,
    ) -> None:
        self._node = node
        self._nodes = nodes
        self._port = port
        tls = ssl.create_default_context(cafile=str(certificates.ca))
        tls.load_cert_chain(str(certificates.cert), str(certificates.key))
        self._client = httpx.Client(
            verify=tls,
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx.Limits(keepalive_expiry=IDLE_SECONDS),
            trust_env=False,
        )

    def check_unused(self, volume: Volume) -> None:
        self._post(volume, volume.owner, "check-unused")

    def release(self, volume: Volume, move: Move) -> list[Snapshot]:
        wanted = {"epoch": volume.epoch, "token": move.token}
        answer = self._post(volume, volume.owner, "release", wanted, within=DISK_SECONDS)
        return [Snapshot(**value) for value in answer]

    def stream_bytes(self, move: Move, wanted: Snapshot, parent: Snapshot | None) -> int:
        try:
            answer = self._client.get(
                self._snapshot_url(move, wanted) + "/bytes",
                params=_against(parent),
                timeout=DISK_SECONDS,
            )
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise PoolError(f"{move.source} did not count the bytes: {error}") from error
        return int(answer.json()["bytes"])

    def stream(self, move: Move, wanted: Snapshot, parent: Snapshot | None) -> Iterator[bytes]:
        url = self._snapshot_url(move, wanted)
        try:
            with self._client.stream(
                "GET", url, params=_against(parent), timeout=_patient(DISK_SECONDS)
            ) as answer:
                if not answer.is_success:
                    answer.read()
                    raise TransferFailed(f"{move.source} cannot send: {answer.text}")
                yield from answer.iter_raw()
        except httpx.HTTPError as error:
            raise TransferFailed(
                f"the stream from {move.source} broke off ({error!r}); try again"
            ) from error

    def tell_moved(self, volume: Volume, source: str) -> None:
        try:
            self._post(volume, source, "put-away")
        except FlockerError as error:
            # The record is what counts; the old owner also looks when it starts.
            log.warning("%s was not told that '%s' moved: %s", source, volume.name, error)

    def remove(self, volume: Volume) -> None:
        self._post(volume, volume.owner, "remove")

    def forget(self, volume: Volume) -> None:
        threading.Thread(target=self._tell_forget, args=(volume,), daemon=True).start()

    def _tell_forget(self, volume: Volume) -> None:
        try:
            others = [node for node in self._nodes() if node.name != self._node]
        except FlockerError as error:
            log.warning("no node was told that '%s' is removed: %s", volume.name, error)
            return
        for node in others:
            url = f"https://{node.address}:{self._port}/copies/{volume.id}/forget"
            try:
                self._client.post(url).raise_for_status()
            except httpx.HTTPError as error:
                log.warning(
                    "%s was not told that '%s' is removed: %r", node.name, volume.name, error
                )

    def _post(
        self, volume: Volume, node: str, verb: str, body: Any = None, within: float = ANSWER_SECONDS
    ) -> Any:
        url = f"{self._url(volume.name, node)}/volumes/{quote(volume.name, safe='')}/{verb}"
        try:
            answer = self._client.post(url, json=body, timeout=_patient(within))
        except httpx.ReadTimeout as error:
            raise OwnerAway(volume.name, node, f"no answer within {within:g} s") from error
        except httpx.HTTPError as error:
            raise OwnerAway(volume.name, node, str(error) or repr(error)) from error
        if answer.status_code == httpx.codes.CONFLICT:
            raise Refused(answer.json()["error"])
        if not answer.is_success:
            raise FlockerError(f"{node} could not {verb} volume '{volume.name}': {answer.text}")
        return answer.json()

    def _snapshot_url(self, move: Move, snapshot: Snapshot) -> str:
        base = self._url(move.volume_id, move.source)
        return f"{base}/copies/{move.volume_id}/snapshots/{snapshot.number}"

    def _url(self, volume: str, node: str) -> str:
        for known in self._nodes():
            if known.name == node:
                return f"https://{known.address}:{self._port}"
        raise OwnerAway(volume, node, "its lease has run out")


def _against(parent: Snapshot | None) -> dict[str, int]:
    return {} if parent is None else {"parent": parent.number}


def _patient(seconds: float) -> httpx.Timeout:
    """Wait that long for an answer, but not for a machine that is not there."""
    return httpx.Timeout(seconds, connect=CONNECT_SECONDS)
