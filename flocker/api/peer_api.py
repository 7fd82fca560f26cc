"""The routes of a node for other nodes: HTTP over mutual TLS, on one port.

    POST /volumes/<name>/check-unused      anything using it? 409 names it
    POST /volumes/<name>/prepare           take a snapshot before a move
    POST /volumes/<name>/release           take the last snapshot for a move
    POST /volumes/<name>/put-away          the volume has moved
    POST /volumes/<name>/create            create it; sent to the node that has what it is made from
    POST /volumes/<name>/remove            remove it; sent to the owner
    POST /operations/<operation>           what an operator asked for; sent to where the data is
    POST /copies/<id>/discard              it was removed
    GET  /copies/<id>/snapshots            those that are there
    GET  /copies/<id>/snapshots/<n>        a btrfs stream; ?parent=<n> for an increment
    GET  /copies/<id>/snapshots/<n>/bytes  how much data that stream carries
    POST /increments                       small increments of many volumes, in one stream
    GET  /standing                         whether the node that asks was retired
    GET  /asides                           what was put aside there
    POST /maintenance/purge                see maintenance_api.py
    GET  /maintenance/strays               likewise
    POST /verification/...                 see verification_api.py

permissions.py says who may ask what; peer_models.py has the limits of questions and answers.
peer_client.py is the other end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from flocker.api.outgoing import Outgoing
from flocker.api.peer_models import (
    CreateRequest,
    IncrementsRequest,
    Name,
    Number,
    ReleaseRequest,
    VolumeId,
    problems,
)
from flocker.api.peer_route import PeerRoute, caller_of
from flocker.api.rights import Rights
from flocker.base.errors import BadRequest, FlockerError, NotAllowed, Refused, VolumeNotFound
from flocker.care.removed_copies import RemovedCopies
from flocker.moving.departures import Departures
from flocker.moving.increments import Increment, Increments, encode
from flocker.node.context import NodeContext
from flocker.volumes.driver import Driver
from flocker.volumes.operations import Operations
from flocker.volumes.requests import FORWARDED


@dataclass(frozen=True)
class Parts:
    """The parts that answer other nodes."""

    context: NodeContext
    driver: Driver
    departures: Departures
    removed_copies: RemovedCopies
    operations: Operations
    rights: Rights
    count_sent: Callable[[int], None]


def serve_peers(parts: Parts) -> FastAPI:
    """The application that answers other nodes."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.router.route_class = PeerRoute
    app.state.rights = parts.rights
    _add_volume_routes(app, parts)
    _add_stream_routes(app, parts)
    _add_refusals(app)
    return app


def _add_volume_routes(app: FastAPI, parts: Parts) -> None:
    @app.post("/volumes/{name}/check-unused")
    def check_unused(name: Name) -> dict[str, Any]:
        parts.departures.check_unused(name)
        return {}

    @app.post("/volumes/{name}/prepare")
    def prepare(name: Name) -> dict[str, Any]:
        return parts.departures.prepare(name).to_json()

    @app.post("/volumes/{name}/release")
    def release(name: Name, wanted: ReleaseRequest) -> dict[str, Any]:
        return parts.departures.release(name, wanted.epoch, wanted.token).to_json()

    @app.post("/volumes/{name}/put-away")
    def put_away(name: Name) -> dict[str, Any]:
        parts.departures.put_away(name)
        return {}

    @app.post("/volumes/{name}/create")
    def create(name: Name, asked: CreateRequest) -> dict[str, Any]:
        parts.driver.create(name, asked.options)
        return {}

    @app.post("/volumes/{name}/remove")
    def remove(name: Name) -> dict[str, Any]:
        parts.driver.remove_for_peer(name)
        return {}

    @app.post("/operations/{operation}")
    def operate(operation: str, arguments: dict[str, Any]) -> Any:
        if operation not in FORWARDED:
            raise BadRequest(f"no operation {operation[:80]!r}")
        try:
            asked = FORWARDED[operation].model_validate(arguments)
        except ValidationError as error:
            raise BadRequest(f"the request cannot be read: {problems(error.errors())}") from error
        return parts.operations.do(asked)

    @app.post("/copies/{volume_id}/discard")
    def discard(volume_id: VolumeId) -> dict[str, Any]:
        parts.removed_copies.discard(volume_id)
        return {}

    @app.get("/asides")
    def asides() -> list[dict[str, Any]]:
        return [aside.to_json() for aside in parts.operations.recovery.asides()]

    @app.get("/standing")
    def standing(request: Request) -> dict[str, str | None]:
        return {"retired_at": parts.rights.retired_at(caller_of(request).name)}


def _add_stream_routes(app: FastAPI, parts: Parts) -> None:
    pool = parts.context.pool

    @app.get("/copies/{volume_id}/snapshots")
    def snapshots(volume_id: VolumeId) -> list[dict[str, Any]]:
        found = parts.context.pools.read_here(lambda pool: pool.snapshots(volume_id))
        return [each.to_json() for each in found]

    @app.get("/copies/{volume_id}/snapshots/{number}")
    async def stream(
        request: Request, volume_id: VolumeId, number: Number, parent: Number | None = None
    ) -> Outgoing:
        to = caller_of(request).name
        parts.context.retention.sending(volume_id, to, number)
        chunks = pool.send(volume_id, number, parent)
        # Asked for the first one here, so that what cannot be sent is refused with its reason.
        first = await run_in_threadpool(next, chunks, b"")
        return Outgoing(first, chunks, parts.count_sent, to)

    @app.get("/copies/{volume_id}/snapshots/{number}/bytes")
    def stream_bytes(
        volume_id: VolumeId, number: Number, parent: Number | None = None
    ) -> dict[str, int]:
        return {"bytes": pool.stream_bytes(volume_id, number, parent)}

    @app.post("/increments")
    def increments(request: Request, asked: IncrementsRequest) -> Outgoing:
        to = caller_of(request).name
        refusals = parts.rights.refusals([each.volume_id for each in asked.wanted], to)
        wanted = [each.wanted() for each in asked.wanted if each.volume_id not in refusals]
        found = Increments(pool, parts.context.retention).send(to, wanted)
        refused = (Increment(volume_id, error=why) for volume_id, why in refusals.items())
        return Outgoing(b"", encode(chain(refused, found)), parts.count_sent, to)


def _add_refusals(app: FastAPI) -> None:
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
