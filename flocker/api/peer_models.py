"""Models of the questions and answers between nodes, with their limits.

A node believes what another one says of its volumes, and nothing that cannot be: a wrong type, a
negative size, a path where a number belongs. Answers may have fields that a newer version added.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from flocker.base import volume_id, volume_name
from flocker.base.errors import TransferFailed
from flocker.base.options import MOST_REPLICAS
from flocker.base.printable import printable
from flocker.base.records import Failover, Removed, Snapshot
from flocker.moving.increments import Wanted
from flocker.volumes.requests import Asked


def _time(text: str) -> str:
    """Refuse a text that is no time with a zone: who lists it reads it."""
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("no time zone")
    return text


Number = Annotated[int, Field(ge=0, lt=1 << 63)]
Text = Annotated[str, Field(max_length=4096)]
Name = Annotated[str, Field(min_length=1, max_length=255)]
VolumeId = Annotated[str, Field(pattern=volume_id.PATTERN)]
VolumeName = Annotated[str, Field(pattern=volume_name.PATTERN)]
Time = Annotated[str, Field(max_length=40), AfterValidator(_time)]

LARGEST_ANSWER_BYTES = 32 << 20
MOST = 100_000  # of anything in a list
LONGEST_REASON = 2000


class ReleaseRequest(Asked):
    """Which move the volume is wanted for."""

    epoch: Number
    token: Name


class CreateRequest(Asked):
    """The options as they were typed."""

    options: Annotated[dict[Name, Text], Field(max_length=50)]


class SnapshotPart(BaseModel):
    """A snapshot, asked for or answered; see records.Snapshot."""

    model_config = ConfigDict(extra="allow", strict=True)

    number: Annotated[int, Field(ge=1, lt=1 << 63)]
    identity: Name
    epoch: Number = 0
    held_bytes: Number | None = None

    def record(self) -> Snapshot:
        return Snapshot.from_json(self.model_dump())


class WantedPart(Asked):
    """The snapshots that a node lacks and has of one volume."""

    volume_id: VolumeId
    snapshot: SnapshotPart
    here: Annotated[list[SnapshotPart], Field(max_length=MOST)]

    def wanted(self) -> Wanted:
        here = tuple(each.record() for each in self.here)
        return Wanted(self.volume_id, self.snapshot.record(), here)


class IncrementsRequest(Asked):
    """Everything that a node lacks."""

    wanted: Annotated[list[WantedPart], Field(max_length=MOST)]


class CutPart(BaseModel):
    """Where a promotion went on; see records.Cut."""

    model_config = ConfigDict(extra="allow", strict=True)

    epoch: Number
    number: Number


class RecordPart(BaseModel):
    """A volume's record; see records.Volume."""

    model_config = ConfigDict(extra="allow", strict=True)

    name: VolumeName
    id: VolumeId
    owner: Name
    epoch: Number
    created_at: Time
    size_bytes: Number | None = None
    replicas: Annotated[int, Field(ge=0, le=MOST_REPLICAS)]
    failover: Failover
    made_from: Text | None = None
    base: SnapshotPart | None = None
    cuts: Annotated[list[CutPart], Field(max_length=1000)] = Field(default_factory=list)


class RemovedPart(BaseModel):
    """The record of a removed volume; see records.Removed."""

    model_config = ConfigDict(extra="allow", strict=True)

    volume: RecordPart
    removed_at: Time

    def record(self) -> Removed:
        return Removed.from_json(self.model_dump())


class _Answer(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class Nothing(_Answer):
    """The answer that something was done."""


class StandingAnswer(_Answer):
    """When the node that asks was retired; None if it was not."""

    retired_at: Time | None


class Bytes(_Answer):
    bytes: Number


class AsideAnswer(_Answer):
    """See protocol.Aside."""

    reference: Annotated[str, Field(min_length=1, max_length=600)]
    volume_id: VolumeId
    volume: VolumeName
    why: Literal["removed", "conflict", "restored"]
    at: Time


class StrayAnswer(_Answer):
    """See strays.Stray."""

    epoch: Number
    is_open: bool
    number: Number
    id: VolumeId
    name: VolumeName | None


class PurgeAnswer(_Answer):
    """See Maintenance.purge_here."""

    purged: Annotated[list[Text], Field(max_length=MOST)]
    failed: Annotated[list[Text], Field(max_length=MOST)]
    kept: Annotated[list[Text], Field(max_length=MOST)]
    freed_bytes: Number
    free_bytes: Number


class CopyAnswer(_Answer):
    node: Name
    snapshot: Number | None
    result: Literal["same", "differs", "unreadable", "not compared"]
    why: Text
    size_bytes: Number | None


class VerifyAnswer(_Answer):
    """See Verification.verify."""

    volume: VolumeName
    at: Time
    copies: Annotated[list[CopyAnswer], Field(max_length=1000)]


class DigestAnswer(_Answer):
    """See digest.Digest."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    entries: Number
    size_bytes: Number


class VolumePart(_Answer):
    """The part of a volume's record that an operator is told."""

    name: VolumeName
    id: VolumeId
    owner: Name
    epoch: Number
    size_bytes: Number | None


class TakenPart(_Answer):
    volume: VolumeName
    number: Number
    taken_at: Time
    label: Text
    nodes: Annotated[list[Name], Field(max_length=1000)]


class OperationAnswer(_Answer):
    """The answer to a forwarded operation."""

    volume: VolumePart | None = None
    kept_as: Text | None = None
    reference: Text | None = None
    snapshots: Annotated[list[TakenPart], Field(max_length=MOST)] | None = None


class ErrorAnswer(_Answer):
    error: str


Read = TypeVar("Read")

SNAPSHOTS: TypeAdapter[list[SnapshotPart]] = TypeAdapter(
    Annotated[list[SnapshotPart], Field(max_length=MOST)]
)
ASIDES: TypeAdapter[list[AsideAnswer]] = TypeAdapter(
    Annotated[list[AsideAnswer], Field(max_length=MOST)]
)
STRAYS: TypeAdapter[list[StrayAnswer]] = TypeAdapter(
    Annotated[list[StrayAnswer], Field(max_length=MOST)]
)


def read(node: str, kind: type[Read] | TypeAdapter[Read], content: bytes) -> Read:
    """Read what a node has answered.

    Raises:
        TransferFailed: it cannot be an answer to that question.
    """
    reader = kind if isinstance(kind, TypeAdapter) else TypeAdapter(kind)
    try:
        return reader.validate_json(content)
    except ValidationError as error:
        raise TransferFailed(
            f"{node} gave an answer that cannot be one: {problems(error.errors())}"
        ) from error


def plain(part: BaseModel) -> dict[str, Any]:
    """An answer as it came."""
    return part.model_dump(exclude_unset=True)


def reason(content: bytes) -> str:
    """Why a node could not do something, in its words, as one line."""
    try:
        text = ErrorAnswer.model_validate_json(content).error
    except ValidationError:
        text = content[:LONGEST_REASON].decode(errors="replace")
    return printable(text[:LONGEST_REASON])


def problems(errors: Any) -> str:
    """Describe in one line what is wrong with a message, without repeating it."""
    found = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in errors[:5]]
    return printable("; ".join(found)[:LONGEST_REASON])
