"""The parts of a node that most of its other parts work on."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from flocker.base.errors import ControlPlaneAway
from flocker.base.records import Volume
from flocker.base.troubles import Troubles
from flocker.consensus.mirror import Mirror
from flocker.consensus.ownership import Ownership
from flocker.engine.volume_use import VolumeUse
from flocker.node.pools import Pools
from flocker.node.retention import Retention
from flocker.pool.local_pool import LocalPool

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NodeContext:
    """One node, as its rules see it.

    Attributes:
        node: its name.
        ownership: what is agreed, as this machine may change it.
        mirror: what is agreed, as this node has last heard of it.
        pools: the data that this node reaches, asked by volume.
        use: tells whether anything here uses a volume.
        retention: the snapshots that must stay here, and for how long anything stays.
        troubles: takes what goes wrong with single volumes, which stops no other volume.
    """

    node: str
    ownership: Ownership
    mirror: Mirror
    pools: Pools
    use: VolumeUse
    retention: Retention
    troubles: Troubles

    @property
    def pool(self) -> LocalPool:
        """The data on this node's disk: all that is replicated."""
        return self.pools.local

    def prune(self, volume: Volume) -> None:
        """Delete the snapshots here that nothing can build on any more, as the mirror says."""
        self.pool.prune(volume.id, lambda: self.retention.numbers(volume, self.mirror.state))

    def record(self, volume: Volume, what: str, why: str) -> None:
        """Write something that was done down in the volume's history, if etcd answers."""
        try:
            self.ownership.record(volume.event(self.node, what, why))
        except ControlPlaneAway as error:  # what it tells of is done
            log.warning("'%s' not written to the history of '%s': %s", what, volume.name, error)
