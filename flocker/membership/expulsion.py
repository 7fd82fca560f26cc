"""Stop everything on a machine that may not be the node it is named after."""

from __future__ import annotations

from flocker.consensus.mirror import Mirror
from flocker.engine.volume_use import VolumeUse
from flocker.pool.protocol import Pool


class Expulsion:
    """Everything that uses a volume on one machine."""

    def __init__(self, node: str, mirror: Mirror, pool: Pool, use: VolumeUse) -> None:
        self._node = node
        self._mirror = mirror
        self._pool = pool
        self._use = use

    def expel(self) -> None:
        """Stop whatever uses a volume on this machine, which may not be the node of its name.

        Volumes with failover=manual too: another machine may write to them in this node's name.
        """
        state = self._mirror.state
        names = {volume_id: volume_id for volume_id in self._pool.volume_ids()}
        names |= {volume_id: each.volume.name for volume_id, each in state.removed.items()}
        names |= {volume.id: volume.name for volume in state.volumes.values()}
        self._use.end_all(
            names, lambda _: f"may not be used: this machine is not {self._node} any more"
        )
