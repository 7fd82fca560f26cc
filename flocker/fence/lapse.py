"""After a lapse of this node's lease: stop what another node may have taken over meanwhile.

The daemon does this, not the process of the fence: care/announcer.py calls it.

A virtual machine that was paused does not see the pause in any clock of its own, so its fence has
nothing to act on. That the lease is a new one tells that it has lapsed. From then on nobody takes
this node's volumes, so what etcd says of them is good for as long as the new lease lasts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from flocker.base.errors import PoolError, StaleEpoch
from flocker.base.records import Volume
from flocker.fence.lease_file import AutoVolume
from flocker.node.context import NodeContext

log = logging.getLogger(__name__)

ENGINE_SECONDS = 1.5  # the lease is not renewed meanwhile


class Lapse:
    """The volumes that this node's fence is told of, when the lease is a new one.

    Args:
        listed: the volumes that others take over when this node falls silent.
    """

    def __init__(self, context: NodeContext, listed: Callable[[], list[AutoVolume]]) -> None:
        self._node = context.node
        self._ownership = context.ownership
        self._pool = context.pool
        self._use = context.use
        self._listed = listed

    def stop_taken(self) -> None:
        """Stop what uses volumes that etcd does not say to be this node's, at the epoch it has.

        To be called with the new lease, before the fence hears of it.

        Raises:
            ControlPlaneAway: etcd does not say anything; nothing was stopped.
            PoolError: something does not end.
        """
        listed = {volume.id: volume for volume in self._listed()}
        in_use = self._use.among(listed.keys())
        if not in_use:
            return
        state = self._ownership.state()
        owned = {volume.id for volume in state.volumes.values() if self._is_here(volume)}
        taken = {volume_id: listed[volume_id].name for volume_id in in_use - owned}
        if taken:
            names = ", ".join(f"'{name}'" for name in sorted(taken.values()))
            log.warning("the lease had lapsed, and this node has lost volume %s", names)
            self._use.end_all(taken, lambda _: "is not this node's any more", ENGINE_SECONDS)

    def _is_here(self, volume: Volume) -> bool:
        if volume.owner != self._node:
            return False
        try:
            self._pool.writable_path(volume.claim)
        except (PoolError, StaleEpoch):
            return False
        return True
