"""The operator's side of the daemon: what the `flocker` command asks.

Translates only: JSON in, one call of the operation with the route's name, JSON out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Protocol

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from pydantic import BaseModel, ConfigDict, Field

Answer = dict[str, Any]  # what JSON can hold


class Operations(Protocol):
    """What an operator may ask of a node. Every call may raise a FlockerError."""

    def status(self) -> Answer:
        """The nodes and the volumes, as this node knows them."""

    def move(self, volume: str, to: str | None) -> Answer:
        """Bring a volume to a node, or to this one; return when it has arrived."""

    def cancel(self, volume: str) -> Answer:
        """End the move that a volume is on."""

    def promote(self, volume: str, here: bool) -> Answer:
        """Make this node the owner in place of one that is away; `here`: from the newest copy
        that it can have, though there is a newer one."""

    def conflicts(self) -> Answer:
        """The copies, on all nodes, of owners that were replaced."""

    def trash(self) -> Answer:
        """What was removed or replaced and can still be had back."""

    def snapshot(self, volumes: list[str], label: str) -> Answer:
        """Take a snapshot of each volume, all at one instant."""

    def snapshots(self, volume: str | None) -> Answer:
        """The snapshots people asked for, of one volume or of all."""

    def prune(self, reference: str) -> Answer:
        """Give up a snapshot somebody took."""

    def restore(self, reference: str) -> Answer:
        """Make a volume what it was."""

    def clone(self, reference: str, name: str) -> Answer:
        """Make a new volume from a state of another."""

    def undelete(self, name: str) -> Answer:
        """Bring a removed volume back."""

    def resize(self, volume: str, size_bytes: int | None) -> Answer:
        """Change what a volume may hold; None: no limit."""

    def history(self, volume: str | None) -> Answer:
        """What happened, to one volume or to all, oldest first."""


class Asked(BaseModel):
    """A request's body; what is not known is refused, as it would do nothing."""

    model_config = ConfigDict(extra="forbid", strict=True)


class MoveRequest(Asked):
    """`to` is null for the node that is asked."""

    volume: str
    to: str | None = None


class VolumeRequest(Asked):
    volume: str


class PromoteRequest(Asked):
    """`here` is for a newest copy that cannot be had."""

    volume: str
    here: bool = False


class SnapshotRequest(Asked):
    """The label is one line, as it is shown in a table."""

    volumes: Annotated[list[str], Field(min_length=1)]
    label: Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")] = ""


class ReferenceRequest(Asked):
    reference: str


class CloneRequest(Asked):
    reference: str
    name: str


class NameRequest(Asked):
    name: str


class ResizeRequest(Asked):
    """`size_bytes` must be there: that it was forgotten must not lift a limit."""

    volume: str
    size_bytes: int | None


def add_operator_routes(app: FastAPI, operations: Operations) -> None:
    """Answer the operator on `/flocker/...`; the app already answers FlockerErrors."""

    @app.get("/flocker/status")
    def status() -> Answer:
        return operations.status()

    @app.post("/flocker/move")
    def move(asked: MoveRequest) -> Answer:
        return operations.move(asked.volume, asked.to)

    @app.post("/flocker/cancel")
    def cancel(asked: VolumeRequest) -> Answer:
        return operations.cancel(asked.volume)

    @app.post("/flocker/promote")
    def promote(asked: PromoteRequest) -> Answer:
        return operations.promote(asked.volume, asked.here)

    @app.get("/flocker/conflicts")
    def conflicts() -> Answer:
        return operations.conflicts()

    @app.get("/flocker/trash")
    def trash() -> Answer:
        return operations.trash()

    @app.post("/flocker/snapshot")
    def snapshot(asked: SnapshotRequest) -> Answer:
        return operations.snapshot(asked.volumes, asked.label)

    @app.get("/flocker/snapshots")
    def snapshots(volume: str | None = None) -> Answer:
        return operations.snapshots(volume or None)

    @app.post("/flocker/prune")
    def prune(asked: ReferenceRequest) -> Answer:
        return operations.prune(asked.reference)

    @app.post("/flocker/restore")
    def restore(asked: ReferenceRequest) -> Answer:
        return operations.restore(asked.reference)

    @app.post("/flocker/clone")
    def clone(asked: CloneRequest) -> Answer:
        return operations.clone(asked.reference, asked.name)

    @app.post("/flocker/undelete")
    def undelete(asked: NameRequest) -> Answer:
        return operations.undelete(asked.name)

    @app.post("/flocker/resize")
    def resize(asked: ResizeRequest) -> Answer:
        return operations.resize(asked.volume, asked.size_bytes)

    @app.get("/flocker/history")
    def history(volume: str | None = None) -> Answer:
        return operations.history(volume or None)

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
    health: Callable[[], tuple[int, Answer]],
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
