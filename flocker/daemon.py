"""One node's daemon: its borders, its parts at work, and the two applications that it serves."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

from fastapi import FastAPI

from flocker.api.maintenance_api import add_maintenance_routes, add_peer_maintenance_routes
from flocker.api.operator_api import add_operator_routes, add_watching_routes
from flocker.api.peer_api import Parts, serve_peers
from flocker.api.peer_client import HttpPeers
from flocker.api.peer_connections import PeerConnections
from flocker.api.plugin import serve_engine
from flocker.api.rights import Rights
from flocker.api.verification_api import add_peer_verification_routes, add_verification_routes
from flocker.api.watching import Watching
from flocker.base.admitted import admitted
from flocker.base.config import Config
from flocker.base.errors import BadRequest
from flocker.base.pulse import Pulse
from flocker.care.announcer import Announcer
from flocker.care.housekeeper import Housekeeper
from flocker.certificates.renewal import Renewal
from flocker.certificates.tls import Tls
from flocker.consensus import majority
from flocker.consensus.etcd import EtcdOwnership
from flocker.consensus.etcd_quota import EtcdQuota
from flocker.consensus.mirror import Mirror
from flocker.engine.client import Engine
from flocker.engine.hidden import Hidden
from flocker.engine.mount_counts import MountCounts
from flocker.engine.pool_mounts import PoolMounts
from flocker.engine.volume_use import VolumeUse
from flocker.fence.guard import Guard
from flocker.fence.lease_file import LeaseFile
from flocker.membership.expulsion import Expulsion
from flocker.membership.identity import Identity
from flocker.membership.membership import Membership
from flocker.membership.refusals import Refusals
from flocker.node.client_records import ClientRecords
from flocker.node.clocks import Clocks
from flocker.node.pools import Pools
from flocker.node_parts import NodeParts, build
from flocker.pool.btrfs_pool import BtrfsPool
from flocker.pool.in_time import in_time
from flocker.pool.references import Names
from flocker.pool.remote_pool import RemotePool
from flocker.pool.volume_folder import live_of
from flocker.ports import OwnReport, Ports

_NO_CEPH = (
    "FLOCKER_CEPH_FILESYSTEM is set, and this machine lacks Ceph's programs: "
    "type `apt-get install ceph-fuse python3-rados`"
)


@dataclass(frozen=True)
class Daemon:
    """The apps that answer the engine and the operator, and other nodes.

    The pulse tells whether all else is at work.
    """

    engine_app: FastAPI
    peers_app: FastAPI
    pulse: Pulse
    tls: Tls


@dataclass(frozen=True)
class Machine:
    """A node's parts on a real machine: its engine, its fence and its report of itself."""

    engine: Engine
    fence: Guard
    lease_file: LeaseFile
    etcd_quota: EtcdQuota
    renewal: Renewal
    refusals: Refusals
    mirror: Mirror


def assemble(config: Config, stopping: threading.Event) -> Daemon:
    """Build all parts and start those that work in the background.

    Raises:
        FlockerError: something that is needed cannot be had.
        OSError: a certificate cannot be read.
    """
    renewal = Renewal(config)
    renewal.look()  # of a node that was off for long, all may have ended
    tls = Tls(config.certificates)
    renewal.start(stopping, tls.reload)
    machine, ports = _borders(config, renewal, tls)
    machine.mirror.start(stopping)
    parts = build(config, ports, _own_report(machine), Clocks())
    health = parts.safeguards.pool_health
    pulse = Pulse(is_disk_at_fault=lambda: health.problem() is not None)
    start_parts(config, machine, ports, parts, stopping, pulse)
    watching = Watching(
        parts.services.operations.overview,
        etcd_quota=machine.etcd_quota,
        verification=parts.care.verification,
        guard=machine.fence,
        pool_health=health,
        counters=parts.counters,
    )
    return Daemon(_engine_app(parts, watching), _peers_app(ports, parts, watching), pulse, tls)


