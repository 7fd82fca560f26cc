"""Limits this node's own volumes to their agreed sizes, also where a resize was cut short.

A resize limits the volume first and records the size then. If the daemon ends in between, or
nobody answers the change, the pool and the record may say different sizes.
"""

from __future__ import annotations

from flocker.base.records import ClusterState, Volume
from flocker.node.context import NodeContext


class AgreedSizes:
    """The sizes of one node's own volumes."""

    def __init__(self, context: NodeContext) -> None:
        self._node = context.node
        self._ownership = context.ownership
        self._mirror = context.mirror
        self._pools = context.pools
        self._use = context.use
        self._set: dict[str, int | None] = {}  # bytes by volume id; as this daemon has set them

    def due(self, state: ClusterState) -> list[Volume]:
        """Own volumes whose size this daemon has not set, or that have another since."""
        own = {each.id: each for each in state.volumes.values() if each.owner == self._node}
        self._set = {each: size for each, size in self._set.items() if each in own}
        for volume in own.values():
            if volume.is_shared:  # to set it takes a look at every file
                self._set.setdefault(volume.id, volume.size_bytes)
        return [
            volume
            for volume in own.values()
            if volume.id not in self._set or self._set[volume.id] != volume.size_bytes
        ]

    def apply(self, volume: Volume) -> None:
        """Limit a volume to its size, if that is still what is agreed.

        Raises:
            ControlPlaneAway: etcd does not answer.
            HoldsMore: it holds more than that.
        """
        pool = self._pools.owned(volume)
        with self._use.locked(volume):
            if self._agreed(volume) != volume:
                return  # resized or moved meanwhile; the next round sees it
            if pool.has_writable(volume.id):
                pool.set_size(volume.claim, volume.size_bytes)
            self._set[volume.id] = volume.size_bytes

    def _agreed(self, volume: Volume) -> Volume | None:
        """The record of a volume, as etcd has it if its size has changed in this daemon's time.

        This node may not have heard of the next change yet. All volumes of a daemon that has just
        begun are no questions to etcd.
        """
        if volume.id in self._set:
            return self._ownership.volume(volume.name)
        return self._mirror.state.volumes.get(volume.name)
