"""The interface to volumes on a storage that all nodes reach: there is one copy of each.

A node has a volume mounted only while something uses it. Each mount is a client that the storage
knows by an address, and the storage itself keeps the clients of former owners out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol

from flocker.base.records import Claim, Snapshot
from flocker.pool.protocol import Pool


class RecordedSessions(Protocol):
    """The addresses of clients of the storage; they outlive every lease.

    The clients of volumes are those of all nodes. A root is this node's own client, of the folder
    that all volumes are in: it may have in use whatever another node needs after this node's death.
    """

    def begin(self, claim: Claim, address: str) -> None:
        """Record the address of a client, if the volume is still its owner's.

        Raises:
            StaleEpoch: it has another owner by now.
        """

    def end(self, claim: Claim, address: str) -> None:
        """Record that a client will never write again. Safe to repeat."""

    def of(self, claim: Claim) -> list[str]:
        """The addresses of an owner's clients that are not known to have ended."""

    def begin_root(self, address: str) -> None:
        """Record the address of this node's own client, before anything is asked of it."""

    def end_root(self, address: str) -> None:
        """Record that the storage will never hear of that client again. Safe to repeat."""

    def root(self) -> list[str]:
        """The addresses of this node's own clients that are not known to have ended."""


class RemotePool(Pool, Protocol):
    """A pool that all nodes reach: nothing of it is sent, received or compared.

    Every call but `mountpoint`, `opened` and `cut_off` may raise PoolHangs: the storage has not
    answered in time. What was asked may still happen then, so each call may be repeated.
    """

    def epoch(self, volume_id: str) -> int | None:
        """The epoch of the owner that the storage lets in; None if the volume is not there."""

    def keep_out(self, addresses: Collection[str]) -> None:
        """Have the storage take what these clients have in use, and refuse them for good.

        Safe to repeat. It would wait for those of a dead node for a minute.

        Raises:
            PoolError: Ceph did not do it.
        """

    def take_over(self, claim: Claim, former: Mapping[int, Collection[str]]) -> None:
        """Stop the clients of all earlier owners, and make the volume this epoch's. Safe to repeat.

        The record says already that this node is the owner at this epoch. A call that ends early
        is finished by the next one.

        Args:
            former: epoch -> the addresses of that owner's clients that are not known to have ended.

        Raises:
            StaleEpoch: a later owner was faster; nothing was done.
            PoolError: Ceph did not do it; whoever wrote to the volume may still do so.
        """

    def mountpoint(self, volume_id: str) -> Path | None:
        """Where a volume is mounted on this node; nothing is asked of the storage."""

    def opened(self) -> list[Claim]:
        """The volumes with a client on this node, by the owner that it was started for."""

    def close(self, volume_id: str) -> None:
        """Unmount a volume here and wait until the storage has all of it. Safe to repeat.

        Raises:
            PoolError: something uses it, or the storage takes nothing.
        """

    def cut_off(self, volume_id: str) -> None:
        """End a volume's client here at once: who uses the mount gets errors and waits no longer.

        For a volume that another node owns. What was not flushed is lost, as the storage has
        refused it already. `close` takes away what is left of the mount.
        """

    def drop_snapshot(self, volume_id: str, snapshot: Snapshot) -> None:
        """Delete a snapshot. Safe to repeat.

        Raises:
            PoolError: it could not be deleted.
        """
