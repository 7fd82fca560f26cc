"""The borders of a node, as its parts see them: what a test puts twins in the place of.

These are no ports of TCP. docs/architecture.md lists the classes behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from flocker.base.answers import CertificateEnd
from flocker.care.strays import PeerStrays
from flocker.care.verification import PeerDigests
from flocker.consensus.mirror import Mirror
from flocker.engine.volume_use import VolumeUse
from flocker.fence.lease_file import AutoVolume
from flocker.membership.membership import Membership
from flocker.membership.standing import PeerStanding
from flocker.moving.handoff import PeerOwners
from flocker.moving.transfer import PeerSnapshots
from flocker.node.pools import Pools
from flocker.volumes.creation import PeerCreation
from flocker.volumes.maintenance import PeerMaintenance
from flocker.volumes.mounting import FenceCover
from flocker.volumes.recovery import PeerRecovery
from flocker.volumes.removal import PeerRemoval


class Peers(
    PeerCreation,
    PeerRemoval,
    PeerOwners,
    PeerSnapshots,
    PeerRecovery,
    PeerStanding,
    PeerStrays,
    PeerMaintenance,
    PeerDigests,
    Protocol,
):
    """The other nodes, as all parts of this one ask them.

    Each part declares the requests that it sends; api/peer_client.py sends them all.
    """


class NodeEngine(Protocol):
    """This node's engine, besides what VolumeUse asks of it: see engine/users.py."""

    def volume_options(self, volume: str) -> dict[str, str] | None:
        """The options that were typed for a volume."""

    def paused(self, volumes: Collection[str]) -> AbstractContextManager[None]:
        """Pause the containers that use any of the volumes while it is entered."""

    def resume(self) -> None:
        """Have containers go on that were left paused."""


class FenceGuard(FenceCover, Protocol):
    """The daemon's side of this node's fence: fence/guard.py, not the process of fence/fence.py."""

    def listed(self) -> list[AutoVolume]:
        """The volumes that the fence gets to know."""

    def problems(self) -> list[str]:
        """Why volumes with failover=auto are not mounted here."""


@dataclass(frozen=True)
class Ports:
    """The borders of a node: what a test puts twins in the place of."""

    membership: Membership
    mirror: Mirror
    pools: Pools
    use: VolumeUse
    peers: Peers
    engine: NodeEngine
    fence: FenceGuard


@dataclass(frozen=True)
class OwnReport:
    """A machine's report of itself besides its volumes.

    Attributes:
        problems: each lists problems, one sentence each.
        certificates: of this node, and when each ends.
    """

    problems: Sequence[Callable[[], list[str]]] = ()
    certificates: Callable[[], list[CertificateEnd]] = list
