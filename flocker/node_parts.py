"""The parts of one node, put together from the bottom up: the same for the daemon and for tests.

Each part is given those that it works on, all of which are there already. Nothing runs yet.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from flocker.api.metrics import Metrics
from flocker.base.config import Config
from flocker.base.troubles import Troubles
from flocker.care.condition import Condition, clock_problems
from flocker.care.purging import Purging
from flocker.care.reconciler import Reconciler
from flocker.care.removed_copies import RemovedCopies
from flocker.care.strays import PeerStrays, Strays
from flocker.care.surplus import Surplus
from flocker.care.verification import PeerDigests, Verification
from flocker.consensus.mirror import Mirror
from flocker.engine.typed_options import TypedOptions
from flocker.engine.volume_use import VolumeUse
from flocker.fence.lapse import Lapse
from flocker.fence.lease_file import AutoVolume
from flocker.membership.membership import Membership, guarded
from flocker.membership.standing import PeerStanding, Standing
from flocker.moving.demotion import Demotion
from flocker.moving.failover import Failover
from flocker.moving.follower import Follower
from flocker.moving.giving_up import GivingUp
from flocker.moving.handoff import Arrivals, Handoff, PeerOwners
from flocker.moving.peer_requests import PeerRequests
from flocker.moving.publisher import Publisher
from flocker.moving.takeover import Takeover
from flocker.moving.transfer import PeerSnapshots, Transfers
from flocker.node.clocks import Clocks
from flocker.node.context import NodeContext
from flocker.node.observed import Observed
from flocker.node.retention import Retention
from flocker.pool.health import PoolHealth
from flocker.pool.protocol import Pool
from flocker.pool.shortages import shortages
from flocker.volumes.changes import Changes
from flocker.volumes.driver import Driver, Guarding, PeerVolumes
from flocker.volumes.moves import Moves
from flocker.volumes.operations import Operations
from flocker.volumes.overview import Overview
from flocker.volumes.removals import PeerRemovals, Removals
from flocker.volumes.snapshots import Snapshots
from flocker.volumes.upkeep import PeerUpkeep, Upkeep


class Peers(
    PeerVolumes,
    PeerOwners,
    PeerSnapshots,
    PeerRemovals,
    PeerStanding,
    PeerStrays,
    PeerUpkeep,
    PeerDigests,
    Protocol,
):
    """The other nodes, as all parts of this one ask them."""


class Containers(Protocol):
    """This node's engine, besides what VolumeUse asks of it."""

    def volume_options(self, volume: str) -> dict[str, str] | None:
        """The options that were typed for a volume."""

    def paused(self, volumes: Collection[str]) -> AbstractContextManager[None]:
        """Pause the containers that use any of the volumes while it is entered."""

    def resume(self) -> None:
        """Have containers go on that were left paused."""


class Fence(Guarding, Protocol):
    """The daemon's side of this node's fence."""

    def listed(self) -> list[AutoVolume]:
        """The volumes that the fence is told of."""

    def problems(self) -> list[str]:
        """Why volumes with failover=auto are not mounted here."""


@dataclass(frozen=True)
class Ports:
    """The borders of a node: what a test puts twins in the place of."""

    membership: Membership
    mirror: Mirror
    pool: Pool
    use: VolumeUse
    peers: Peers
    engine: Containers
    fence: Fence


@dataclass(frozen=True)
class OwnReport:
    """What a machine tells of itself besides its volumes.

    Attributes:
        problems: each lists problems, one sentence each.
        certificates: of this node, and when each ends.
    """

    problems: Sequence[Callable[[], list[str]]] = ()
    certificates: Callable[[], list[dict[str, str]]] = list


@dataclass(frozen=True)
class Watches:
    """The parts that keep this node from doing what only another one, or nobody, may do."""

    standing: Standing
    pool_health: PoolHealth
    giving_up: GivingUp
    lapse: Lapse


@dataclass(frozen=True)
class Copies:
    """The parts that bring copies to this node, and take them back."""

    transfers: Transfers
    demotion: Demotion
    arrivals: Arrivals
    failover: Failover
    publisher: Publisher
    follower: Follower


@dataclass(frozen=True)
class Chores:
    """The parts that look after what is here."""

    removed_copies: RemovedCopies
    reconciler: Reconciler
    strays: Strays
    purging: Purging
    verification: Verification


@dataclass(frozen=True)
class Services:
    """The parts that answer: the engine, operators and other nodes."""

    driver: Driver
    requests: PeerRequests
    operations: Operations
    upkeep: Upkeep


@dataclass(frozen=True)
class NodeParts:
    """All parts of one node."""

    context: NodeContext
    metrics: Metrics
    watches: Watches
    copies: Copies
    chores: Chores
    condition: Condition
    services: Services


