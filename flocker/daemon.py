"""The parts of one node's daemon, put together."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Any, cast

from fastapi import FastAPI

from flocker import majority
from flocker.adoption import Adoption
from flocker.api import serve_engine
from flocker.btrfs import BtrfsPool
from flocker.config import Config
from flocker.custody import Custody
from flocker.driver import Driver
from flocker.engine import Engine
from flocker.etcd import EtcdOwnership
from flocker.etcd_care import EtcdCare
from flocker.failover import Failover
from flocker.follower import Follower
from flocker.giving_up import GivingUp
from flocker.guard import Guard
from flocker.handoff import Arrivals, Handoff
from flocker.hidden import Hidden
from flocker.identity import Identity
from flocker.keeper import Keeper
from flocker.lapse import Lapse
from flocker.lease_file import LeaseFile
from flocker.membership import Guarded, Membership
from flocker.metrics import Metrics, health
from flocker.mirror import Mirror
from flocker.mount_counts import MountCounts
from flocker.observed import Observed
from flocker.operations import Operations
from flocker.operator_api import add_operator_routes, add_watching_routes
from flocker.peer import HttpPeers, Parts, serve_peers
from flocker.pool_health import PoolHealth
from flocker.pool_mounts import PoolMounts
from flocker.publisher import Publisher
from flocker.pulse import DISK_SECONDS, Pulse
from flocker.purging import Purging
from flocker.records import Volume
from flocker.refusals import Refusals
from flocker.renewal import Renewal
from flocker.replication import Retention
from flocker.rights import Rights
from flocker.room import shortages
from flocker.standing import Standing
from flocker.strays import Strays
from flocker.tls import Tls
from flocker.told import Told
from flocker.transfer import Transfers
from flocker.troubles import Troubles
from flocker.upkeep import Upkeep
from flocker.upkeep_api import add_peer_upkeep_routes, add_upkeep_routes
from flocker.uptime import uptime
from flocker.verification import Verification
from flocker.verification_api import add_peer_verification_routes, add_verification_routes
from flocker.volume_use import VolumeUse

# Calls that change nothing: a machine that may not join answers them.
ASKED_ONLY = (
    *("engine_started", "unmount", "describe", "describe_all", "status"),
    *("conflicts", "trash", "snapshots", "history", "asides", "strays_here"),
)


@dataclass(frozen=True)
class Daemon:
    """What answers the engine and the operator, what answers other nodes, and whether all else
    is at work."""

    engine_app: FastAPI
    peers_app: FastAPI
    pulse: Pulse
    tls: Tls


def assemble(config: Config, stopping: threading.Event) -> Daemon:
    """Build all parts and start those that work in the background.

    Raises:
        FlockerError: something that is needed cannot be had.
        OSError: a certificate cannot be read.
    """
    node = config.node
    renewal = Renewal(config)
    renewal.look()  # of a node that was off for long, all may have ended
    tls = Tls(config.certificates)
    renewal.start(stopping, tls.reload)
    pool = BtrfsPool(config.pool, lambda volume_id: bool(mounts.mounted([volume_id])))
    mounts = PoolMounts(pool.live)
    membership = Membership(
        EtcdOwnership(config.etcd_endpoints, config.lease_seconds, config.certificates.for_etcd),
        Identity(config.identity),
        authority=renewal.authority_for_etcd(),
        patience_seconds=2 * config.lease_seconds,
    )
    ownership = membership.ownership
    care = EtcdCare(config.etcd_endpoints, config.certificates.for_etcd, config.address)
    mirror = Mirror(ownership, config.pool / "catalog.json")
    mirror.start(stopping)
    refusals = Refusals(config, mirror)
    peers = HttpPeers(node, lambda: dict(mirror.state.nodes), config.peer_port, tls)
    engine = Engine(config.engine_socket, config.runtime)
    counts = MountCounts(config.runtime / "mounts.json")
    use = VolumeUse(node, counts, engine, mounts)
    observed = Observed(config.pool / "observed.json")
    retention = Retention(config.retention_seconds, observed)
    lease_file = LeaseFile(config.runtime)
    root = config.pool.resolve()  # once: the fence must never wait for its disk
    troubles = Troubles()

    def status() -> dict[str, Any]:
        return {
            **operations.status(),
            "etcd": care.size and asdict(care.size),
            "verified": verification.results(),
            "is_fence_watching": guard.is_watched(),
            "is_writable": pool_health.problem() is None,
        }

    def problems() -> list[str]:
        doubt = observed.doubt(mirror.state) if mirror.is_connected else None
        return [
            *([doubt] if doubt else []),
            *membership.problems(),
            *guard.problems(),
            *giving_up.problems(),
            *troubles.all(),
            *publisher.problems(),
            *follower.problems(),
            *shortages(pool.usage()),
            *care.problems(),
            *majority.problems(care.voters, mirror.state),
            *verification.problems(),
            *renewal.problems(),
            *refusals.problems(),
        ]

    metrics = Metrics(status)
    transfers = Transfers(pool, peers, metrics.received_bytes.inc)
    adoption = Adoption(ownership, pool)
    arrivals = Arrivals(
        Handoff(
            node, ownership, peers, transfers, adoption,
            clear=lambda volume: custody.step_back(volume),
            count_move=lambda result: metrics.moves.labels(result).inc(),
        )
    )  # fmt: skip

    guard = Guard(
        node, lease_file, mirror, use.volumes, mounts.mounted,
        live=lambda volume_id: str(root / pool.live(volume_id).relative_to(config.pool)),
    )  # fmt: skip
    lapse = Lapse(node, ownership=ownership, pool=pool, use=use, listed=guard.listed)
    pool_health = PoolHealth(pool.check_writable)
    giving_up = GivingUp(
        node, ownership=ownership, mirror=mirror, use=use, problem=pool_health.problem
    )
    told = Told(engine.volume_options)
    hidden = Hidden(engine.local_volumes, lambda: mirror.state.volumes.keys(), troubles)
    driver = Driver(
        node,
        ownership=ownership,
        mirror=mirror,
        pool=pool,
        peers=peers,
        arrivals=arrivals,
        use=use,
        told=told,
        guard=guard,
        refuse=giving_up.refuse,
        answer_seconds=config.answer_seconds,
    )

    def prune(volume: Volume) -> None:
        pool.prune(volume.id, lambda: retention.numbers(volume, mirror.state))

    custody = Custody(
        node,
        ownership=ownership,
        mirror=mirror,
        pool=pool,
        arrivals=arrivals,
        use=use,
        told=told,
        prune=prune,
        troubles=troubles,
        observed=observed,
        retention_seconds=config.retention_seconds,
    )
    membership.expel = custody.expel
    standing = Standing(node, mirror=mirror, others=peers, refuse=membership.refuse)

    # A machine that may not join leaves what it has as it is.
    own_custody = cast(Custody, Guarded(custody, membership.check_known, ("end_unbacked_uses",)))

    publisher = Publisher(node, ownership=ownership, mirror=mirror, pool=pool, retention=retention)
    follower = Follower(
        node,
        ownership=ownership,
        mirror=mirror,
        pool=pool,
        transfers=transfers,
        retention=retention,
        clear=own_custody.step_back,
    )
    failover = Failover(
        node,
        ownership=ownership,
        mirror=mirror,
        pool=pool,
        transfers=transfers,
        adoption=adoption,
        clear=own_custody.step_back,
        uptime=uptime,
        refuse=giving_up.refuse,
        count_promotion=lambda kind: metrics.promotions.labels(kind).inc(),
    )

    operations = Operations(
        node,
        ownership=ownership,
        mirror=mirror,
        pool=pool,
        driver=driver,
        arrivals=arrivals,
        failover=failover,
        publisher=publisher,
        retention=retention,
        use=use,
        elsewhere=peers,
        paused=engine.paused,
        problems=problems,
        certificates=renewal.expiries,
        retention_seconds=config.retention_seconds,
    )
    strays = Strays(
        node,
        ownership=ownership,
        mirror=mirror,
        pool=pool,
        others=peers,
        use=use,
        troubles=troubles,
    )
    upkeep = Upkeep(
        node,
        ownership=ownership,
        pool=pool,
        custody=custody,
        others=peers,
        strays=strays,
        observed=observed,
    )
    verification = Verification(
        node,
        ownership=ownership,
        mirror=mirror,
        pool=pool,
        retention=retention,
        others=peers,
        file=config.pool / "verified.json",
    )
    purging = Purging(
        node,
        ownership=ownership,
        pool=pool,
        troubles=troubles,
        observed=observed,
        retention_seconds=config.retention_seconds,
    )
    keeper = Keeper(
        config,
        ownership=ownership,
        mirror=mirror,
        pool=pool,
        custody=own_custody,
        lease_file=lease_file,
        stop_taken=lapse.stop_taken,
        tell_fence=guard.refresh,
        resume=engine.resume,
        see_time_pass=lambda: observed.look(mirror.state),
        purge=cast(Purging, Guarded(purging, membership.check_known)).purge_old,
        look_for_strays=cast(Strays, Guarded(strays, membership.check_known)).look,
        problems=problems,
        stuck=follower.stuck,
        last_look=publisher.last_look,
        gives_up=lambda: giving_up.is_done,
    )
    pulse = Pulse()
    keeper.start(stopping, pulse)
    publisher.start(stopping, pulse.expect("publishing", DISK_SECONDS))
    for part in (pool_health, giving_up, care, follower, failover):
        part.start(stopping)
    for watcher in (hidden, verification, refusals, standing):
        watcher.start(stopping)

    own_driver = cast(Driver, Guarded(driver, membership.check, ASKED_ONLY))
    own_operations = cast(Operations, Guarded(operations, membership.check, ASKED_ONLY))
    own_upkeep = cast(Upkeep, Guarded(upkeep, membership.check, ASKED_ONLY))
    engine_app = serve_engine(
        own_driver, lambda call, s: metrics.call_seconds.labels(call).observe(s), node
    )
    add_operator_routes(engine_app, own_operations)
    add_upkeep_routes(engine_app, own_upkeep)
    add_verification_routes(engine_app, verification)
    add_watching_routes(engine_app, "/flocker", lambda: health(status()), metrics.text)
    peers_app = serve_peers(
        Parts(
            own_driver,
            own_custody,
            own_operations,
            pool,
            retention,
            Rights(ownership, lambda: mirror.state),
            metrics.sent_bytes.inc,
        )
    )
    add_peer_upkeep_routes(peers_app, own_upkeep)
    add_peer_verification_routes(peers_app, verification)
    add_watching_routes(peers_app, "", lambda: health(status()), metrics.text)
    return Daemon(engine_app, peers_app, pulse, tls)
