"""Three nodes in this process: each runs the threads of the daemon, and a fence, on the twins.

Seconds that the driver waits for its own reasons are shorter here, so that more happens.
"""

from __future__ import annotations

import shutil
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any, cast
from unittest import mock

from flocker.base.errors import FlockerError, Refused
from flocker.base.pulse import Pulse
from flocker.base.records import Volume
from flocker.care import housekeeper
from flocker.care.housekeeper import Housekeeper
from flocker.engine import volume_use
from flocker.engine.client import Engine, EngineUse, Stopped
from flocker.fence.fence import Fence
from flocker.fence.guard import Guard
from flocker.fence.lease_file import LeaseFile, boottime
from flocker.membership.announcer import Announcer
from flocker.moving import follower, setbacks, succession
from flocker.pool import health as pool_health
from flocker.pool.local_pool import LocalPool
from tests.soak.lines import Answers, Line, Weather, seeded
from tests.twins.memory_etcd import MemoryEtcd
from tests.twins.memory_ownership import MemoryOwnership
from tests.twins.memory_pool import MemoryPool
from tests.unit.flocker.cluster import Containers, DirectPeers, Etcd, Machine, MemoryCluster
from tests.unit.flocker.wires import PowerCut, Wired, silence
from tests.unit.flocker.writers import Writers

NAMES = ("node1", "node2", "node3")
LEASE_SECONDS = 6
MOUNT_SECONDS = 8.0  # what is 90 s on a node
LOOK_SECONDS = 0.1
FIRST_PROCESS = 1 << 24  # of containers; no process has such a number
HASTE = 5
HURRIED: list[tuple[ModuleType, str]] = [
    (housekeeper, "USES_SECONDS"),
    (volume_use, "START_SECONDS"),
    (pool_health, "LOOK_SECONDS"),
    (pool_health, "HANG_SECONDS"),
    (setbacks, "STUCK_AFTER_SECONDS"),
    (setbacks, "LONGEST_PAUSE_SECONDS"),
    (succession, "TURN_SECONDS"),
    (follower, "RETRY_SECONDS"),
]


@contextmanager
def in_haste() -> Iterator[None]:
    with ExitStack() as stack:
        for module, name in HURRIED:
            seconds = getattr(module, name) / HASTE
            stack.enter_context(mock.patch.object(module, name, seconds))
        yield


class LeasedEtcd(MemoryEtcd):
    """Leases run out by themselves, when `expire` looks."""

    def __init__(self) -> None:
        super().__init__()
        self._renewed: dict[int, float] = {}

    def ask(self, path: str, question: dict[str, Any]) -> dict[str, Any]:
        answer = super().ask(path, question)
        if path == "/lease/grant":
            self._renewed[int(answer["ID"])] = boottime()
        elif path == "/lease/keepalive" and answer:
            self._renewed[question["ID"]] = boottime()
        return answer

    def expire(self) -> None:
        with self.changed:
            for lease, at in list(self._renewed.items()):
                if boottime() - at > LEASE_SECONDS:
                    del self._renewed[lease]
                    self.end_lease(lease)
            del self.executed[:-1000]


