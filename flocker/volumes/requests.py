"""The requests of operators, as the `flocker` command and other nodes send them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from flocker.base.answers import Changed, Pruned, Restored, SnapshotList


class Asked(BaseModel):
    """A request's body; what is not known is refused, as it would do nothing."""

    model_config = ConfigDict(extra="forbid", strict=True)


Answered = TypeVar("Answered")


class Forwarded(Asked, Generic[Answered]):
    """A request that is done where the data is; another node passes it on.

    Attributes:
        operation: its name between nodes.
    """

    operation: ClassVar[str]


class MoveRequest(Forwarded[Changed]):
    """`to` is null for the node that is asked."""

    operation = "move"
    volume: str
    to: str | None = None


class VolumeRequest(Asked):
    volume: str


class PromoteRequest(Asked):
    """`here` is for a newest copy that cannot be had."""

    volume: str
    here: bool = False


class SnapshotRequest(Forwarded[SnapshotList]):
    """The label is one line, as it is shown in a table."""

    operation = "snapshot"
    volumes: Annotated[list[str], Field(min_length=1)]
    label: Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")] = ""


class PruneRequest(Forwarded[Pruned]):
    operation = "prune"
    reference: str


class RestoreRequest(Forwarded[Restored]):
    operation = "restore"
    reference: str


class CloneRequest(Asked):
    reference: str
    name: str


class NameRequest(Asked):
    name: str


class UndeleteRequest(Forwarded[Changed]):
    operation = "undelete"
    name: str


class ResizeRequest(Forwarded[Changed]):
    """`size_bytes` must be there: that it was forgotten must not lift a limit."""

    operation = "resize"
    volume: str
    size_bytes: int | None


FORWARDED: Mapping[str, type[Forwarded[Any]]] = {
    each.operation: each
    for each in (
        *(MoveRequest, SnapshotRequest, PruneRequest),
        *(RestoreRequest, UndeleteRequest, ResizeRequest),
    )
}
