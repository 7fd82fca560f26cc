"""HTTP routes for verification, for operators and peers. Translates only."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Request
from pydantic import Field

from flocker.api.operator_api import Answer
from flocker.api.peer_models import Name, Number, VolumeId
from flocker.api.peer_route import caller_of
from flocker.api.rights import Rights
from flocker.base.records import Snapshot
from flocker.care.verification import Verification
from flocker.volumes.requests import Asked


class VerifyRequest(Asked):
    volume: str


class DigestRequest(Asked):
    volume_id: VolumeId
    number: Number
    identity: Name
    bytes_per_second: Annotated[int, Field(ge=1)]


def add_verification_routes(app: FastAPI, verification: Verification) -> None:
    """Answer the operator on `/flocker/...`; the app already answers FlockerErrors."""

    @app.post("/flocker/verify")
    def verify(asked: VerifyRequest) -> Answer:
        return verification.verify(asked.volume)


def add_peer_verification_routes(app: FastAPI, verification: Verification) -> None:
    """Answer other nodes."""

    @app.post("/verification/verify")
    def verify(asked: VerifyRequest) -> Answer:
        return verification.verify(asked.volume)

    @app.post("/verification/digest")
    def read(request: Request, asked: DigestRequest) -> dict[str, Any]:
        rights: Rights = request.app.state.rights
        rights.check_reader(asked.volume_id, caller_of(request).name)
        snapshot = Snapshot(asked.number, asked.identity)
        digest = verification.digest_here(asked.volume_id, snapshot, asked.bytes_per_second)
        return digest.to_json()
