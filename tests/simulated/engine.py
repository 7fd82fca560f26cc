"""The engine of a simulated machine: what people and the driver ask of it."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, Any

from flocker.base.errors import EngineAway, PoolError
from flocker.engine.client import ANSWER_SECONDS, EngineUse, Stopped
from flocker.engine.pool_mounts import KILL_SECONDS
from judge.clients.cluster import Content, Refused, Unanswered
from tests.simulated.containers import Container, Containers
from tests.simulated.disk import Disk
from tests.simulated.lines import parse
from tests.simulated.plugin import Plugin
from tests.simulated.scheduler import Scheduler

if TYPE_CHECKING:
    from tests.simulated.node import Node

START_SECONDS = 0.3  # at most, from the answer to a Mount to the container's first step
STOP_SECONDS = 0.5  # at most, that a writer takes to end when it is told to
LOOK_SECONDS = 0.05
NOTICE_SECONDS = 1.0  # at most, until an engine sees that a container has ended late
COPIES = 0.5  # of the reads while a container runs: `docker cp` from that one


class Engine:
    """Implements `ports.Containers`, and `Containers` and `Mounts` of engine/volume_use.py.

    Attributes:
        hangs: faults by which the engine answers nobody.
    """

    def __init__(
        self,
        node: Node,
        containers: Containers,
        disk: Callable[[], Disk],
        running: Scheduler,
        random: Random,
    ) -> None:
        self._node = node
        self._plugin = Plugin(node, running)
        self._containers = containers
        self._disk = disk
        self._running = running
        self._random = random
        self._starting: Counter[str] = Counter()
        self._names: dict[str, threading.Lock] = {}  # volume -> who makes or ends its container
        self.hangs = 0

    # Requests of people

    def start(self, volume: str) -> None:
        """Start the container that writes to a volume, if it does not run.

        Raises:
            Refused: the driver refuses.
        """
        with self._names.setdefault(volume, threading.Lock()):
            if self._containers.writer(volume) is None:
                self._run(volume, self._containers.begin_writer)

    def stop(self, volume: str) -> None:
        """Stop it, if it runs."""
        with self._names.setdefault(volume, threading.Lock()):
            container = self._containers.writer(volume)
            if container is not None:
                self._running.sleep(self._random.uniform(0, STOP_SECONDS))
                if not self._kill(container):
                    raise Refused("the container does not end")
                self._plugin.unmount(container.volume, container.mount_id)

    def read(self, volume: str) -> Content:
        """Read all there is, by a container that does just that, or from one that runs.

        Raises:
            Refused, Unanswered: as these say.
        """
        writer = self._containers.writer(volume)
        if writer is not None and self._random.random() < COPIES:
            return self._copy_from(writer)
        found: list[bytes] = []
        container = self._run(volume, lambda *about: self._containers.begin_reader(*about, found))
        while container.process.tasks and container.process.is_alive:
            self._running.sleep(LOOK_SECONDS)
        self._containers.end(container)
        self._plugin.unmount(container.volume, container.mount_id)
        if not found:
            raise Unanswered("the reader was stopped")
        return parse(found[0])

    def lose_power(self) -> None:
        """End everything, without a word to the driver."""
        for container in self._containers.all():
            self._containers.end(container)

    def begin(self, *, keeps_containers: bool) -> None:
        """Start anew: nothing is known of mounts, and containers end without a word to the driver.

        Args:
            keeps_containers: they go on (`live-restore`).
        """
        self._starting.clear()
        self._names.clear()
        for container in [] if keeps_containers else self._containers.all():
            self._containers.kill(container)

    # Requests of the driver

    def volume_options(self, volume: str) -> dict[str, str] | None:  # noqa: ARG002
        self._answer(ANSWER_SECONDS)
        return None

    def local_volumes(self) -> list[str]:
        self._answer(ANSWER_SECONDS)
        return []

    @contextmanager
    def paused(self, volumes: Collection[str]) -> Iterator[None]:
        self._answer(ANSWER_SECONDS)
        frozen = [each for each in self._containers.all() if each.volume in volumes]
        for each in frozen:
            self._running.stop(each.process)
        try:
            yield
        finally:
            for each in frozen:
                self._running.go_on(each.process)

    def resume(self) -> None:
        """Nothing is ever left paused."""

    def containers_using(self, volume: str) -> list[str]:
        self._answer(ANSWER_SECONDS)
        return [f"c{each.number}" for each in self._containers.of(volume)]

    def containers_with(self, volume: str) -> list[str]:
        return self.containers_using(volume)

    def uses_of(self, volumes: Collection[str]) -> dict[str, EngineUse]:
        self._answer(ANSWER_SECONDS)
        return {each: self._use_of(each) for each in volumes}

    def stop_using(self, volumes: Collection[str], within: float) -> Iterator[Stopped]:
        self._answer(within)
        using = [each for each in self._containers.all() if each.volume in volumes]
        for container in using:
            if self._containers.runs(container):
                self._running.sleep(self._random.uniform(0, STOP_SECONDS))
                if self._die(container):
                    yield Stopped(f"c{container.number}", frozenset([container.volume]))
        if any(map(self._containers.runs, using)):
            self._running.sleep(within)
            raise EngineAway("the engine has not stopped all containers")

    def mounted(self, volume_ids: Collection[str]) -> set[str]:
        return self._containers.mounted(volume_ids)

    def kill_users(self, volume_ids: Collection[str]) -> None:
        using = [each for each in self._containers.all() if each.volume_id in volume_ids]
        for container in using:
            self._die(container)
        if any(map(self._containers.runs, using)):
            self._running.sleep(KILL_SECONDS)
        if left := [each for each in using if self._containers.runs(each)]:
            raise PoolError(f"cannot end {', '.join(f'process {each.number}' for each in left)}")

    def kill(self, process: int, _: int) -> None:
        """Kill a container by its process, as the fence does."""
        self._die(self._containers.of_process(process))

    # Inside

    def _answer(self, within: float) -> None:
        if not self._node.dockerd.is_alive:
            raise EngineAway("the engine does not run")
        if self.hangs:
            self._running.sleep(within)
            raise EngineAway("the engine does not answer")

    def _use_of(self, volume: str) -> EngineUse:
        is_busy = self._starting[volume] or self._containers.of(volume)
        return EngineUse.BUSY if is_busy else EngineUse.NONE

    def _run(self, volume: str, begin: Callable[..., Any]) -> Any:
        """Mount a volume and have a container begin; returns what `begin` does."""
        if self.hangs:
            self._running.sleep(ANSWER_SECONDS)
            raise Refused("the engine does not answer")
        mount_id = str(uuid.uuid4())
        self._starting[volume] += 1
        try:
            self._plugin.mount(volume, mount_id)
            volume_id = self._node.volume_id(volume)
            self._running.sleep(self._random.uniform(0, START_SECONDS))
            if not self._disk().lines.is_there(volume_id):
                self._plugin.unmount(volume, mount_id)
                raise Refused("the mountpoint is gone")
            return begin(volume, volume_id, mount_id, self._node.clock)
        finally:
            if self._starting[volume]:
                self._starting[volume] -= 1

    def _copy_from(self, container: Container) -> Content:
        """As `docker cp` does: it mounts and unmounts once more by the container's mount ID."""
        volume, mount_id = container.volume, container.mount_id
        self._plugin.mount(volume, mount_id)
        self._disk().takes_writes()  # waits while the disk hangs
        lines, volume_id = self._disk().lines, self._node.volume_id(volume)
        content = lines.copy(volume_id).content() if lines.is_there(volume_id) else None
        self._plugin.unmount(volume, mount_id)
        if content is None:
            raise Refused("the mountpoint is gone")
        return parse(content)

    def _die(self, container: Container) -> bool:
        """Kill it; the engine unmounts whenever it notices. False if it does not end at once."""
        is_gone = self._kill(container)
        if is_gone:
            self._notice(container)
        return is_gone

    def _kill(self, container: Container) -> bool:
        """Kill it, and unmount if it is gone late; False if it does not end at once."""
        if self._containers.is_dying(container):
            return False
        is_gone = self._containers.kill(container)
        if not is_gone:
            self._notice(container)
        return is_gone

    def _notice(self, container: Container) -> None:
        """Unmount whenever the container is gone, unless the engine ends before."""

        def unmount() -> None:
            while self._containers.runs(container):
                self._running.sleep(NOTICE_SECONDS)
            self._plugin.unmount(container.volume, container.mount_id)

        self._running.spawn("unmount", unmount, self._node.dockerd)
