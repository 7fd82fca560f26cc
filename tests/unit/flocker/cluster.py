"""A cluster in memory; longer than 300 lines because a machine and its cluster need each other.

It is the real driver and all that belongs to it, on the twins of pool and etcd. Nothing runs in the
background: a test says when a node publishes, follows, tidies or notices a lost owner, so that
every order of events can be made to happen.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, cast

from flocker.api.rights import Rights
from flocker.base.config import Certificates, Config
from flocker.base.errors import ControlPlaneAway
from flocker.base.records import ClusterState, Node, Volume
from flocker.consensus.mirror import Mirror
from flocker.consensus.ownership import Ownership
from flocker.engine.mount_counts import MountCounts
from flocker.engine.volume_use import VolumeUse
from flocker.membership.expulsion import Expulsion
from flocker.membership.identity import Identity
from flocker.membership.membership import Membership
from flocker.moving.replica_choice import complete_until
from flocker.node.client_records import ClientRecords
from flocker.node.clocks import Clocks
from flocker.node.pools import Pools
from flocker.node_parts import build
from flocker.pool.health import FAILURES
from flocker.pool.local_pool import LocalPool
from flocker.pool.references import Names
from flocker.pool.remote_pool import RecordedSessions, RemotePool
from flocker.ports import OwnReport, Ports
from tests.twins.memory_etcd import Stored
from tests.twins.memory_ownership import MemoryOwnership
from tests.twins.memory_pool import MemoryPool
from tests.unit.flocker.borders import Containers, Etcd, WatchfulGuard
from tests.unit.flocker.direct_peers import DirectPeers

ANSWER_SECONDS = 30  # what is 90 s on a node
RETENTION_SECONDS = 3600
PATIENCE_SECONDS = 30  # of a new machine with the lease of the one it replaces

Reach = Callable[[Names, RecordedSessions, Callable[[str], bool]], RemotePool]


class Machine:
    """One node: everything below its API. `start` takes what a test puts in place of a part.

    Args:
        hardware: what a machine with a copy of its disk does not have.
    """

    def __init__(
        self, name: str, cluster: MemoryCluster, folder: Path, hardware: str = "a board"
    ) -> None:
        self.name = name
        self.is_up = True
        self.clock = 0.0  # seconds since its kernel was booted
        self.lived = 0.0  # seconds that a test has let pass on it, for the retentions
        self.uptime = 1e6  # seconds since it was started, for the failover
        self.containers = Containers()
        self.cluster = cluster
        self.hardware = hardware
        self.etcd = Etcd(cluster.ownership)
        self.folder = folder
        self.pool: LocalPool = self.new_pool()
        self.remote = self._reach(cluster.reach) if cluster.reach else None
        self.peers: Any = DirectPeers(cluster, name)
        self.answer_seconds: float = ANSWER_SECONDS
        self.start()

    @property
    def config(self) -> Config:
        return Config(
            self.name,
            "127.0.0.1",
            [],
            Certificates.within(self.folder),
            pool=self.folder,
            runtime=self.folder,
            answer_seconds=self.answer_seconds,
            retention_seconds=RETENTION_SECONDS,
        )

    def start(self) -> None:
        """Start the daemon, or start it again after it was killed."""
        clock_of_etcd = self.cluster.ownership.ahead
        clocks = Clocks(
            monotonic=lambda: self.clock,
            lived=lambda: monotonic() + self.lived,
            wall=lambda: time.time() + clock_of_etcd[self.name],
            uptime=lambda: self.uptime,
        )
        self.parts = parts = build(self.config, self._ports(), OwnReport(), clocks)
        self.rights = Rights(self.cluster.ownership, self.cluster.ownership.state)
        self.context = context = parts.context
        self.ownership = context.ownership
        self.troubles, self.retention = context.troubles, context.retention
        self.observed = context.retention.observed
        safeguards, copies, care = parts.safeguards, parts.copies, parts.care
        self.standing, self.lapse = safeguards.standing, safeguards.lapse
        self.pool_health, self.giving_up = safeguards.pool_health, safeguards.giving_up
        self.transfers, self.demotion = copies.transfers, copies.demotion
        self.arrivals, self.failover = copies.arrivals, copies.failover
        self.publisher, self.follower = copies.publisher, copies.follower
        self.removed_copies, self.reconciler = care.removed_copies, care.reconciler
        self.strays, self.purging = care.strays, care.purging
        self.verification = care.verification
        self.shared = care.shared
        self.driver, self.departures = parts.services.driver, parts.services.departures
        self.operations, self.maintenance = parts.services.operations, parts.services.maintenance
        with suppress(ControlPlaneAway):  # it goes on trying
            self.announce()

    def _ports(self) -> Ports:
        etcd = cast(Ownership, self.etcd)
        self.mirror = Mirror(etcd, self.folder / "catalog.json")
        counts = MountCounts(self.folder / "mounts.json", lambda: self.clock)
        self.use = VolumeUse(self.name, counts, self.containers, self.containers)
        self.expulsion = Expulsion(self.name, self.mirror, self.pool, self.use)
        self.membership = Membership(
            etcd,
            Identity(self.folder / "machine.json", lambda: self.hardware),
            self.expulsion.expel,
            patience_seconds=PATIENCE_SECONDS,
            join_seconds=0,
            clock=lambda: self.clock,
        )
        self.guard = WatchfulGuard(self.use, self.cluster.ownership.state)
        return Ports(
            self.membership,
            self.mirror,
            Pools(self.name, self.pool, self.membership.ownership, self.remote),
            self.use,
            self.peers,
            self.containers,
            self.guard,
        )

    def _reach(self, reach: Reach) -> RemotePool:
        records = ClientRecords(self.name, cast(Ownership, self.etcd), lambda: self.state)
        return reach(self._names(), records, lambda id_: id_ in self.containers.mounts)

    def new_pool(self) -> MemoryPool:
        """An empty disk."""
        return MemoryPool(
            self.folder / "pool", lambda id_: id_ in self.containers.mounts, names=self._names()
        )

    def _names(self) -> Names:
        return Names(self.name, lambda id_: self.mirror.name_of(id_))

    def live(self, seconds: float) -> None:
        """Let time pass on this node, whose daemon looks every half minute."""
        until = self.lived + seconds
        while self.lived < until:
            self.lived += 30
            self.cluster.ownership.ahead[self.name] += 30
            self.observed.look(self.state)
        self.announce()

    def announce(self) -> None:
        if self.giving_up.is_silent:
            return
        node = Node(
            *(self.name, "127.0.0.1", "0", 0, 1, 1),
            stuck=self.follower.stuck(),
            gives_up=self.giving_up.is_done,
            reaches_shared=self.remote is not None,
        )
        if self.ownership.announce(node, self.publisher.last_look()):
            self.lapse.stop_taken()

    def look_at_pool(self) -> None:
        """What the node does every few seconds, until it has decided about its pool."""
        for _ in range(FAILURES):
            self.pool_health.look()
        self.giving_up.look()
        self.announce()

    def run(self, volume: str, container: str = "writer") -> Path:
        """Start a container with the volume: mount, and the kernel sees it."""
        mountpoint = self.driver.mount(volume, container)
        self.containers.running.setdefault(volume, []).append(container)
        self.containers.mounts.add(self.state.volumes[volume].id)
        return mountpoint

    def stop(self, volume: str, container: str = "writer") -> None:
        """Stop that container: the kernel sees it go, and the engine unmounts."""
        self.containers.running[volume].remove(container)
        if not self.containers.running[volume]:
            self.containers.mounts.discard(self.state.volumes[volume].id)
        self.driver.unmount(volume, container)

    def write(self, volume: str, text: str, mount_id: str = "writer") -> None:
        """What `docker run -v volume:/data … echo text > /data/file` does."""
        mountpoint = self.driver.mount(volume, mount_id)
        (mountpoint / "file").write_text(text)
        self.driver.unmount(volume, mount_id)

    def read(self, volume: str, mount_id: str = "reader") -> str:
        mountpoint = self.driver.mount(volume, mount_id)
        text = (mountpoint / "file").read_text()
        self.driver.unmount(volume, mount_id)
        return text

    def publish(self) -> None:
        """What the publisher does every second."""
        self.publisher.publish_changes()

    def follow(self) -> None:
        """What the follower does whenever the cluster's state changes; until it is done."""
        state = self.state
        lacking = [each for each in state.volumes.values() if self.follower.lacks(each, state)]
        for owner in sorted({volume.owner for volume in lacking}):
            of_owner = [volume for volume in lacking if volume.owner == owner]
            for volume in self.follower.follow_many(owner, of_owner, state):
                self.follower.follow(volume, state)

    @property
    def state(self) -> ClusterState:
        return self.cluster.state


