"""HTTP routes for purge, forget and import, for operators and peers. Translates only."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI
from pydantic import Field

from flocker.api.operator_api import Answer
from flocker.api.peer_models import MOST, RemovedPart, Text
from flocker.volumes.maintenance import Maintenance
from flocker.volumes.requests import Asked, NameRequest


class PurgeRequest(Asked):
    """`reference` is null for all."""

    reference: str | None


class ImportRequest(Asked):
    """`reference` is an id or a name; `name` is null for the name it had."""

    reference: str
    name: str | None


class PurgeHereRequest(Asked):
    """The records of removed volumes, which etcd may not have any more."""

    removed: Annotated[list[RemovedPart], Field(max_length=MOST)]
    references: Annotated[list[Text], Field(max_length=MOST)]


def add_maintenance_routes(app: FastAPI, maintenance: Maintenance) -> None:
    """Answer the operator on `/flocker/...`; the app already answers FlockerErrors."""

    @app.post("/flocker/purge")
    def purge(asked: PurgeRequest) -> Answer:
        return maintenance.purge(asked.reference)

    @app.post("/flocker/import")
    def bring_back(asked: ImportRequest) -> Answer:
        return maintenance.bring_back(asked.reference, asked.name)

    @app.post("/flocker/forget")
    def forget(asked: NameRequest) -> Answer:
        return maintenance.forget(asked.name)


def add_peer_maintenance_routes(app: FastAPI, maintenance: Maintenance) -> None:
    """Answer other nodes."""

    @app.get("/maintenance/strays")
    def strays() -> list[Answer]:
        return maintenance.strays_here()

    @app.post("/maintenance/purge")
    def purge(asked: PurgeHereRequest) -> Answer:
        return maintenance.purge_here([each.record() for each in asked.removed], asked.references)