class LivingContainers(Containers):
    """Containers that write whenever they can; any number of threads may look and stop them.

    Args:
        node: theirs.
        writing: by volume id.

    Attributes:
        unmounts: called with volume and mount id of each that is ended by somebody else.
    """

    def __init__(self, node: str, writing: Callable[[str], Writers]) -> None:
        super().__init__()
        self._node = node
        self._writing = writing
        self._lock = threading.RLock()
        self._starting: Counter[str] = Counter()
        self._volumes: dict[str, tuple[str, Path]] = {}  # id -> name and mountpoint, of all so far
        self.unmounts: Callable[[str, str], None] = lambda *_: None

    @contextmanager
    def starting(self, volume: str) -> Iterator[None]:
        """Have the engine say that it starts a container with the volume."""
        with self._lock:
            self._starting[volume] += 1
        try:
            yield
        finally:
            with self._lock:
                self._starting[volume] -= 1

    def begin(self, volume: Volume, mount_id: str, folder: Path) -> bool:
        """Have a container run; False if one with the volume runs already."""
        with self._lock:
            if volume.id in self.mounts:
                return False
            self.running[volume.name] = [mount_id]
            self._volumes[volume.id] = (volume.name, folder)
            self.mounts.add(volume.id)
            self._writing(volume.id).begin(self._node)
            return True

    def end(self, volume_id: str) -> str | None:
        """End the container without a word to the driver; its mount id, if there was one."""
        with self._lock:
            if volume_id not in self.mounts:
                return None
            self.mounts.discard(volume_id)
            self._writing(volume_id).end(self._node)
            return self.running.pop(self._volumes[volume_id][0])[0]

    def end_all(self) -> None:
        for volume_id in list(self.mounts):
            self.end(volume_id)

    def stand_still(self) -> None:
        with self._lock:
            for volume_id in self.mounts:
                self._writing(volume_id).end(self._node)

    def go_on(self) -> None:
        with self._lock:
            for volume_id in self.mounts:
                self._writing(volume_id).begin(self._node)

    def append(self, volume_id: str, line: str) -> bool:
        """Write a line; True if that was acknowledged."""
        with self._lock:
            if volume_id not in self.mounts or not self._volumes[volume_id][1].is_dir():
                return False
            with (self._volumes[volume_id][1] / "file").open("a") as file:
                file.write(f"{line}\n")
            return True

    def stop_using(self, volumes: Collection[str], within: float) -> Iterator[Stopped]:
        assert within > 0
        by_name = {name: volume_id for volume_id, (name, _) in list(self._volumes.items())}
        for volume in by_name.keys() & set(volumes):
            if self._stop(by_name[volume]):
                yield Stopped("writer", frozenset([volume]))

    def uses_of(self, volumes: Collection[str]) -> dict[str, EngineUse]:
        with self._lock:
            return super().uses_of(volumes)

    def _use_of(self, volume: str) -> EngineUse:
        return EngineUse.BUSY if self._starting[volume] else super()._use_of(volume)

    def mounted(self, volume_ids: Collection[str]) -> set[str]:
        with self._lock:
            return super().mounted(volume_ids)

    def kill_users(self, volume_ids: Collection[str]) -> None:
        for volume_id in volume_ids:
            self._stop(volume_id)

    def _stop(self, volume_id: str) -> bool:
        mount_id = self.end(volume_id)
        if mount_id is None:
            return False
        self.unmounts(self._volumes[volume_id][0], mount_id)
        return True

    # As the fence sees them

    def processes(self, paths: Collection[Path]) -> dict[Path, list[int]]:
        with self._lock:
            return {
                path: [FIRST_PROCESS + sorted(self._volumes).index(volume_id)]
                for path in paths
                if (volume_id := path.parent.name) in self.mounts
            }

    def kill(self, process: int, _: int) -> None:
        with self._lock:
            volume_id = sorted(self._volumes)[process - FIRST_PROCESS]
        self.kill_users([volume_id])


