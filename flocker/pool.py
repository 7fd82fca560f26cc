"""Where a node keeps the data of volumes: the border that every implementation keeps.

Snapshots of a volume are numbered; the same number holds the same content on
every node that has it, and `identity` proves it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from flocker.ownership import Claim


@dataclass(frozen=True)
class Snapshot:
    """A read-only point in time of a volume.

    `identity` stays the same when the snapshot is sent to another node: numbers
    can be equal by accident, identities cannot.
    """

    number: int
    identity: str


@dataclass(frozen=True)
class Usage:
    """Bytes of the pool as a whole."""

    used_bytes: int
    total_bytes: int


class Pool(Protocol):
    """Volumes on this node, by volume id (a UUID, never a name)."""

    def create(self, claim: Claim) -> None:
        """Make an empty, writable volume."""

    def open(self, claim: Claim) -> Path:
        """Absolute path of the writable volume.

        Raises:
            StaleEpoch: the pool was told of a newer owner.
            PoolError: there is no writable volume here.
        """

    def is_open(self, volume_id: str) -> bool:
        """Whether a writable volume is here."""

    def snapshots(self, volume_id: str) -> list[Snapshot]:
        """The complete snapshots here, oldest first; a half-received one is not among them."""

    def take_snapshot(self, claim: Claim) -> Snapshot:
        """Freeze the volume as it is now and flush it to disk before returning.

        When nothing has changed since the newest snapshot, that one is returned.

        Raises:
            StaleEpoch: the pool was told of a newer owner.
        """

    def stream_bytes(self, volume_id: str, number: int, parent: int | None) -> int:
        """How many bytes of data `send` will carry, headers not counted."""

    def send(self, volume_id: str, number: int, parent: int | None) -> Generator[bytes, None, None]:
        """A snapshot as a stream: whole, or what differs from `parent`.

        Raises:
            PoolError: while iterating, when the stream cannot be completed.
        """

    def receive(
        self, volume_id: str, snapshot: Snapshot, parent: Snapshot | None, stream: Iterable[bytes]
    ) -> None:
        """Store a stream as a snapshot, verify it and flush it.

        Raises:
            TransferFailed: the stream is broken or is not that snapshot; nothing is kept.
        """

    def adopt(self, claim: Claim, snapshot: Snapshot) -> None:
        """Make the writable volume from a snapshot; whatever was writable before is set aside."""

    def put_away(self, claim: Claim) -> None:
        """Stop being the owner: from now on only a claim of at least this epoch is honoured.

        Does nothing when a later epoch is there: the volume came back meanwhile.
        Snapshots stay, as parents for the way back. A writable volume that
        holds more than its snapshots do goes to the trash, not away.
        """

    def discard(self, volume_id: str) -> None:
        """Put everything of a volume into the trash. Safe to repeat."""

    def volume_ids(self) -> list[str]:
        """Every volume that has anything here."""

    def usage(self) -> Usage:
        """How full the pool is."""