class MemoryCluster:
    """Machines that share one table of owners.

    Attributes:
        reach: gives a node its way to a storage that all of them reach, if there is one.
    """

    def __init__(
        self,
        folder: Path,
        names: tuple[str, ...] = ("node1", "node2", "node3"),
        reach: Reach | None = None,
    ) -> None:
        self.ownership = MemoryOwnership()
        self.reach = reach
        self.machines: dict[str, Machine] = {}
        for name in names:
            (folder / name).mkdir()
            self.machines[name] = Machine(name, self, folder / name)

    def __getitem__(self, name: str) -> Machine:
        return self.machines[name]

    @property
    def state(self) -> ClusterState:
        return self.ownership.state()

    def volume(self, name: str) -> Volume:
        """The record of a volume that is there."""
        return self.state.volumes[name]

    def complete_until(self, name: str, node: str) -> str:
        """Up to when the copy on a node holds all that the owner wrote."""
        volume = self.volume(name)
        return complete_until(volume, self.state.copies_of(volume)[node], self.state)

    def replicate(self) -> None:
        """Let every replica catch up."""
        for machine in self.machines.values():
            if machine.is_up:
                machine.publish()
        for machine in self.machines.values():
            if machine.is_up:
                machine.follow()

    def lose(self, name: str) -> None:
        """Cut a node's power, and let its lease run out."""
        self[name].is_up = False
        self[name].containers.running.clear()
        self[name].containers.mounts.clear()
        self.ownership.expire(name)

    def bring_back(self, name: str) -> None:
        """Start a lost node again: nothing of /run survived."""
        machine = self[name]
        (machine.folder / "mounts.json").unlink(missing_ok=True)
        machine.is_up = True
        machine.start()
        machine.reconciler.catch_up()

    def go_back(self, backup: dict[str, Stored]) -> None:
        """Restore a backup of etcd, in which all nodes then announce themselves."""
        self.ownership.etcd.restore(backup)
        for machine in self.machines.values():
            machine.announce()

    def live(self, seconds: float) -> None:
        """Let time pass on all nodes that are up."""
        for machine in self.machines.values():
            if machine.is_up:
                machine.live(seconds)
            else:
                self.ownership.ahead[machine.name] += seconds

    def replace(self, name: str) -> None:
        """Start a new machine under a lost node's name: nothing of its disk is left."""
        machine = self[name]
        shutil.rmtree(machine.folder)
        machine.folder.mkdir()
        machine.pool = machine.new_pool()
        self.bring_back(name)
