"""Remove a volume from every node, so that it can be restored until the retention ends."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol

from flocker.base.errors import ControlPlaneAway, PoolError
from flocker.base.records import Volume
from flocker.engine.client import EngineUse
from flocker.engine.typed_options import TypedOptions
from flocker.node.context import NodeContext
from flocker.volumes.gone import belief_that_gone


class PeerRemoval(Protocol):
    """Has other nodes do their part of a removal. Every call may raise OwnerAway."""

    def remove(self, volume: Volume) -> None:
        """Have the owner remove the volume."""

    def discard(self, volume: Volume) -> None:
        """Tell all other nodes that the volume was removed; nobody waits for their answers."""


class Removal:
    """The removal of volumes by one node. All calls may come twice and at once."""

    def __init__(
        self, context: NodeContext, peers: PeerRemoval, typed_options: TypedOptions
    ) -> None:
        self._context = context
        self._node = context.node
        self._ownership = context.ownership
        self._mirror = context.mirror
        self._pools = context.pools
        self._use = context.use
        self._peers = peers
        self._typed_options = typed_options

    def remove(self, name: str) -> None:
        """Remove a volume on every node; one that is not there is removed already.

        It can be restored until the retention ends.

        Raises:
            InUse: a container uses it.
            StillNeeded: a stopped container on its owner was made with it.
            OwnerAway: its owner, who has the data, does not answer.
        """
        self._remove(name, is_for_peer=False)

    def remove_for_peer(self, name: str) -> None:
        """As `remove`, asked for by another node, whose engine knows its own containers only.

        Each engine lists every volume of the cluster, and calls "dangling" what none of its own
        containers has. So those of the owner count here, stopped ones too. On a former owner they
        do not: its containers are left behind by every move, and the volume is the new owner's.
        An engine that removes a volume from its own node has looked at its own containers.
        """
        self._remove(name, is_for_peer=True)

    def _remove(self, name: str, *, is_for_peer: bool) -> None:
        volume = self._ownership.volume(name)
        if volume is None:
            return
        if volume.owner != self._node:
            self._peers.remove(volume)
        else:
            pool = self._pools.of(volume)
            with self._use.locked(volume):
                # This node's engine asks only when none of its containers has the volume.
                self._use.refuse_if_any(volume, None if is_for_peer else EngineUse.NONE)
                if is_for_peer:
                    self._use.refuse_if_needed(volume)
                self._ownership.unmount(volume)  # recorded by a mount nobody heard of
                event = volume.event(self._node, "removed")
                self._ownership.remove(volume, event)
                # There is no such volume any more, so this is no error of the removal: where
                # the disk or Ceph is in the way, it is done as soon as it can be, and shown until
                # then.
                with suppress(PoolError, OSError, ControlPlaneAway):
                    belief = belief_that_gone(self._context, volume)
                    pool.discard(volume.id, name, self._node, belief)
            self._peers.discard(volume)
            if is_for_peer:
                self._typed_options.removed(volume)
        self._mirror.settle(lambda state: volume.id not in state.volume_ids())
