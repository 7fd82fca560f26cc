"""The interface to the data of volumes that a node can reach: what every pool can do.

Snapshots of a volume are numbered, and `identity` proves which content a number stands for.
A pool on a disk of this node can do more, because other nodes need copies: see local_pool.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from flocker.base.belief import Belief
from flocker.base.errors import StaleEpoch
from flocker.base.records import Claim, Record, Snapshot, Volume


@dataclass(frozen=True)
class Usage:
    """Bytes of the pool as a whole.

    Used and free are less than the total together: some is set aside for metadata, and
    all of a pool's metadata may be in use while there is room for data.
    """

    used_bytes: int
    total_bytes: int
    free_bytes: int
    metadata_used_bytes: int = 0
    metadata_free_bytes: int = 1


@dataclass(frozen=True)
class Aside(Record):
    """A copy that was put aside, and why.

    Attributes:
        reference: what people type to have it back, e.g. `demo@node1-20261122T190000Z`:
            the volume's name at that time, the node, and when.
        why: "removed" (the whole volume), "conflict" (writes of an owner that was
            replaced) or "restored" (what a restore replaced).
        at: RFC 3339.
    """

    reference: str
    volume_id: str
    volume: str
    why: str
    at: str


class PoolVolumes(Protocol):
    """Volumes that can be written to, their sizes, and the records beside their data."""

    def create(self, claim: Claim, size_bytes: int | None = None) -> None:
        """Make an empty, writable volume, already flushed to disk."""

    def writable_path(self, claim: Claim) -> Path:
        """Absolute path of the writable volume, if it is at the claim's epoch.

        On a disk of this node nothing is opened or mounted, so there is nothing to close. A shared
        volume is mounted by the first call.

        Raises:
            StaleEpoch: the pool was told of another owner.
            PoolError: there is no writable volume here.
        """

    def has_writable(self, volume_id: str) -> bool:
        """True if a writable volume is here, at whatever epoch.

        `writable_path` may still refuse it.
        """

    def writable_ids(self) -> set[str]:
        """Select the volumes that are writable here; cheap enough to ask every second."""

    def volume_ids(self) -> list[str]:
        """Every volume that has anything here."""

    def problem(self, volume_id: str) -> str | None:
        """Describe a problem of the writable volume here; None if none is known."""

    def set_size(self, claim: Claim, size_bytes: int | None) -> None:
        """Limit what the writable volume may hold, from now on; None: no limit.

        Raises:
            Refused: it holds more already.
        """

    def used_bytes(self, volume_id: str) -> int | None:
        """The bytes in the writable volume, or else in the newest snapshot.

        None where that is not counted (the pool has never had a volume with a size).
        """

    def prepare_sizes(self) -> None:
        """Begin to count what volumes hold; a volume with a size is on its way. Safe to repeat."""

    def keep_record(self, volume: Volume) -> None:
        """Have a volume's record beside its data, for the day etcd is lost. Safe to repeat."""

    def record(self, volume_id: str) -> Volume | None:
        """The record beside a volume's data, as it was when it was last kept."""


class PoolSnapshots(Protocol):
    """Snapshots of volumes, and what is made from them."""

    def snapshots(self, volume_id: str) -> list[Snapshot]:
        """The complete snapshots here, oldest first; a half-received one is not among them."""

    def take_snapshot(self, claim: Claim, *, is_whole: bool = False) -> Snapshot:
        """Freeze the volume as it is now and flush it to disk before returning.

        When a snapshot holds all of the volume already, a LocalPool returns that one.

        Args:
            is_whole: whether the snapshot must hold all of the volume, as the last one of a move.

        Raises:
            LeavesBehind: it cannot; only with `is_whole`.
            LostWrites: the disk refused writes since the last snapshot; it is said once, and the
                next call takes the volume as it is.
            StaleEpoch: the pool was told of another owner.
        """

    def restore(self, claim: Claim, snapshot: Snapshot, size_bytes: int | None) -> None:
        """Replace the writable volume's content by a snapshot's, all or nothing, at the same epoch.

        The caller has taken a snapshot of what was there.

        Raises:
            StillWanted: a process has the volume mounted.
        """

    def clone(
        self, source_id: str, snapshot: Snapshot, claim: Claim, size_bytes: int | None
    ) -> None:
        """Make a new writable volume that begins as a snapshot of another.

        A LocalPool copies no data for that.
        """


class PoolAsides(Protocol):
    """Data that leaves its place: for the trash, back from it, or for good."""

    def asides(self) -> list[Aside]:
        """The saved copies here, oldest first."""

    def clone_aside(self, reference: str, claim: Claim, size_bytes: int | None) -> None:
        """Make a new writable volume that begins as a copy put aside; that stays where it is.

        Raises:
            PoolError: there is no such copy here.
        """

    def discard(
        self,
        volume_id: str,
        volume: str,
        node: str,
        belief: Belief,
        *,
        unless_writable: bool = False,
    ) -> None:
        """Put everything of a volume aside as removed. Safe to repeat.

        Args:
            unless_writable: leave it all if a writable copy is here.

        Raises:
            StillWanted: a process has it mounted, or its epoch is later than believed.
        """

    def reclaim(self, volume_id: str, confirm: Callable[[], None]) -> bool:
        """Take a removed volume back whole: snapshots and writable copy; whether there was one.

        The epoch stored with it stays; `readmit` makes it writable again.

        Args:
            confirm: called when there is one, with the volume locked; raises if it is not wanted,
                as of one that was removed since the caller looked.
        """

    def purge_aside(self, reference: str) -> None:
        """Delete for good what was put aside under that reference.

        Raises:
            PoolError: there is no such copy here, or not all of it could be deleted; then what
                is left is still listed.
        """

    def drop_if_empty(self, volume_id: str, confirm: Callable[[], None]) -> bool:
        """Delete for good what is here of a volume that nobody has ever written to.

        Return False and leave it if it has a snapshot or any content.

        Args:
            confirm: called when it is empty, with the volume locked; raises if it has a record.
        """


class PoolRoom(Protocol):
    """The room and the health of the pool as a whole."""

    def usage(self) -> Usage:
        """The pool's use of its room."""

    def await_deletions(self, seconds: float) -> None:
        """Wait until the room of what was deleted can be used again, at most so long."""

    def make_reserve(self) -> None:
        """Keep room back for removing and putting aside when the pool is full. Safe to repeat."""

    def check_writable(self) -> None:
        """Write something small and wait until the disk has it.

        Raises:
            OSError, PoolError: it could not be written.
        """

    def trouble(self) -> str | None:
        """Describe a problem of the pool as a whole; None if none is known."""


class Pool(PoolVolumes, PoolSnapshots, PoolAsides, PoolRoom, Protocol):
    """Volumes that this node can reach, by volume id (a UUID, never a name).

    A pool is made with a look at the kernel's mount tables. It takes away no writable copy that a
    process has mounted, and none of a later epoch than its caller knows: it raises StillWanted.
    """


def check_epoch(claim: Claim, stored: int, pool: str) -> None:
    """Refuse a claim of another epoch than the one that a pool has written down.

    Args:
        pool: as a person knows it.

    Raises:
        StaleEpoch: the volume has another owner here.
    """
    if stored != claim.epoch:
        raise StaleEpoch(
            f"volume {claim.volume_id} is at epoch {stored} in {pool}, "
            f"asked for at epoch {claim.epoch}; `flocker status` tells who owns it"
        )
