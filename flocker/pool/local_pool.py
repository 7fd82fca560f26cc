"""The interface to volumes on a disk of this node, of which other nodes get copies.

The same number of a snapshot holds the same content on every node that has it, and `identity`
proves it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from flocker.base.errors import FlockerError
from flocker.base.records import Claim, Snapshot, Volume
from flocker.pool.digest import Digest
from flocker.pool.protocol import Aside, Pool


@dataclass(frozen=True)
class Staged:
    """A snapshot that has arrived and is not on disk yet.

    `mark` and `draft_uuid` are for the pool alone.
    """

    volume_id: str
    snapshot: Snapshot
    mark: int = 0
    draft_uuid: str | None = None


class PoolChanges(Protocol):
    """The volumes that have changed since their newest snapshot."""

    def changed_volumes(self, claims: Collection[Claim]) -> list[Claim]:
        """The volumes whose writable copy may differ from the newest snapshot here.

        Cheap enough to ask every second for hundreds. All is found that was written before this
        call; a volume without any snapshot counts as changed. Those that may not be frozen yet
        are left out, see `is_held_back`.
        """

    def is_held_back(self, volume_id: str) -> bool:
        """Tell whether the last `changed_volumes` left a volume out that has changed."""

    def holder(self, volume_id: str) -> str | None:
        """Identity of a snapshot here that holds all of the writable volume.

        As `changed_volumes` has just found it, from memory; None if it found no such thing.
        """


class PoolShipping(Protocol):
    """Snapshots on their way between nodes."""

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

        So does one that holds all of the writable copy: else that would seem to hold what only
        this node has.

        Args:
            keep: asked with the volume locked.
        """


class PoolHandover(Protocol):
    """Becoming a volume's owner with the copy that is here, and ceasing to be."""

    def adopt(self, claim: Claim, snapshot: Snapshot, size_bytes: int | None = None) -> None:
        """Make the writable volume from a snapshot, flushed.

        A writable one that holds more than the snapshots do is put aside as a conflict first.

        Raises:
            StillWanted: the copy here is at a later epoch, or a process has it mounted.
            PoolError: there is no such snapshot.
        """

    def put_away(
        self,
        volume: Volume,
        node: str,
        confirm: Callable[[], None],
        kept: Collection[Snapshot] = (),
    ) -> Aside | None:
        """Stop being the owner: from now on no claim of an earlier epoch is honoured.

        It does nothing when a later epoch is there: the volume came back meanwhile.

        Snapshots that the volume does not include, and writes after all snapshots, are not part
        of it. The writable copy is put aside as a conflict, or the newest such snapshot if that
        holds all of it. So are those of the other such snapshots that people keep; the rest are
        deleted. Everything else stays, as parents for the way back. Safe to repeat; a call that
        failed is finished by the next one.

        Args:
            node: this one, for the name of what is put aside.
            confirm: called if there is something to do, as that of a Belief.
            kept: the snapshots of the volume that people keep, part of it or not.

        Returns:
            The newest state that was put aside, if there was one.
        """

    def readmit(self, claim: Claim) -> None:
        """Let the writable volume that is here be opened at a later epoch than before.

        On an old look this takes nothing away and brings nothing back, so nobody is asked again:
        who opens a volume goes by etcd's record, and that has another epoch then.

        Raises:
            PoolError: there is no writable volume here, or its epoch is later.
        """


class LocalPool(Pool, PoolChanges, PoolShipping, PoolHandover, Protocol):
    """A pool on a disk of this node: its copies are sent, received, compared and handed over."""

    def contain(self, claim: Claim) -> None:
        """Let no more be written to what is in a volume and has no limit of its own.

        To be called every second for volumes with a size; 10 us when there is nothing.
        """
