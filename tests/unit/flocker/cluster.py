"""A cluster in memory: the real driver and all that belongs to it on the twins of pool and etcd.

Nothing runs in the background: a test says when a node publishes, follows, tidies or notices
a lost owner, so that every order of events can be made to happen.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Any, cast

from flocker.api.rights import Rights
from flocker.base.config import Certificates, Config
from flocker.base.errors import ControlPlaneAway, FlockerError, OwnerAway, Refused, TransferFailed
from flocker.base.records import ClusterState, Move, Node, Removed, Snapshot, Volume
from flocker.consensus.mirror import Mirror
from flocker.consensus.ownership import Ownership
from flocker.engine.client import EngineUse, Stopped
from flocker.engine.mount_counts import MountCounts
from flocker.engine.volume_use import VolumeUse
from flocker.fence.lease_file import AutoVolume
from flocker.membership.expulsion import Expulsion
from flocker.membership.identity import Identity
from flocker.membership.membership import Membership
from flocker.moving.increments import Increment, Increments, Wanted, decode, encode
from flocker.moving.replica_choice import complete_until
from flocker.node.clocks import Clocks
from flocker.node_parts import build
from flocker.pool.digest import Digest
from flocker.pool.health import FAILURES
from flocker.pool.local_pool import LocalPool
from flocker.pool.protocol import Aside
from flocker.ports import OwnReport, Ports
from flocker.volumes.requests import Forwarded
from tests.twins.memory_etcd import Stored
from tests.twins.memory_ownership import MemoryOwnership
from tests.twins.memory_pool import MemoryPool

ANSWER_SECONDS = 30  # what is 90 s on a node
RETENTION_SECONDS = 3600
PATIENCE_SECONDS = 30  # of a new machine with the lease of the one it replaces


class Containers:
    """The engine and the kernel of a machine: which containers run, and which of them are seen."""

    def __init__(self) -> None:
        self.running: dict[str, list[str]] = {}  # volume -> containers
        self.exited: dict[str, list[str]] = {}  # volume -> containers that are there, and stopped
        self.mounts: set[str] = set()  # volume ids
        self.other_use = EngineUse.STOPPED  # of a volume that no running container has
        self.stopped: list[str] = []
        self.killed: list[str] = []  # volume ids whose users were ended by force
        self.frozen: list[str] = []  # volumes whose containers stand still now
        self.options: dict[str, dict[str, str]] = {}
        self.on_stop: Callable[[str], None] = lambda _: None  # the engine unmounts

    def volume_options(self, volume: str) -> dict[str, str] | None:
        return self.options.get(volume)

    @contextmanager
    def paused(self, volumes: Collection[str]) -> Iterator[None]:
        self.frozen = sorted(volumes)
        yield
        self.frozen = []

    def resume(self) -> None:
        """Nothing is ever left paused."""

    def containers_using(self, volume: str) -> list[str]:
        return self.running.get(volume, [])

    def containers_with(self, volume: str) -> list[str]:
        return sorted(self.running.get(volume, []) + self.exited.get(volume, []))

    def stop_using(self, volumes: Collection[str], within: float) -> Iterator[Stopped]:
        assert within > 0
        for volume in volumes:
            stopped = self.running.pop(volume, [])
            self.stopped += stopped
            self.on_stop(volume)
            yield from (Stopped(container, frozenset([volume])) for container in stopped)

    def uses_of(self, volumes: Collection[str]) -> dict[str, EngineUse]:
        return {each: self._use_of(each) for each in volumes}

    def _use_of(self, volume: str) -> EngineUse:
        return EngineUse.BUSY if self.running.get(volume) else self.other_use

    def mounted(self, volume_ids: Collection[str]) -> set[str]:
        return self.mounts & set(volume_ids)

    def kill_users(self, volume_ids: Collection[str]) -> None:
        self.killed += volume_ids
        self.mounts -= set(volume_ids)


class Etcd:
    """A node's way to what is agreed about, which a test can cut and listen to.

    Attributes:
        is_away: no call gets through.
        away_for: calls that do not get through.
        unheard: calls that get through, and whose answers are lost.
        before, after: what happens once, just before or after the next call of that name.
        calls: the names of those that got through, `state` left out: the mirror asks for it
            all the time.
    """

    def __init__(self, shared: MemoryOwnership) -> None:
        self._shared = shared
        self.is_away = False
        self.away_for: set[str] = set()
        self.unheard: set[str] = set()
        self.before: dict[str, Callable[[], object]] = {}
        self.after: dict[str, Callable[[], object]] = {}
        self.calls: list[str] = []

    def __getattr__(self, call: str) -> Callable[..., Any]:
        reach = getattr(self._shared, call)

        @wraps(reach)
        def through(*arguments: Any, **named: Any) -> Any:
            if self.is_away or call in self.away_for:
                raise ControlPlaneAway("etcd does not answer")
            if happens := self.before.pop(call, None):
                happens()
            if call != "state":
                self.calls.append(call)
            answer = reach(*arguments, **named)
            if happens := self.after.pop(call, None):
                happens()
            if call in self.unheard:
                raise ControlPlaneAway("etcd does not answer")
            return answer

        return through


class WatchfulGuard:
    """A fence that hears of everything at once, or refuses.

    Attributes:
        covered: names of the volumes that it was told of before they were used.
        used: ids of what was used each time that uses had ended.
    """

    def __init__(self, use: VolumeUse, state: Callable[[], ClusterState]) -> None:
        self._use = use
        self._state = state
        self.covered: list[str] = []
        self.used: list[set[str]] = []
        self.refusal: Refused | None = None

    @contextmanager
    def covering(self, volume: Volume, within: float) -> Iterator[None]:
        assert within > 0
        if self.refusal:
            raise self.refusal
        self.covered.append(volume.name)
        yield

    def refresh(self) -> None:
        self.used.append(self._use.volumes())

    def listed(self) -> list[AutoVolume]:
        """Tell of all auto volumes: uses go on whoever owns the volume by now."""
        known = [each for each in self._state().volumes.values() if each.failover == "auto"]
        return [AutoVolume(volume.name, volume.id, "") for volume in known]

    def problems(self) -> list[str]:
        return []


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
        self.ownership = self.membership.ownership
        self.rights = Rights(self.cluster.ownership, self.cluster.ownership.state)
        self.context = context = parts.context
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
            self.pool,
            self.use,
            self.peers,
            self.containers,
            self.guard,
        )

    def new_pool(self) -> MemoryPool:
        """An empty disk."""
        return MemoryPool(self.folder / "pool", lambda id_: id_ in self.containers.mounts)

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
        stuck = self.follower.stuck()
        gives_up = self.giving_up.is_done
        node = Node(self.name, "127.0.0.1", "0", 0, 1, 1, stuck=stuck, gives_up=gives_up)
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
    """Machines that share one table of owners."""

    def __init__(self, folder: Path, names: tuple[str, ...] = ("node1", "node2", "node3")) -> None:
        self.ownership = MemoryOwnership()
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


class DirectPeers:
    """Peers that are called instead of asked over the network, and refuse the same.

    Args:
        node: who asks them.
    """

    def __init__(self, cluster: MemoryCluster, node: str) -> None:
        self._cluster = cluster
        self._node = node

    def _at(self, node: str, volume: str) -> Machine:
        machine = self._cluster[node]
        if not machine.is_up:
            raise OwnerAway(volume, node, "connection refused")
        return machine

    def _read(self, node: str, volume_id: str) -> Machine:
        machine = self._at(node, volume_id)
        machine.rights.check_reader(volume_id, self._node)
        return machine

    def retired_at(self, node: str) -> str | None:
        return self._at(node, "").rights.retired_at(self._node)

    def check_unused(self, volume: Volume) -> None:
        self._at(volume.owner, volume.name).departures.check_unused(volume.name)

    def prepare(self, volume: Volume) -> Snapshot:
        owner = self._at(volume.owner, volume.name)
        owner.rights.check_target(volume.name, self._node)
        return owner.departures.prepare(volume.name)

    def release(self, volume: Volume, move: Move) -> Snapshot:
        owner = self._at(volume.owner, volume.name)
        owner.rights.check_target(volume.name, self._node)
        return owner.departures.release(volume.name, volume.epoch, move.token)

    def put_away(self, volume: Volume, source: str) -> None:
        if self._cluster[source].is_up:
            with suppress(FlockerError):  # it looks for itself
                self._cluster[source].rights.check_owner(volume.name, self._node)
                self._cluster[source].departures.put_away(volume.name)

    def create(self, node: str, name: str, options: dict[str, str]) -> None:
        self._at(node, name).driver.create(name, options)

    def remove(self, volume: Volume) -> None:
        self._at(volume.owner, volume.name).driver.remove_for_peer(volume.name)

    def discard(self, volume: Volume) -> None:
        for machine in self._cluster.machines.values():
            if machine.is_up and machine.name != volume.owner:
                with suppress(FlockerError):  # nobody waits for the answer
                    machine.rights.check_remover(volume.id, self._node)
                    machine.removed_copies.discard(volume.id)

    def operate(self, node: str, request: Forwarded) -> dict[str, Any]:
        machine = self._at(node, str(request))
        answer: dict[str, Any] = machine.operations.do(request)
        return answer

    def asides(self, node: str) -> list[Aside]:
        return self._at(node, "").operations.recovery.asides()

    def strays(self, node: str) -> list[dict[str, Any]]:
        return self._at(node, "").maintenance.strays_here()

    def purge(self, node: str, removed: list[Removed], references: list[str]) -> dict[str, Any]:
        return self._at(node, "").maintenance.purge_here(removed, references)

    def verify(self, volume: Volume) -> dict[str, Any]:
        return self._at(volume.owner, volume.name).verification.verify(volume.name)

    def digest(
        self, volume_id: str, node: str, snapshot: Snapshot, bytes_per_second: int
    ) -> Digest:
        there = self._read(node, volume_id).verification
        return there.digest_here(volume_id, snapshot, bytes_per_second)

    def snapshots(self, volume_id: str, node: str) -> list[Snapshot]:
        return self._read(node, volume_id).pool.snapshots(volume_id)

    def stream_bytes(
        self, volume_id: str, node: str, wanted: Snapshot, parent: Snapshot | None
    ) -> int:
        pool = self._read(node, volume_id).pool
        return pool.stream_bytes(volume_id, wanted.number, parent.number if parent else None)

    def stream(
        self, volume_id: str, node: str, wanted: Snapshot, parent: Snapshot | None
    ) -> Generator[bytes, None, None]:
        machine = self._read(node, volume_id)
        number = parent.number if parent else None
        for chunk in machine.pool.send(volume_id, wanted.number, number):
            if not machine.is_up:
                raise TransferFailed(f"the stream from {node} broke off")
            yield chunk

    def increments(self, node: str, wanted: Sequence[Wanted]) -> Iterator[Increment]:
        machine = self._at(node, "")
        refusals = machine.rights.refusals([each.volume_id for each in wanted], self._node)
        refused = (Increment(volume_id, error=why) for volume_id, why in refusals.items())
        allowed = [each for each in wanted if each.volume_id not in refusals]
        sending = Increments(machine.pool, machine.retention).send(self._node, allowed)
        for increment in decode(encode(chain(refused, sending)), node, len(wanted)):
            if not machine.is_up:
                raise TransferFailed(f"the stream from {node} broke off")
            yield increment