class TwinNode(Machine):
    """A node with a daemon that runs, and a fence that looks."""

    def __init__(self, name: str, cluster: TwinNodes, folder: Path, random: Random) -> None:
        self.weather = Weather(random)
        self.disk: MemoryPool | None = None
        self.boots = 0  # and pauses: what began before one of them does not go on
        self._line: Line | None = None
        self._stopping = threading.Event()
        self._changing = threading.Lock()
        self._twins = cluster
        self._run = folder / "run"
        self._new_fence()
        super().__init__(name, cluster, folder)

    @property
    def memory_pool(self) -> MemoryPool:
        assert self.disk is not None
        return self.disk

    def new_containers(self) -> Containers:
        containers = LivingContainers(self.name, self._twins.writing)
        containers.unmounts = self._engine_unmounts
        return containers

    @property
    def living(self) -> LivingContainers:
        return cast(LivingContainers, self.containers)

    def new_guard(self) -> Any:
        return Guard(
            self.name,
            LeaseFile(self._run),
            self.mirror,
            self.use.volumes,
            self.containers.mounted,
            live=lambda volume_id: str(self.memory_pool.root / volume_id / "live"),
        )

    def announce(self) -> None:
        """Left to the announcer."""

    def start(self) -> None:
        """Start the daemon: all parts, and their threads."""
        if self.disk is None:
            self.disk = cast(MemoryPool, self.pool)
        self._line = line = Line(self.weather, self._twins.held)
        self._stopping = stopping = threading.Event()
        self.pool = cast(LocalPool, Wired("pool", self.disk, line))
        self.etcd = cast(Etcd, Wired("ownership", self._twins.ownership, line))
        peers = Answers(DirectPeers(self._twins, self.name), self.weather)
        self.peers = Unheard(Wired("peers", peers, line))
        self.answer_seconds = MOUNT_SECONDS
        self._twins.table.forget_view(self.name)
        super().start()
        self.mirror.start(stopping)
        self._start_keeping(stopping)
        self.publisher.start(stopping, lambda: None)
        for part in (self.pool_health, self.giving_up, self.follower, self.failover):
            part.start(stopping)
        self.is_up = True

    def kill_daemon(self) -> None:
        """Containers run on."""
        self.is_up = False
        self._stopping.set()
        if self._line is not None:
            self._line.cut()

    def cut_power(self) -> None:
        with self._changing:
            self.boots += 1
            self.kill_daemon()
            self.living.end_all()

    def boot(self) -> None:
        with self._changing:
            (self.folder / "mounts.json").unlink(missing_ok=True)
            shutil.rmtree(self._run, ignore_errors=True)
            self._new_fence()
        self.start()

    def pause(self) -> None:
        with self._changing:
            self.boots += 1
            self.weather.set(is_paused=True)
            self.living.stand_still()

    def wake(self) -> None:
        """Go on; the first look of the fence comes before anything is written."""
        with self._changing:
            if not self.weather.is_paused:
                return
            self.fence.check()
            self.living.go_on()
            self.weather.set(is_paused=False)

    def look(self) -> None:
        """Let time pass, and have the fence look if the node is there."""
        self.clock = boottime()
        with self._changing:
            if self._line is not None and not self.weather.is_paused:
                self.fence.check()

    def run_container(self, volume: str) -> None:
        """Raises FlockerError: it did not start."""
        boots, line, driver = self.boots, self._line, self.driver
        mount_id = str(uuid.uuid4())
        with self.living.starting(volume):
            folder = driver.mount(volume, mount_id)
            if line is None or line.is_dead:
                raise Refused(f"the daemon of {self.name} has not answered")
            with self._changing:
                if boots != self.boots or self.weather.is_paused:
                    raise Refused(f"{self.name} was away while the container was about to start")
                is_first = self.living.begin(self.cluster.volume(volume), mount_id, folder)
        if not is_first:
            self.driver.unmount(volume, mount_id)

    def end_container(self, volume: str, *, is_heard: bool) -> None:
        """Stop a container; the driver may not hear of it."""
        mount_id = self.living.end(self.cluster.volume(volume).id)
        if mount_id is not None and is_heard:
            self.driver.unmount(volume, mount_id)

    def write_all(self, line: str) -> dict[str, str]:
        """Have each container write a line; those that could, by volume id."""
        pool = self.memory_pool
        if pool.room != "plenty" or pool.is_read_only or self.weather.pool_hangs:
            return {}
        with self._changing:
            if self.weather.is_paused:
                return {}
            return {
                each: line for each in list(self.living.mounts) if self.living.append(each, line)
            }

    def _engine_unmounts(self, volume: str, mount_id: str) -> None:
        """As the engine does when a container has ended, whoever ended it."""

        def unmount() -> None:
            with suppress(FlockerError, PowerCut):
                self.driver.unmount(volume, mount_id)

        threading.Thread(target=unmount, name="unmount", daemon=True).start()

    def _new_fence(self) -> None:
        self.fence = Fence(
            self._run.parent.name,
            LeaseFile(self._run),
            cast(Engine, _Later(lambda: self.living)),
            look=lambda paths: self.living.processes(paths),
            kill=lambda process, signal: self.living.kill(process, signal),
        )

    def _start_keeping(self, stopping: threading.Event) -> None:
        housekeeper = Housekeeper(
            self.context,
            engine=self.containers,
            reconciler=self.reconciler,
            purging=self.purging,
            strays=self.strays,
            pause_seconds=LEASE_SECONDS / 3,
        )
        announcer = Announcer(
            replace(self.config, lease_seconds=LEASE_SECONDS),
            self.context,
            self.parts.condition,
            fence=self.guard,
            lease_file=LeaseFile(self._run),
            lapse=self.lapse,
            on_joined=housekeeper.catch_up_again,
        )
        pulse = Pulse()
        announcer.start(stopping, pulse)
        housekeeper.start(stopping, pulse)


