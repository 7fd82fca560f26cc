"""The interface to a node's data of volumes, which every implementation keeps.

Snapshots of a volume are numbered; the same number holds the same content on
every node that has it, and `identity` proves it.

Longer than 300 lines because all that a pool promises is here, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from flocker.base.belief import Belief
from flocker.base.errors import FlockerError
from flocker.base.records import Claim, Record, Snapshot, Volume
from flocker.pool.digest import Digest


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


@dataclass(frozen=True)
class Staged:
    """A snapshot that has arrived and is not on disk yet.

    `mark` and `parent_uuid` are for the pool alone.
    """

    volume_id: str
    snapshot: Snapshot
    mark: int = 0
    parent_uuid: str | None = None


class Pool(Protocol):
    """Volumes on this node, by volume id (a UUID, never a name).

    A pool is made with a look at the kernel's mount tables. It takes away no writable copy that a
    process has mounted, and none of a later epoch than its caller knows: it raises StillWanted.
    """

    def create(self, claim: Claim, size_bytes: int | None = None) -> None:
        """Make an empty, writable volume, already flushed to disk."""

    def writable_path(self, claim: Claim) -> Path:
        """Absolute path of the writable volume, if it is at the claim's epoch.

        Nothing is opened or mounted, so there is nothing to close.

        Raises:
            StaleEpoch: the pool was told of another owner.
            PoolError: there is no writable volume here.
        """

    def has_writable(self, volume_id: str) -> bool:
        """True if a writable volume is here, at whatever epoch.

        `writable_path` may still refuse it.
        """

    def changed_volumes(self, claims: Collection[Claim]) -> list[Claim]:
        """Those whose writable volume may differ from the newest snapshot here.

        Cheap enough to ask every second for hundreds. All is found that was written before this
        call; a volume without any snapshot counts as changed. Those that may not be frozen yet
        are left out, see `is_held_back`.
        """

    def is_held_back(self, volume_id: str) -> bool:
        """Tell whether the last `changed_volumes` left a volume out that has changed."""

    def holder(self, volume_id: str) -> str | None:
        """Identity of the newest snapshot here, which holds all of the writable volume.

        As `changed_volumes` has just found it, from memory; None if it found no such thing.
        """

    def snapshots(self, volume_id: str) -> list[Snapshot]:
        """The complete snapshots here, oldest first; a half-received one is not among them."""

    def problem(self, volume_id: str) -> str | None:
        """Describe a problem of the writable volume here; None if none is known."""

    def take_snapshot(self, claim: Claim, *, is_whole: bool = False) -> Snapshot:
        """Freeze the volume as it is now and flush it to disk before returning.

        When nothing has changed since the newest snapshot, that one is returned.

        Args:
            is_whole: whether the snapshot must hold all of the volume, as the last one of a move.

        Raises:
            LeavesBehind: it cannot; only with `is_whole`.
            LostWrites: the disk refused writes since the last snapshot; it is said once, and the
                next call takes the volume as it is.
            StaleEpoch: the pool was told of another owner.
        """

    def stream_bytes(self, volume_id: str, number: int, parent: int | None) -> int:
        """The bytes of data that `send` will carry, headers not counted."""

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
            StreamRefused: it cannot be applied here, now or later; nothing is kept.
            TransferFailed: the stream is broken or is not that snapshot; nothing is kept.
            LostWrites: the disk refused writes meanwhile; nothing is kept.
        """

    def small_stream(
        self, volume_id: str, number: int, parent: int, most_bytes: int
    ) -> bytes | None:
        """The stream of `send` in one piece; None if it is longer than `most_bytes`.

        Raises:
            PoolError: it cannot be sent.
        """

    def stage(
        self, volume_id: str, snapshot: Snapshot, parent: Snapshot | None, stream: bytes
    ) -> Staged:
        """Take a whole stream in, as `receive` does; it counts for nothing before it is settled.

        Raises:
            StreamRefused, TransferFailed: as `receive` does.
        """

    def settle(self, staged: Sequence[Staged]) -> list[FlockerError | None]:
        """Verify what was staged and flush all of it at once.

        Returns:
            For each the error for which nothing of it is kept, as `receive` raises it, or None.
        """

    def digest(self, volume_id: str, number: int, bytes_per_second: int) -> Digest:
        """Read a snapshot, no faster than that, and tell what everybody must find in it.

        Raises:
            PoolError: something in it cannot be read.
        """

    def prune(self, volume_id: str, keep: Callable[[], Collection[int]]) -> None:
        """Delete all snapshots but the newest few and those in `keep`; one in use stays.

        Args:
            keep: asked with the volume locked.
        """

    def adopt(self, claim: Claim, snapshot: Snapshot, size_bytes: int | None = None) -> None:
        """Make the writable volume from a snapshot, flushed.

        A writable one that holds more than the snapshots do is put aside as a conflict first.

        Raises:
            StillWanted: the copy here is at a later epoch, or a process has it mounted.
            PoolError: there is no such snapshot.
        """

    def put_away(self, volume: Volume, node: str, confirm: Callable[[], None]) -> Aside | None:
        """Stop being the owner: from now on no claim of an earlier epoch is honoured.

        It does nothing when a later epoch is there: the volume came back meanwhile.

        Snapshots that the volume does not include, and writes after all snapshots, are not part
        of it. The writable copy is put aside as a conflict, or the newest such snapshot if that
        holds all of it; the other such snapshots are deleted. Everything else stays, as parents
        for the way back. Safe to repeat; a call that failed is finished by the next one.

        Args:
            node: this one, for the name of what is put aside.
            confirm: called if there is something to do, as that of a Belief.
        """

    def set_size(self, claim: Claim, size_bytes: int | None) -> None:
        """Limit what the writable volume may hold, from now on; None: no limit.

        Raises:
            Refused: it holds more already.
        """

    def used_bytes(self, volume_id: str) -> int | None:
        """The bytes in the writable volume, or else in the newest snapshot.

        None where that is not counted (the pool has never had a volume with a size).
        """

    def contain(self, claim: Claim) -> None:
        """Let no more be written to what is in a volume and has no limit of its own.

        To be called every second for volumes with a size; 10 us when there is nothing.
        """

    def prepare_sizes(self) -> None:
        """Begin to count what volumes hold; a volume with a size is on its way. Safe to repeat."""

    def restore(self, claim: Claim, snapshot: Snapshot, size_bytes: int | None) -> None:
        """Replace the writable volume's content by a snapshot's, all or nothing, at the same epoch.

        The caller has taken a snapshot of what was there.
        """

    def clone(
        self, source_id: str, snapshot: Snapshot, claim: Claim, size_bytes: int | None
    ) -> None:
        """Make a new writable volume that begins as a snapshot of another; no data is copied."""

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

    def readmit(self, claim: Claim) -> None:
        """Let the writable volume that is here be opened at a later epoch than before.

        On an old look this takes nothing away and brings nothing back, so nobody is asked again:
        who opens a volume goes by etcd's record, and that has another epoch then.

        Raises:
            PoolError: there is no writable volume here, or its epoch is later.
        """

    def purge_aside(self, reference: str) -> None:
        """Delete for good what was put aside under that reference.

        Raises:
            PoolError: there is no such copy here, or not all of it could be deleted; then what
                is left is still listed.
        """

    def keep_record(self, volume: Volume) -> None:
        """Have a volume's record beside its data, for the day etcd is lost. Safe to repeat."""

    def record(self, volume_id: str) -> Volume | None:
        """The record beside a volume's data, as it was when it was last kept."""

    def drop_if_empty(self, volume_id: str, confirm: Callable[[], None]) -> bool:
        """Delete for good what is here of a volume that nobody has ever written to.

        Return False and leave it if it has a snapshot or any content.

        Args:
            confirm: called when it is empty, with the volume locked; raises if it has a record.
        """

    def await_deletions(self, seconds: float) -> None:
        """Wait until the room of what was deleted can be used again, at most so long."""

    def make_reserve(self) -> None:
        """Keep room back for removing and putting aside when the pool is full. Safe to repeat."""

    def volume_ids(self) -> list[str]:
        """Every volume that has anything here."""

    def writable_ids(self) -> set[str]:
        """Select the volumes that are writable here; cheap enough to ask every second."""

    def usage(self) -> Usage:
        """The pool's use of its room."""

    def check_writable(self) -> None:
        """Write something small and wait until the disk has it.

        Raises:
            OSError, PoolError: it could not be written.
        """

    def trouble(self) -> str | None:
        """Describe a problem of the pool as a whole; None if none is known."""
