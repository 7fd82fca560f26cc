"""The operator's side of the daemon: what the `flocker` command asks.

Translates only: JSON in, one call of the operation with the route's name, JSON out. The routes of
purge, forget and import are in maintenance_api.py, that of verify is in verification_api.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from flocker.volumes.operations import Operations
from flocker.volumes.requests import (
    CloneRequest,
    MoveRequest,
    PromoteRequest,
    PruneRequest,
    ResizeRequest,
    RestoreRequest,
    SnapshotRequest,
    UndeleteRequest,
    VolumeRequest,
)

# See base/answers.py. FastAPI must not know that, or it took away what a newer node has added.
Answer = Any


def add_operator_routes(app: FastAPI, operations: Operations) -> None:
    """Answer the operator on `/flocker/...`; the app already answers FlockerErrors."""

    @app.get("/flocker/status")
    def status() -> Answer:
        return operations.overview.status()

    @app.post("/flocker/move")
    def move(asked: MoveRequest) -> Answer:
        return operations.moves.move(asked.volume, asked.to)

    @app.post("/flocker/cancel")
    def cancel(asked: VolumeRequest) -> Answer:
        return operations.moves.cancel(asked.volume)

    @app.post("/flocker/promote")
    def promote(asked: PromoteRequest) -> Answer:
        return operations.moves.promote(asked.volume, asked.here)

    @app.get("/flocker/conflicts")
    def conflicts() -> Answer:
        return operations.recovery.conflicts()

    @app.get("/flocker/trash")
    def trash() -> Answer:
        return operations.recovery.trash()

    @app.post("/flocker/snapshot")
    def snapshot(asked: SnapshotRequest) -> Answer:
        return operations.snapshots.snapshot(asked.volumes, asked.label)

    @app.get("/flocker/snapshots")
    def snapshots(volume: str | None = None) -> Answer:
        return operations.snapshots.snapshots(volume or None)

    @app.post("/flocker/prune")
    def prune(asked: PruneRequest) -> Answer:
        return operations.snapshots.prune(asked.reference)

    @app.post("/flocker/restore")
    def restore(asked: RestoreRequest) -> Answer:
        return operations.snapshots.restore(asked.reference)

    @app.post("/flocker/clone")
    def clone(asked: CloneRequest) -> Answer:
        return operations.changes.clone(asked.reference, asked.name)

    @app.post("/flocker/undelete")
    def undelete(asked: UndeleteRequest) -> Answer:
        return operations.recovery.undelete(asked.name)

    @app.post("/flocker/resize")
    def resize(asked: ResizeRequest) -> Answer:
        return operations.changes.resize(asked.volume, asked.size_bytes)

    @app.get("/flocker/history")
    def history(volume: str | None = None) -> Answer:
        return operations.overview.history(volume or None)

    @app.exception_handler(RequestValidationError)
    def refuse_body(_: Request, error: RequestValidationError) -> JSONResponse:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors()
        )
        return JSONResponse({"Err": f"the request cannot be read: {problems}"}, status_code=400)


def add_watching_routes(
    app: FastAPI,
    prefix: str,
    health: Callable[[], tuple[int, dict[str, Any]]],
    metrics: Callable[[], bytes],
) -> None:
    """Answer those who watch over the node.

    Args:
        prefix: of the paths, `/flocker` or nothing.
        health: HTTP status and what is behind it.
        metrics: in the text format of Prometheus.
    """

    @app.get(f"{prefix}/health")
    def read_health() -> JSONResponse:
        status_code, answer = health()
        return JSONResponse(answer, status_code=status_code)

    @app.get(f"{prefix}/metrics")
    def read_metrics() -> Response:
        return Response(metrics(), media_type=CONTENT_TYPE_PLAIN_0_0_4)
