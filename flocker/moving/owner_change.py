"""The last step of a move and of a promotion: becoming the owner of a volume whose data is here."""

from __future__ import annotations

import threading
from collections.abc import Callable

from flocker.base.errors import StaleEpoch
from flocker.base.records import Volume
from flocker.consensus.ownership import Ownership
from flocker.pool.local_pool import LocalPool


class OwnerChange:
    """Makes this node's copies writable; of one volume one at a time.

    A move that is about to end, an automatic failover and a person's promotion may meet. The
    later one must not put a snapshot in the place of what containers already write to.
    """

    def __init__(self, ownership: Ownership, pool: LocalPool) -> None:
        self._ownership = ownership
        self._pool = pool
        self._locks: dict[str, threading.Lock] = {}

    def complete(self, volume: Volume, taken: Volume, record: Callable[[], Volume]) -> Volume:
        """Have a writable copy of `taken.base`, and then the ownership.

        In this order, as a node that owns a volume has it. Should the record not be
        changed, the present owner's next epoch puts the copy away again.

        Args:
            volume: the record as it is.
            taken: as it is to be.
            record: changes it in etcd.

        Raises:
            StaleEpoch: it is another one by now; nothing was done.
            PoolError: the snapshot is not here, or the disk fails.
        """
        assert taken.base is not None
        with self._locks.setdefault(volume.id, threading.Lock()):
            if self._ownership.volume(volume.name) != volume:
                raise StaleEpoch(f"volume '{volume.name}' has changed; try again")
            self._pool.adopt(taken.claim, taken.base, volume.size_bytes)
            return record()
