"""A simulated machine: power, clocks, disk, engine, fence, and the daemon with all its threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, cast

from flocker import daemon as real_daemon
from flocker.api.rights import Rights
from flocker.base.admitted import admitted
from flocker.base.config import Certificates, Config
from flocker.base.pulse import Pulse
from flocker.consensus import majority
from flocker.consensus.mirror import Mirror
from flocker.engine.mount_counts import MountCounts
from flocker.engine.volume_use import VolumeUse
from flocker.fence.fence import POLL_SECONDS, Fence
from flocker.fence.guard import Guard
from flocker.fence.lease_file import LeaseFile
from flocker.membership.expulsion import Expulsion
from flocker.membership.identity import Identity
from flocker.membership.membership import Membership
from flocker.node.clocks import Clocks
from flocker.node.pools import Pools
from flocker.node_parts import build
from flocker.pool.local_pool import LocalPool
from flocker.ports import OwnReport, Peers, Ports
from judge.recorder import Recorder
from tests.simulated.clocks import Clock
from tests.simulated.containers import Containers
from tests.simulated.disk import Disk, PoolOfDisk
from tests.simulated.engine import Engine
from tests.simulated.etcd import NodesMembers, NodesOwnership, SimulatedEtcd
from tests.simulated.files import MemoryPath
from tests.simulated.network import Network
from tests.simulated.peers import SimulatedPeers
from tests.simulated.scheduler import Scheduler
from tests.simulated.tasks import Process

ACTIVATION_SECONDS = 1.0  # after which an engine that has started asks its plugins what they are
RESTART_SECONDS = 2.0  # as systemd waits, before it starts what has ended


@dataclass(frozen=True)
class Shared:
    """The things that all machines of a simulation share."""

    running: Scheduler
    recorder: Recorder
    network: Network
    etcd: SimulatedEtcd
    nodes: dict[str, Node]
    random: Random
    pause_seconds: float


class Daemon:
    """One run of the daemon. Its attributes are what `DirectPeers` asks of a machine."""

    def __init__(self, node: Node, process: Process) -> None:
        self.name = node.name
        self.is_up = True
        self.process = process
        shared, config = node.shared, node.config
        members = NodesMembers(
            node.name, shared.etcd, shared.network, shared.running, shared.random
        )
        ownership = NodesOwnership(members, config.lease_seconds)
        mirror = Mirror(ownership, config.pool / "catalog.json")
        pool = cast(LocalPool, PoolOfDisk(node.disk))
        counts = MountCounts(config.runtime / "mounts.json")
        use = VolumeUse(node.name, counts, node.engine, node.engine)
        membership = Membership(
            ownership,
            Identity(config.identity, lambda: node.hardware),
            Expulsion(node.name, mirror, pool, use).expel,
            patience_seconds=2 * config.lease_seconds,
        )
        peers = SimulatedPeers(
            node.name, shared.nodes, shared.network, shared.running,
            lambda: sorted(mirror.state.nodes),
        )  # fmt: skip
        lease_file = LeaseFile(config.runtime)
        guard = Guard(
            node.name, lease_file, mirror, use.volumes, node.engine.mounted,
            live=lambda volume_id: str(node.disk.lines.path(volume_id)),
        )  # fmt: skip
        pools = Pools(node.name, pool, membership.ownership)
        ports = Ports(membership, mirror, pools, use, cast(Peers, peers), node.engine, guard)
        report = OwnReport([lambda: majority.problems(len(shared.nodes), mirror.state)])
        mirror.start(stopping := threading.Event())
        parts = build(config, ports, report, Clocks(uptime=node.uptime))
        machine = real_daemon.Machine(
            cast(Any, node.engine), guard, lease_file,
            cast(Any, _Idle()), cast(Any, _Idle()), cast(Any, _Idle()), mirror,
        )  # fmt: skip
        self.pulse = Pulse()
        real_daemon.start_parts(config, machine, ports, parts, stopping, self.pulse)
        self.context, self.parts = parts.context, parts
        self.pool = parts.context.pool
        self.mirror = mirror
        self.retention = parts.context.retention
        self.rights = Rights(parts.context.ownership, lambda: mirror.state)
        self.removed_copies = admitted(parts.care.removed_copies, membership.check_known)
        self.verification = parts.care.verification
        self.failover = parts.copies.failover
        services = parts.services
        self.driver, self.departures = services.driver, services.departures
        self.operations, self.maintenance = services.operations, services.maintenance


class Node:
    """One machine.

    Args:
        image: the machine of whose disks this one has a copy; its name is the same.

    Attributes:
        daemon: the run of it that answers; None while it does not.
        dockerd: its process, which unmounts.
    """

    def __init__(
        self, name: str, folder: MemoryPath, shared: Shared, image: Node | None = None
    ) -> None:
        self.name = name
        self.shared = shared
        self._boards = 0
        self.has_power = False
        self.daemon: Daemon | None = None
        self._folder = folder
        self._running = shared.running
        self.clock = Clock()
        self._disks = 0
        self.config = Config(
            name,
            f"10.0.0.{name[-1]}",
            [],
            Certificates.within(folder),
            pool=folder / "pool",
            runtime=folder / "run",
        )
        self.containers = Containers(
            folder.name, lambda: self.disk, shared.running, shared.recorder, shared.random,
            shared.pause_seconds,
        )  # fmt: skip
        self.engine = Engine(
            self, self.containers, lambda: self.disk, shared.running, shared.random
        )
        self.replace_board()
        self.replace_disk()
        if image is not None:
            self._copy_disks(image)
        self._processes: list[Process] = []
        self._suspended = False
        self.boot()

    def uptime(self) -> float:
        return self._running.now - self.clock.booted_at

    def volume_id(self, name: str) -> str:
        """The id of a volume, as the cluster agrees; empty if there is none."""
        volume = self.shared.etcd.record(name)
        return "" if volume is None else str(volume["id"])

    # Power

    def boot(self) -> None:
        """Start the machine: nothing of /run survived."""
        self.has_power = True
        self.clock.booted_at = self._running.now
        self._folder.joinpath("run").clear()
        self.start_fence()
        self.start_daemon()
        self.start_engine()

    def cut_power(self) -> None:
        self.has_power = False
        self.daemon = None
        for process in self._processes:
            self._running.kill(process)
        self._processes.clear()
        self.engine.lose_power()
        self.disk.lose_memory()

    def replace_board(self) -> None:
        """Be another machine, with a new system: only the pool's disk is the same."""
        self._boards += 1
        self.hardware = f"board {self._boards} of {self._folder.name}"
        MemoryPath(self.config.identity.parent).clear()

    def replace_disk(self) -> None:
        """Have an empty disk, in a machine without power."""
        self._folder.joinpath("pool").clear()
        self._disks += 1
        self.disk = Disk(
            self.config.pool / f"disk{self._disks}",
            lambda volume_id: bool(self.engine.mounted([volume_id])),
            self._running,
            self.shared.random,
        )

    def _copy_disks(self, image: Node) -> None:
        self._folder.clear()
        image._folder.copy_to(self._folder)
        self.disk.pool.copy_from(image.disk.pool)

    # Processes

    def start_daemon(self) -> None:
        process = self._new("daemon")

        def start() -> None:
            self.daemon = Daemon(self, process)

        self._running.spawn("main", start, process)

    def kill_daemon(self) -> None:
        """Containers run on."""
        self.daemon = None
        self._end("daemon")

    def start_engine(self, *, keeps_containers: bool = False) -> None:
        """Start it, see Engine.begin; it asks its plugins what they are."""
        self.engine.begin(keeps_containers=keeps_containers)
        self.dockerd = self._new("dockerd")
        self._running.spawn("activation", self._activate, self.dockerd)

    def kill_engine(self) -> None:
        """Containers run on."""
        self._end("dockerd")

    def start_fence(self) -> None:
        process = self._new("fence")
        self._running.spawn("main", self._watch, process)

    def kill_fence(self) -> None:
        self._end("fence")

    def stop(self, *names: str) -> Callable[[], None]:
        """Stop these processes as SIGSTOP does, or all there are; returns what has them go on."""
        stopped = [
            each
            for each in (
                *self._processes,
                *([] if names else (it.process for it in self.containers.all())),
            )
            if not names or each.name in [f"{name} of {self.name}" for name in names]
        ]
        for process in stopped:
            self._running.stop(process)

        def go_on() -> None:
            for process in stopped:
                self._running.go_on(process)

        return go_on

    def _new(self, name: str) -> Process:
        process = Process(f"{name} of {self.name}", self.clock)
        self._processes.append(process)
        return process

    def _end(self, name: str) -> None:
        for process in [it for it in self._processes if it.name == f"{name} of {self.name}"]:
            self._processes.remove(process)
            self._running.kill(process)

    def _watch(self) -> None:
        """As flocker/fence/fence.py does in its main."""
        fence = Fence(
            self.name,
            LeaseFile(self.config.runtime),
            cast(Any, self.engine),
            look=self.containers.users_of,
            kill=self.engine.kill,
        )
        waiting = threading.Event()
        while True:
            fence.check()
            waiting.wait(POLL_SECONDS)

    def _activate(self) -> None:
        """Tell the driver that the engine has started anew."""
        while self.daemon is None:
            self._running.sleep(ACTIVATION_SECONDS)
        self.daemon.driver.engine_started()


class _Idle:
    """A part that is about etcd's disk or certificates, which a simulation has not."""

    def start(self, *_: object) -> None:
        pass
