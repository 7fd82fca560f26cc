"""HTTP routes for verification, for operators and peers. Translates only."""

from __future__ import annotations

from typing import Any, Protocol

from fastapi import FastAPI

from flocker.digest import Digest
from flocker.operator_api import Answer, Asked
from flocker.records import Snapshot


class Verifying(Protocol):
    """The request of an operator. It may raise a FlockerError."""

    def verify(self, volume: str) -> Answer:
        """Compare all copies of a volume now."""


class Reading(Verifying, Protocol):
    """The requests of a peer. Every call may raise a FlockerError."""

    def digest_here(self, volume_id: str, snapshot: Snapshot, bytes_per_second: int) -> Digest:
        """Read a snapshot here."""


class VerifyRequest(Asked):
    volume: str


class DigestRequest(Asked):
    volume_id: str
    number: int
    identity: str
    bytes_per_second: int


def add_verification_routes(app: FastAPI, verification: Verifying) -> None:
    """Answer the operator on `/flocker/...`; the app already answers FlockerErrors."""

    @app.post("/flocker/verify")
    def verify(asked: VerifyRequest) -> Answer:
        return verification.verify(asked.volume)


def add_peer_verification_routes(app: FastAPI, verification: Reading) -> None:
    """Answer other nodes."""

    @app.post("/verification/verify")
    def verify(asked: VerifyRequest) -> Answer:
        return verification.verify(asked.volume)

    @app.post("/verification/digest")
    def read(asked: DigestRequest) -> dict[str, Any]:
        snapshot = Snapshot(asked.number, asked.identity)
        digest = verification.digest_here(asked.volume_id, snapshot, asked.bytes_per_second)
        return digest.to_json()
