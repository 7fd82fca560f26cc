"""Delete for good what was removed or put aside, when the retention has ended."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from flocker.base.errors import PoolError
from flocker.base.records import Removed
from flocker.care.removed_copies import is_in_charge
from flocker.node.context import NodeContext
from flocker.pool.protocol import Pool

APART_SECONDS = 3600.0  # between the two looks that a deletion needs, however short the retention


class Purging:
    """Purges one node's pool, and the records of the volumes it owned last.

    Everything can be restored for the retention, by the time this node has observed since it first
    saw it.
    """

    def __init__(self, context: NodeContext) -> None:
        self._node = context.node
        self._ownership = context.ownership
        self._pool = context.pool
        self._reaches_shared = context.pools.remote is not None
        self._troubles = context.troubles
        self._observed = context.retention.observed
        self._oldest_seconds = max(context.retention.seconds, APART_SECONDS)

    def purge_old(self) -> None:
        """Purge what the retention is over for; one that cannot be purged stops no other.

        Nothing is purged while clocks disagree: who put it aside, and when, cannot be judged then.

        Raises:
            ControlPlaneAway: nothing is purged.
        """
        state = self._ownership.state()
        removed = {
            _key(each): each
            for each in state.removed.values()
            if is_in_charge(self._node, each.volume, state)
            and (self._reaches_shared or not each.volume.is_shared)
        }
        old_removed = self._old("removed", removed)
        self.purge_asides(self._pool, "aside")
        if self._observed.doubt(state) is not None:
            return
        for key in old_removed:
            self._ownership.purge(removed[key])

    def purge_asides(self, pool: Pool, kind: str) -> None:
        """Purge the copies in a pool that the retention is over for.

        Args:
            kind: by which the time is counted that they were seen there.
        """
        old = self._old(kind, [aside.reference for aside in pool.asides()])
        if self._observed.doubt(self._ownership.state()) is not None:
            return
        with self._troubles.round(f"purging {kind}s") as round_:
            for reference in old:
                round_.attempt(f"copy {reference}", partial(purge, pool, reference))

    def _old(self, kind: str, there: Collection[str]) -> list[str]:
        ages = self._observed.ages(kind, there)
        return [key for key, seconds in ages.items() if seconds >= self._oldest_seconds]


def purge(pool: Pool, reference: str) -> None:
    """Delete a copy that was put aside, unless somebody else has just deleted it.

    Raises:
        PoolError: not all of it could be deleted.
    """
    try:
        pool.purge_aside(reference)
    except PoolError:
        if any(aside.reference == reference for aside in pool.asides()):
            raise


def _key(removed: Removed) -> str:
    return f"{removed.volume.id} {removed.removed_at}"
