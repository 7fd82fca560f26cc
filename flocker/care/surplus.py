"""Gives up copies that this node has long not kept up, when as many as wanted are newer.

Such a copy makes all other nodes keep its last snapshot, and all that changed since.
"""

from __future__ import annotations

import logging

from flocker.base.belief import Belief
from flocker.base.errors import FlockerError, Refused
from flocker.base.records import ClusterState, Copy, Volume
from flocker.node.context import NodeContext
from flocker.node.retention import replicas_of

log = logging.getLogger(__name__)


class Surplus:
    """The copies of one node that nobody needs.

    One is given up when it has been surplus for the retention, by the time this node has observed.
    """

    def __init__(self, context: NodeContext) -> None:
        self._node = context.node
        self._ownership = context.ownership
        self._pool = context.pool
        self._use = context.use
        self._observed = context.retention.observed
        self._retention_seconds = context.retention.seconds

    def old(self, state: ClusterState) -> dict[str, Copy]:
        """Volume id -> the copy here, of those that have been surplus for the retention."""
        found = {
            f"{volume.id} {copy.snapshot.identity}": copy
            for volume in state.volumes.values()
            if (copy := self._surplus(volume, state))
        }
        ages = self._observed.ages("surplus", found)
        old = [key for key, seconds in ages.items() if seconds >= self._retention_seconds]
        if not old or self._observed.doubt(state) is not None:
            return {}
        return {found[key].volume_id: found[key] for key in old}

    def give_up(self, volume: Volume, copy: Copy) -> None:
        """Put a copy aside for good; first the cluster is told not to count on it."""
        log.info("volume '%s': the copy here is out of date, and others are not", volume.name)
        self._ownership.withdraw([copy])
        # It may be on its way here meanwhile, for a container that starts.
        belief = Belief(lambda: self._refuse_if_needed(volume), volume.epoch)
        try:
            with self._use.locked(volume):
                self._pool.discard(volume.id, volume.name, self._node, belief, unless_writable=True)
        except FlockerError:
            self._ownership.publish([(volume, copy)])  # it is here, and nobody else would say so
            raise

    def _refuse_if_needed(self, volume: Volume) -> None:
        move = self._ownership.move(volume.id)
        is_coming = move is not None and move.target == self._node
        if is_coming or self._ownership.volume(volume.name) != volume:
            raise Refused(f"the copy of volume '{volume.name}' is needed after all")

    def _surplus(self, volume: Volume, state: ClusterState) -> Copy | None:
        """The copy here if as many as wanted are newer.

        Of a volume without replicas it stays: should the owner be lost, there is no other.
        """
        copies = state.copies_of(volume)
        mine = copies.get(self._node)
        if mine is None or volume.owner == self._node:
            return None
        newer = {node for node, it in copies.items() if it.snapshot.number > mine.snapshot.number}
        if not newer:  # the usual case
            return None
        replicas = replicas_of(volume, state)
        is_enough = 0 < volume.replicas == len(replicas) and set(replicas) <= newer
        return mine if is_enough else None