class Unheard:
    """Peers whose answer nobody waits for where nothing depends on it."""

    def __init__(self, peers: Any) -> None:
        self._peers = peers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._peers, name)

    def tell_moved(self, volume: Volume, source: str) -> None:
        with suppress(FlockerError):
            self._peers.tell_moved(volume, source)

    def forget(self, volume: Volume) -> None:
        with suppress(FlockerError):
            self._peers.forget(volume)


class _Later:
    """A part that is made after the one that uses it."""

    def __init__(self, part: Callable[[], object]) -> None:
        self._part = part

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part(), name)


class TwinOwnership(MemoryOwnership):
    def forget_view(self, node: str) -> None:
        """Have a new daemon begin with no lease, as a process does."""
        self._nodes.pop(node, None)
        self._machines.pop(node, None)


class TwinNodes(MemoryCluster):
    """The nodes, and the time that passes for all of them."""

    def __init__(self, folder: Path, seed: int, writing: Callable[[str], Writers]) -> None:
        self.held = threading.local()
        self.late: list[dict[str, Any]] = []
        self.writing = writing
        self.etcd = LeasedEtcd()
        self.etcd.before = self._hold_back
        self.ownership = self.table = TwinOwnership(self.etcd)
        self.machines: dict[str, Machine] = {}
        self.nodes: dict[str, TwinNode] = {}
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._let_time_pass, name="time", daemon=True)
        for name in NAMES:
            (folder / name).mkdir()
            node = TwinNode(name, self, folder / name, seeded(seed, name))
            self.machines[name] = self.nodes[name] = node
        self._keeper.start()

    def execute_late(self) -> None:
        """Have etcd make the changes that were held back."""
        while self.late:
            with suppress(FlockerError):  # its lease is over
                self.etcd.execute(self.late.pop())

    def execute_again(self, random: Random) -> None:
        with self.etcd.changed, suppress(FlockerError):
            self.etcd.execute(random.choice(self.etcd.executed))

    def stop(self) -> None:
        for node in self.nodes.values():
            node.cut_power()
        self._over.set()
        self._keeper.join()

    def _let_time_pass(self) -> None:
        """First every fence, then etcd: whatever this thread waits for, it waits for both."""
        while not self._over.wait(LOOK_SECONDS):
            for node in self.nodes.values():
                node.look()
            self.etcd.expire()

    def _hold_back(self, _: str, question: dict[str, Any]) -> None:
        is_change = any("request_range" not in each for each in question.get("success", ()))
        if is_change and getattr(self.held, "is_on", False):
            self.late.append(question)
            raise silence("ownership")
        if is_change and getattr(self.held, "is_deaf", False):
            self.etcd.execute(question)
            raise silence("ownership")
