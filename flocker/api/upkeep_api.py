"""HTTP routes for a node's upkeep, for operators and peers. Translates only."""

from __future__ import annotations

from typing import Annotated, Protocol

from fastapi import FastAPI
from pydantic import Field

from flocker.api.operator_api import Answer
from flocker.api.peer_models import MOST, RemovedPart, Text
from flocker.base.records import Removed
from flocker.volumes.requests import Asked, NameRequest


class Upkeep(Protocol):
    """Clearing away, as an operator asks for it. Every call may raise a FlockerError."""

    def purge(self, reference: str | None) -> Answer:
        """Delete one thing that was removed or put aside, or all of them."""

    def forget(self, name: str) -> Answer:
        """Give up a volume or a node that is gone for good."""

    def bring_back(self, reference: str, name: str | None) -> Answer:
        """Make a volume of data that the cluster does not know."""


class UpkeepHere(Protocol):
    """A node's own part of what operators ask of all."""

    def purge_here(self, removed: list[Removed], references: list[str]) -> Answer:
        """Delete removed volumes and copies of this node's pool."""

    def strays_here(self) -> list[Answer]:
        """The data here that the cluster does not know."""


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


def add_upkeep_routes(app: FastAPI, upkeep: Upkeep) -> None:
    """Answer the operator on `/flocker/...`; the app already answers FlockerErrors."""

    @app.post("/flocker/purge")
    def purge(asked: PurgeRequest) -> Answer:
        return upkeep.purge(asked.reference)

    @app.post("/flocker/import")
    def bring_back(asked: ImportRequest) -> Answer:
        return upkeep.bring_back(asked.reference, asked.name)

    @app.post("/flocker/forget")
    def forget(asked: NameRequest) -> Answer:
        return upkeep.forget(asked.name)


def add_peer_upkeep_routes(app: FastAPI, upkeep: UpkeepHere) -> None:
    """Answer other nodes."""

    @app.get("/upkeep/strays")
    def strays() -> list[Answer]:
        return upkeep.strays_here()

    @app.post("/upkeep/purge")
    def purge(asked: PurgeHereRequest) -> Answer:
        return upkeep.purge_here([each.record() for each in asked.removed], asked.references)
