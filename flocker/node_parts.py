"""The parts of one node, put together from the bottom up: the same for the daemon and for tests.

Each part is given those that it works on, all of which are there already. Nothing runs yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from flocker.base.admitted import admitted
from flocker.base.config import Config
from flocker.base.counters import Counters
from flocker.base.records import PoolKind
from flocker.base.troubles import Troubles
from flocker.care.condition import Condition, clock_problems
from flocker.care.purging import Purging
from flocker.care.reconciler import Reconciler
from flocker.care.removed_copies import RemovedCopies
from flocker.care.shared_clients import SharedClients
from flocker.care.shared_leftovers import SharedLeftovers
from flocker.care.strays import Strays
from flocker.care.surplus import Surplus
from flocker.care.verification import Verification
from flocker.engine.typed_options import TypedOptions
from flocker.fence.lapse import Lapse
from flocker.membership.standing import Standing
from flocker.moving.arrivals import Arrivals
from flocker.moving.demotion import Demotion
from flocker.moving.departures import Departures
from flocker.moving.failover import Failover
from flocker.moving.follower import Follower
from flocker.moving.giving_up import GivingUp
from flocker.moving.handoff import Handoff
from flocker.moving.owner_change import OwnerChange
from flocker.moving.publisher import Publisher
from flocker.moving.transfer import Transfers
from flocker.node.clocks import Clocks
from flocker.node.context import NodeContext
from flocker.node.observed import Observed
from flocker.node.pools import STORAGE
from flocker.node.retention import Retention
from flocker.pool.glance import Glance
from flocker.pool.health import PoolHealth
from flocker.ports import OwnReport, Ports
from flocker.volumes.changes import Changes
from flocker.volumes.creation import Creation
from flocker.volumes.descriptions import Descriptions
from flocker.volumes.driver import Driver
from flocker.volumes.maintenance import Maintenance
from flocker.volumes.mounting import Mounting
from flocker.volumes.moves import Moves
from flocker.volumes.operations import Operations
from flocker.volumes.overview import Overview
from flocker.volumes.recovery import Recovery
from flocker.volumes.removal import Removal
from flocker.volumes.snapshots import Snapshots

# They change nothing that the nodes agree about. A machine that may not join answers them: its
# engine must be able to unmount, and to list what there is.
DRIVER_CALLS_THAT_CHANGE_NOTHING = (
    *("engine_started", "unmount", "describe", "describe_all", "status"),
)


@dataclass(frozen=True)
class Safeguards:
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
class SharedCare:
    """The parts that take care of shared volumes, on a node that reaches them."""

    clients: SharedClients
    leftovers: SharedLeftovers


@dataclass(frozen=True)
class Care:
    """The parts that take care of what is here, without being asked."""

    removed_copies: RemovedCopies
    reconciler: Reconciler
    strays: Strays
    purging: Purging
    verification: Verification
    shared: SharedCare | None


@dataclass(frozen=True)
class Services:
    """The parts that answer the engine (`driver`), nodes that move volumes (`requests`), operators.

    An operator's requests are in volumes/requests.py.
    """

    driver: Driver
    departures: Departures
    operations: Operations
    maintenance: Maintenance


@dataclass(frozen=True)
class NodeParts:
    """All parts of one node."""

    context: NodeContext
    counters: Counters
    safeguards: Safeguards
    copies: Copies
    care: Care
    condition: Condition
    services: Services


def build(config: Config, ports: Ports, own: OwnReport, clocks: Clocks) -> NodeParts:
    """Put all parts of a node together."""
    context = _context(config, ports, clocks)
    counters = Counters()
    safeguards = _safeguards(context, ports, clocks)
    copies = _copies(context, ports, safeguards, clocks, counters)
    typed_options = TypedOptions(ports.engine.volume_options)
    care = _care(config, context, ports, safeguards, copies, typed_options)
    glance = Glance()
    condition = Condition(
        [
            partial(clock_problems, context),
            ports.membership.problems,
            ports.fence.problems,
            safeguards.giving_up.problems,
            context.troubles.all,
            copies.publisher.problems,
            copies.follower.problems,
            care.verification.problems,
            *own.problems,
        ],
        usage=lambda: glance.read(context.pool.usage),
        publisher=copies.publisher,
        follower=copies.follower,
        giving_up=safeguards.giving_up,
    )
    creation = Creation(context, ports.peers)
    glances: dict[PoolKind, Glance] = {"btrfs": glance, "shared": Glance(STORAGE)}
    descriptions = Descriptions(context, typed_options, glances)
    overview = Overview(context, descriptions, condition.problems, own.certificates)
    check = ports.membership.check
    removal = Removal(context, ports.peers, typed_options)
    mounting = Mounting(
        context,
        arrivals=copies.arrivals,
        guard=ports.fence,
        refuse=safeguards.giving_up.refuse,
        answer_seconds=config.answer_seconds,
    )
    driver = Driver(
        context.use,
        creation=creation,
        removal=removal,
        mounting=mounting,
        descriptions=descriptions,
    )
    maintenance = Maintenance(
        context, peers=ports.peers, removed_copies=care.removed_copies, strays=care.strays
    )
    services = Services(
        admitted(driver, check, DRIVER_CALLS_THAT_CHANGE_NOTHING),
        admitted(Departures(context, copies.demotion), ports.membership.check_known),
        _operations(context, ports, safeguards, copies, creation, overview),
        admitted(maintenance, check, ("strays_here",)),
    )
    return NodeParts(context, counters, safeguards, copies, care, condition, services)


def _context(config: Config, ports: Ports, clocks: Clocks) -> NodeContext:
    observed = Observed(config.pool / "observed.json", clocks.lived, clocks.wall)
    return NodeContext(
        config.node,
        ports.membership.ownership,
        ports.mirror,
        ports.pools,
        ports.use,
        Retention(config.retention_seconds, observed),
        Troubles(),
    )


def _safeguards(context: NodeContext, ports: Ports, clocks: Clocks) -> Safeguards:
    pool_health = PoolHealth(context.pool.check_writable, clocks.monotonic)
    return Safeguards(
        Standing(context, ports.peers, ports.membership.refuse),
        pool_health,
        GivingUp(context, pool_health.problem),
        Lapse(context, ports.fence.listed),
    )


def _copies(
    context: NodeContext, ports: Ports, safeguards: Safeguards, clocks: Clocks, counters: Counters
) -> Copies:
    transfers = Transfers(context.pool, ports.peers, counters.received_bytes.inc)
    owner_change = OwnerChange(context.ownership, context.pool)
    demotion = Demotion(context)
    # A machine that may not join leaves what it has as it is.
    own_demotion = admitted(demotion, ports.membership.check_known)
    handoff = Handoff(
        context,
        owners=ports.peers,
        transfers=transfers,
        owner_change=owner_change,
        demotion=demotion,
        count_move=lambda result: counters.moves.labels(result).inc(),
    )
    failover = Failover(
        context,
        transfers=transfers,
        owner_change=owner_change,
        demotion=own_demotion,
        refuse=safeguards.giving_up.refuse,
        clocks=clocks,
        count_promotion=lambda kind: counters.promotions.labels(kind).inc(),
    )
    follower = Follower(context, transfers, own_demotion)
    return Copies(transfers, demotion, Arrivals(handoff), failover, Publisher(context), follower)


def _care(
    config: Config, context: NodeContext, ports: Ports, safeguards: Safeguards, copies: Copies,
    typed_options: TypedOptions,
) -> Care:  # fmt: skip
    check_known = ports.membership.check_known
    removed_copies = RemovedCopies(context, copies.demotion, typed_options)
    reconciler = Reconciler(
        context,
        demotion=copies.demotion,
        removed_copies=removed_copies,
        surplus=Surplus(context),
        arrivals=copies.arrivals,
    )
    purging = admitted(Purging(context), check_known)
    return Care(
        removed_copies,
        admitted(reconciler, check_known, ("end_unbacked_uses",)),
        Strays(context, ports.peers, safeguards.giving_up.refuse),
        purging,
        Verification(context, ports.peers, config.pool / "verified.json"),
        _shared_care(context, ports, removed_copies, purging),
    )


def _shared_care(
    context: NodeContext, ports: Ports, removed_copies: RemovedCopies, purging: Purging
) -> SharedCare | None:
    if (remote := context.pools.remote) is None:
        return None
    check_known = ports.membership.check_known
    leftovers = SharedLeftovers(context, remote, removed_copies=removed_copies, purging=purging)
    return SharedCare(
        admitted(SharedClients(context, remote), check_known, ("start",)),
        admitted(leftovers, check_known, ("start",)),
    )


def _operations(
    context: NodeContext, ports: Ports, safeguards: Safeguards, copies: Copies,
    creation: Creation, overview: Overview,
) -> Operations:  # fmt: skip
    check, peers = ports.membership.check, ports.peers
    moves = Moves(context, arrivals=copies.arrivals, failover=copies.failover, peers=peers)
    snapshots = Snapshots(
        context, publisher=copies.publisher, peers=peers, paused=ports.engine.paused
    )
    recovery = Recovery(context, peers, safeguards.giving_up.refuse)
    return Operations(
        overview,
        admitted(moves, check),
        admitted(snapshots, check, ("snapshots",)),
        admitted(recovery, check, ("conflicts", "trash", "asides")),
        admitted(Changes(context, creation, peers), check),
    )