def _borders(config: Config, renewal: Renewal, tls: Tls) -> tuple[Machine, Ports]:
    clients = config.runtime.resolve() / "shared"
    root = config.pool.resolve()  # once: who stops users of the pool must never wait for its disk
    mounts = PoolMounts(partial(live_of, root), clients)
    etcd = EtcdOwnership(config.etcd_endpoints, config.lease_seconds, config.certificates.for_etcd)
    mirror = Mirror(etcd, config.pool / "catalog.json")
    names = Names(config.node, mirror.name_of)
    pool = BtrfsPool(config.pool, mounts.is_mounted, names)
    engine = Engine(config.engine_socket, config.runtime)
    counts = MountCounts(config.runtime / "mounts.json")
    use = VolumeUse(config.node, counts, engine, mounts)
    membership = Membership(
        etcd,
        Identity(config.identity),
        Expulsion(config.node, mirror, pool, use).expel,
        authority=renewal.authority_for_etcd(),
        patience_seconds=2 * config.lease_seconds,
    )
    peers = HttpPeers(
        PeerConnections(config.node, lambda: dict(mirror.state.nodes), config.peer_port, tls)
    )
    lease_file = LeaseFile(config.runtime)
    fence = Guard(
        config.node, lease_file, mirror, use.volumes, mounts.mounted,
        live=lambda volume_id: str(live_of(root, volume_id)),
    )  # fmt: skip
    etcd_quota = EtcdQuota(config.etcd_endpoints, config.certificates.for_etcd, config.address)
    refusals = Refusals(config, mirror)
    machine = Machine(engine, fence, lease_file, etcd_quota, renewal, refusals, mirror)
    records = ClientRecords(config.node, membership.ownership, lambda: mirror.state)
    shared = shared_pool(config, clients, records, mounts, names)
    remote = in_time(shared) if shared else None
    pools = Pools(config.node, pool, membership.ownership, remote)
    return machine, Ports(membership, mirror, pools, use, peers, engine, fence)


def shared_pool(
    config: Config, clients: Path, records: ClientRecords, mounts: PoolMounts, names: Names
) -> RemotePool | None:
    """The pool on a Ceph, whose programs are needed only where one is configured.

    Raises:
        BadRequest: they are not there.
    """
    if config.ceph is None:
        return None
    try:
        storage = import_module("flocker.shared_storage")
    except ModuleNotFoundError as error:
        raise BadRequest(_NO_CEPH) from error
    if shutil.which("ceph-fuse") is None:
        raise BadRequest(_NO_CEPH)
    pool: RemotePool = storage.reach(config.ceph, clients, records, mounts.is_mounted, names)
    return pool


def _own_report(machine: Machine) -> OwnReport:
    return OwnReport(
        [
            machine.etcd_quota.problems,
            lambda: majority.problems(machine.etcd_quota.voters, machine.mirror.state),
            machine.renewal.problems,
            machine.refusals.problems,
        ],
        machine.renewal.expiries,
    )


def start_parts(
    config: Config,
    machine: Machine,
    ports: Ports,
    parts: NodeParts,
    stopping: threading.Event,
    pulse: Pulse,
) -> None:
    """Have all parts work in the background until `stopping` is set."""
    housekeeper = Housekeeper(
        parts.context,
        engine=machine.engine,
        reconciler=parts.care.reconciler,
        purging=parts.care.purging,
        strays=admitted(parts.care.strays, ports.membership.check_known),
        pause_seconds=config.lease_seconds / 3,
    )
    announcer = Announcer(
        config,
        parts.context,
        parts.condition,
        fence=machine.fence,
        lease_file=machine.lease_file,
        lapse=parts.safeguards.lapse,
        on_joined=housekeeper.catch_up_again,
    )
    announcer.start(stopping, pulse)
    housekeeper.start(stopping, pulse)
    parts.copies.publisher.start(stopping, pulse.expect_at_disk("publishing"))
    hidden = Hidden(
        machine.engine.local_volumes,
        lambda: machine.mirror.state.volumes.keys(),
        parts.context.troubles,
    )
    safeguards, copies = parts.safeguards, parts.copies
    for part in (
        *(safeguards.pool_health, safeguards.giving_up, machine.etcd_quota),
        *(copies.follower, copies.failover, hidden),
        *(parts.care.verification, machine.refusals, safeguards.standing),
    ):
        part.start(stopping)
    if (shared := parts.care.shared) is not None:
        shared.clients.start(stopping)
        shared.leftovers.start(stopping)


def _engine_app(parts: NodeParts, watching: Watching) -> FastAPI:
    services, counters = parts.services, parts.counters
    app = serve_engine(
        services.driver,
        lambda call, seconds: counters.call_seconds.labels(call).observe(seconds),
        parts.context.node,
    )
    add_operator_routes(app, services.operations)
    add_maintenance_routes(app, services.maintenance)
    add_verification_routes(app, parts.care.verification)
    add_watching_routes(app, "/flocker", watching.health, watching.metrics)
    return app


def _peers_app(ports: Ports, parts: NodeParts, watching: Watching) -> FastAPI:
    services, mirror = parts.services, ports.mirror
    app = serve_peers(
        Parts(
            parts.context,
            services.driver,
            services.departures,
            admitted(parts.care.removed_copies, ports.membership.check_known),
            services.operations,
            Rights(parts.context.ownership, lambda: mirror.state),
            parts.counters.sent_bytes.inc,
        )
    )
    add_peer_maintenance_routes(app, services.maintenance)
    add_peer_verification_routes(app, parts.care.verification)
    add_watching_routes(app, "", watching.health, watching.metrics)
    return app
