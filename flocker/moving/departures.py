"""Let volumes go to other nodes: the owner's side of a planned move.

The target asks, by handoff.py: its `PeerOwners` has these requests under the same names.
"""

from __future__ import annotations

from flocker.base.errors import LeavesBehind, Refused, StaleEpoch
from flocker.base.records import Snapshot, Volume
from flocker.consensus.ownership import existing
from flocker.moving.demotion import Demotion
from flocker.moving.replica_choice import copy_missing
from flocker.node.context import NodeContext


class Departures:
    """The owner's part in moves. All calls may come twice."""

    def __init__(self, context: NodeContext, demotion: Demotion) -> None:
        self._context = context
        self._node = context.node
        self._ownership = context.ownership
        self._mirror = context.mirror
        self._pool = context.pool
        self._use = context.use
        self._demotion = demotion

    def check_unused(self, name: str) -> None:
        """Refuse a peer that wants the volume while something here uses it.

        After it the storage has all of a shared volume, and no client of this node has it.

        Raises:
            InUse: containers here use it.
            PoolError: the storage does not take what is left of a shared volume.
            Refused: this node owns it and came back without its disk.
        """
        volume = existing(self._ownership, name)
        with self._use.locked(volume):
            self._use.refuse_if_any(volume)
            if volume.owner == self._node:
                if volume.is_shared:
                    self._context.pools.sharing(volume).close(volume.id)
                elif not self._pool.has_writable(volume.id):
                    raise copy_missing(volume, self._mirror.state)
                # A mount whose answer was lost is still recorded though nothing came of it.
                self._ownership.unmount(volume)

    def prepare(self, name: str) -> Snapshot:
        """Take a snapshot for a peer that is about to move the volume.

        Most of what it has to fetch, while containers may still use the volume.
        """
        volume = existing(self._ownership, name)
        if volume.owner != self._node:
            raise StaleEpoch(f"volume '{name}' is not owned by {self._node}")
        return self._take_whole(volume)

    def release(self, name: str, epoch: int, token: str) -> Snapshot:
        """Take the last snapshot for the peer whose move has that token.

        While that move is in etcd no mount succeeds here, and it can only be
        finished while it is there: so nothing is written after this snapshot.
        """
        volume = existing(self._ownership, name)
        with self._use.locked(volume):
            self._use.refuse_if_any(volume)
            if volume.owner != self._node or volume.epoch != epoch:
                raise StaleEpoch(f"volume '{name}' is not owned by {self._node} at epoch {epoch}")
            move = self._ownership.move(volume.id)
            if move is None or move.token != token or not move.is_locked:
                raise StaleEpoch(f"the move of volume '{name}' has expired; try again")
            return self._take_whole(volume)

    def put_away(self, name: str) -> None:
        """Put the writable copy of a volume away if another node owns it by now."""
        volume = existing(self._ownership, name)
        if volume.owner != self._node and self._pool.has_writable(volume.id):
            self._demotion.give_way(volume)

    def _take_whole(self, volume: Volume) -> Snapshot:
        try:
            snapshot = self._pool.take_snapshot(volume.claim, is_whole=True)
        except LeavesBehind as error:
            raise Refused(f"volume '{volume.name}' cannot leave {self._node}: {error}") from error
        if volume.replicas == 0:  # of others the publisher does it
            self._context.prune(volume)
        return snapshot
