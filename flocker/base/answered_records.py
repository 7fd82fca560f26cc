"""The records of volumes and moves as `flocker … --json` prints them; answers.py has the rest.

Their fields are described in records.py.
"""

from __future__ import annotations

from typing import TypedDict, cast

from flocker.base.records import Failover, Move, PoolKind, Volume


class SnapshotRecord(TypedDict):
    """See records.Snapshot."""

    number: int
    identity: str
    epoch: int
    held_bytes: int | None


class CutRecord(TypedDict):
    """See records.Cut."""

    epoch: int
    number: int


class VolumeRecord(TypedDict):
    """See records.Volume.

    Attributes:
        size_bytes: the most it may hold; null for as much as the pool has.
        base: the snapshot that this epoch began with; null if it began empty.
        made_from: what it was cloned from, as typed; null if it was created empty.
    """

    name: str
    id: str
    owner: str
    epoch: int
    created_at: str
    size_bytes: int | None
    replicas: int
    failover: Failover
    base: SnapshotRecord | None
    made_from: str | None
    cuts: list[CutRecord]
    pool: PoolKind


class MoveStatus(TypedDict):
    """See records.Move.

    Attributes:
        bytes_total: null until the source has counted, and `percent` with it.
    """

    volume_id: str
    source: str
    target: str
    token: str
    bytes_done: int
    bytes_total: int | None
    is_locked: bool
    waits_for: str
    percent: int | None


def volume_record(volume: Volume) -> VolumeRecord:
    """The record of a volume, with fields that a newer version may have added."""
    return cast(VolumeRecord, volume.to_json())


def move_status(move: Move) -> MoveStatus:
    """A move that is under way; otherwise as `volume_record`."""
    return cast(MoveStatus, {**move.to_json(), "percent": move.percent})