def build(config: Config, ports: Ports, own: OwnReport, clocks: Clocks) -> NodeParts:
    """Put all parts of a node together."""
    context = _context(config, ports, clocks)
    metrics = Metrics()
    watches = _watches(context, ports, clocks)
    copies = _copies(context, ports, watches, clocks, metrics)
    typed_options = TypedOptions(ports.engine.volume_options)
    chores = _chores(config, context, ports, copies, typed_options)
    condition = Condition(
        [
            partial(clock_problems, context),
            ports.membership.problems,
            ports.fence.problems,
            watches.giving_up.problems,
            context.troubles.all,
            copies.publisher.problems,
            copies.follower.problems,
            lambda: shortages(ports.pool.usage()),
            chores.verification.problems,
            *own.problems,
        ],
        publisher=copies.publisher,
        follower=copies.follower,
        giving_up=watches.giving_up,
    )
    driver = Driver(
        context,
        peers=ports.peers,
        arrivals=copies.arrivals,
        typed_options=typed_options,
        guard=ports.fence,
        refuse=watches.giving_up.refuse,
        answer_seconds=config.answer_seconds,
    )
    overview = Overview(context, driver, condition.problems, own.certificates)
    services = _services(context, ports, copies, chores, driver, overview)
    return NodeParts(context, metrics, watches, copies, chores, condition, services)


def _context(config: Config, ports: Ports, clocks: Clocks) -> NodeContext:
    observed = Observed(config.pool / "observed.json", clocks.lived, clocks.wall)
    return NodeContext(
        config.node,
        ports.membership.ownership,
        ports.mirror,
        ports.pool,
        ports.use,
        Retention(config.retention_seconds, observed),
        Troubles(),
    )


def _watches(context: NodeContext, ports: Ports, clocks: Clocks) -> Watches:
    pool_health = PoolHealth(ports.pool.check_writable, clocks.monotonic)
    return Watches(
        Standing(context, ports.peers, ports.membership.refuse),
        pool_health,
        GivingUp(context, pool_health.problem),
        Lapse(context, ports.fence.listed),
    )


def _copies(
    context: NodeContext, ports: Ports, watches: Watches, clocks: Clocks, metrics: Metrics
) -> Copies:
    transfers = Transfers(ports.pool, ports.peers, metrics.received_bytes.inc)
    takeover = Takeover(context.ownership, context.pool)
    demotion = Demotion(context)
    # A machine that may not join leaves what it has as it is.
    own_demotion = guarded(demotion, ports.membership.check_known)
    handoff = Handoff(
        context,
        owners=ports.peers,
        transfers=transfers,
        takeover=takeover,
        demotion=demotion,
        count_move=lambda result: metrics.moves.labels(result).inc(),
    )
    failover = Failover(
        context,
        transfers=transfers,
        takeover=takeover,
        demotion=own_demotion,
        refuse=watches.giving_up.refuse,
        clocks=clocks,
        count_promotion=lambda kind: metrics.promotions.labels(kind).inc(),
    )
    follower = Follower(context, transfers, own_demotion)
    return Copies(transfers, demotion, Arrivals(handoff), failover, Publisher(context), follower)


def _chores(
    config: Config, context: NodeContext, ports: Ports, copies: Copies, typed_options: TypedOptions
) -> Chores:
    check_known = ports.membership.check_known
    removed_copies = RemovedCopies(context, copies.demotion, typed_options)
    reconciler = Reconciler(
        context,
        demotion=copies.demotion,
        removed_copies=removed_copies,
        surplus=Surplus(context),
        arrivals=copies.arrivals,
    )
    return Chores(
        removed_copies,
        guarded(reconciler, check_known, ("end_unbacked_uses",)),
        Strays(context, ports.peers),
        guarded(Purging(context), check_known),
        Verification(context, ports.peers, config.pool / "verified.json"),
    )


def _services(
    context: NodeContext,
    ports: Ports,
    copies: Copies,
    chores: Chores,
    driver: Driver,
    overview: Overview,
) -> Services:
    check, check_known = ports.membership.check, ports.membership.check_known
    peers = ports.peers
    # Calls that change nothing are free: a machine that may not join answers them.
    operations = Operations(
        overview,
        guarded(
            Moves(context, arrivals=copies.arrivals, failover=copies.failover, peers=peers), check
        ),
        guarded(
            Snapshots(context, publisher=copies.publisher, peers=peers, paused=ports.engine.paused),
            check,
            ("snapshots",),
        ),
        guarded(Removals(context, peers), check, ("conflicts", "trash", "asides")),
        guarded(Changes(context, driver, peers), check),
    )
    upkeep = Upkeep(
        context, peers=peers, removed_copies=chores.removed_copies, strays=chores.strays
    )
    return Services(
        guarded(driver, check, ("engine_started", "unmount", "describe", "describe_all", "status")),
        guarded(PeerRequests(context, copies.demotion), check_known),
        operations,
        guarded(upkeep, check, ("strays_here",)),
    )
