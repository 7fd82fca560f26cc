"""Delete for good what was removed or put aside, when the retention has ended or a person asks."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from flocker.ownership import Ownership
from flocker.pool import Pool
from flocker.records import ago
from flocker.troubles import Troubles


class Purging:
    """Purges one node's pool, and the records of the volumes it owned last.

    Args:
        retention_seconds: how long everything can be had back.
    """

    def __init__(
        self,
        node: str,
        *,
        ownership: Ownership,
        pool: Pool,
        troubles: Troubles,
        retention_seconds: float,
    ) -> None:
        self._node = node
        self._ownership = ownership
        self._pool = pool
        self._troubles = troubles
        self._retention_seconds = retention_seconds

    def purge_old(self) -> None:
        """Purge what the retention is over for; one that cannot be purged stops no other.

        Raises:
            ControlPlaneAway: the data is purged, the records are not.
        """
        oldest = ago(self._retention_seconds)
        with self._troubles.round("purging") as round_:
            for aside in self._pool.asides():
                if _is_before(aside.at, oldest):
                    purge = partial(self._pool.purge_aside, aside.reference)
                    round_.attempt(f"copy {aside.reference}", purge)
            for removed in self._ownership.state().removed.values():
                if removed.volume.owner == self._node and _is_before(removed.removed_at, oldest):
                    self._ownership.purge(removed)


def _is_before(at: str, limit: str) -> bool:
    return datetime.fromisoformat(at) < datetime.fromisoformat(limit)
