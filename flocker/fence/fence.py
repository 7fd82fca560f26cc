"""Stops what uses failover=auto volumes before another node takes them: `python3 -m flocker.fence`.

It is a process of its own, because the daemon may hang, be killed or not start. It is small,
because it must run when little else does. It looks at a clock and at two files on /run. When the
node's lease was not renewed for two thirds of its length, the fence acts: it has the engine stop
containers on auto volumes, and then kills each process that still has one mounted. All of that is
over two seconds before the lease ends (docs/decisions/0029). The fence tells of each look, to
systemd and in a third file for the daemon.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from flocker.base.config import Config
from flocker.base.errors import EngineAway, FlockerError
from flocker.base.journal import log_to_journal
from flocker.base.systemd import tell_systemd
from flocker.engine.client import Engine, Stopped
from flocker.engine.mount_table import users_of
from flocker.engine.pool_mounts import Kill, Killed, Look, kill_users
from flocker.fence.lease_file import NO_LIST, AutoVolume, Heartbeat, Lease, LeaseFile, boottime
from flocker.fence.memory_lock import lock_memory

log = logging.getLogger("flocker.fence")

POLL_SECONDS = 0.5
# Of a lease of 15 s the last 5 s are left: half a second until the next look, until 4 s before the
# end for the engine, until 2 s before it for the kernel. On a node with 200 containers and two
# cores a look took 0.4 s, and three were needed.
KERNEL_SECONDS = 4.0
# An engine that answers late still keeps restart policies from starting containers again.
ENGINE_SECONDS = 10.0
LATE_SECONDS = 1.0  # for a fence that wakes up when the lease is over


@dataclass(frozen=True)
class Fencing:
    """When everything was stopped, in seconds of the fence's clock.

    Attributes:
        began_at: the look that found something in use.
        ended_at: the look that found nothing any more; None if something does not end.
        lease_ends: from then on another node may take the volumes over.
        volumes: how many were in use.
    """

    began_at: float
    ended_at: float | None
    lease_ends: float
    volumes: int


class _Asking:
    """One question to the engine to stop what uses volumes, which nobody has to wait for."""

    def __init__(self, engine: Engine, volumes: Collection[str]) -> None:
        self._engine = engine
        self._volumes = volumes
        self._stopped: list[Stopped] = []
        self._told = 0
        self.trouble: str | None = None
        self.is_over = threading.Event()
        try:
            threading.Thread(target=self._ask, daemon=True).start()
        except RuntimeError as error:  # no memory for it: the kernel does without
            self.trouble = str(error)
            self.is_over.set()

    def news(self) -> list[Stopped]:
        """The containers that were stopped since the last call."""
        told, self._told = self._told, len(self._stopped)
        return self._stopped[told : self._told]

    def _ask(self) -> None:
        try:
            for stopped in self._engine.stop_using(self._volumes, ENGINE_SECONDS):
                self._stopped.append(stopped)
        except EngineAway as error:
            self.trouble = str(error)
        self.is_over.set()


class Fence:
    """Watches one node's lease, in its own process. The daemon's side of it is guard.py.

    Args:
        clock: seconds, as `boottime`.
        look: tells the processes that have paths mounted.
        kill: sends a process a signal.
        feed: called at every look, for who watches whether it still looks.

    Attributes:
        last: the last time that something was stopped.
    """

    def __init__(
        self,
        node: str,
        files: LeaseFile,
        engine: Engine,
        clock: Callable[[], float] = boottime,
        look: Look = users_of,
        kill: Kill = os.kill,
        feed: Callable[[], object] = lambda: None,
    ) -> None:
        self._node = node
        self._files = files
        self._engine = engine
        self._clock = clock
        self._feed = feed
        self._look_at = look
        self._kill = kill
        self._lease: Lease | None = None
        self._auto = NO_LIST
        self._asking: _Asking | None = None
        self._left: set[Path] = set()  # of volumes that cannot be freed; told of
        self._silence = ""
        self.last: Fencing | None = None

    def check(self) -> None:
        """Look once, and act if it is time; to be called every POLL_SECONDS.

        Nothing is logged before all is stopped: whoever takes the log may hang.
        """
        troubles = [self._read_lease(), self._read_list(), self._beat()]
        lease = self._lease
        # Without one this node has not joined, so nobody waits for its lease to end.
        if lease is not None and self._is_due(lease):
            self._stop_all(lease)
        else:
            self._left.clear()
        for trouble in filter(None, troubles):
            log.error("%s", trouble)
        self._tell_of_engine()

    def _read_lease(self) -> str | None:
        """Learn what the daemon has written, or tell what is wrong with it."""
        try:
            self._lease = self._files.read_lease()
        except (OSError, ValueError) as error:
            return f"going by the lease that was read before: {error}"
        return None

    def _read_list(self) -> str | None:
        try:
            self._auto = self._files.read_auto()
        except (OSError, ValueError) as error:
            return f"going by the volumes that were read before: {error}"
        return None

    def _beat(self) -> str | None:
        """Tell the daemon what was read, and why it cannot be told."""
        self._feed()
        try:
            self._files.write_heartbeat(Heartbeat(self._clock(), self._auto.version))
        except OSError as error:
            return f"the daemon cannot be told of this look: {error}"
        return None

    def _look(self, paths: Collection[Path]) -> dict[Path, list[int]]:
        self._feed()
        return self._look_at(paths)

    def _is_due(self, lease: Lease) -> bool:
        return self._clock() - lease.renewed_at > lease.lease_seconds * 2 / 3

    def _stop_all(self, lease: Lease) -> None:
        # By what is mounted, not by name: a list written before a volume was removed must not cost
        # the containers of another volume that has its name now.
        volumes = {Path(volume.path): volume for volume in self._auto.volumes}
        users = self._look(volumes.keys())
        if not users:
            return
        began_at, lease_ends = self._clock(), lease.renewed_at + lease.lease_seconds
        self._silence = f"{self._node} was not heard of for {began_at - lease.renewed_at:.0f} s"
        self._ask([volumes[path].name for path in users], lease_ends - KERNEL_SECONDS)
        until = max(lease_ends, began_at + LATE_SECONDS)
        killed = kill_users(volumes.keys(), until, self._clock, self._look, self._kill)
        ended_at = None if killed.left else self._clock()
        self.last = Fencing(began_at, ended_at, lease_ends, len(users))
        self._tell(killed, volumes)

    def _ask(self, volumes: Collection[str], until: float) -> None:
        """Have the engine stop containers, and wait for it for as long as there is time."""
        if self._asking is None:
            self._asking = _Asking(self._engine, volumes)
            self._asking.is_over.wait(max(0, until - self._clock()))

    def _tell(self, killed: Killed, volumes: dict[Path, AutoVolume]) -> None:
        for path, processes in killed.ended.items():
            for process in processes:
                self._tell_stopped(process, volumes[path].name, is_free=path not in killed.left)
        for path, processes in killed.left.items():
            if path not in self._left:
                use = _use(volumes[path].name)
                log.error("%s: cannot stop %s, %s", self._silence, ", ".join(processes), use)
        self._left.update(killed.left)
        if self.last is not None and self.last.ended_at is not None:
            log.warning(
                "%s: nothing uses volumes with failover=auto any more (%d before), "
                "%.1f s before the lease ends",
                self._silence, self.last.volumes, self.last.lease_ends - self.last.ended_at,
            )  # fmt: skip

    def _tell_of_engine(self) -> None:
        """Log what the engine has done of late, and once why it has not done more."""
        asking = self._asking
        if asking is None:
            return
        is_over = asking.is_over.is_set()
        for stopped in asking.news():
            for name in sorted(stopped.volumes):
                self._tell_stopped(f"container '{stopped.container}'", name, is_free=not self._left)
        if is_over:
            self._asking = None
            if asking.trouble:
                log.warning("what uses volumes was killed without the engine: %s", asking.trouble)

    def _tell_stopped(self, what: str, volume: str, *, is_free: bool) -> None:
        and_so = ": another node may take it over now" if is_free else ""
        log.warning("%s: stopped %s, %s%s", self._silence, what, _use(volume), and_so)


def _use(volume: str) -> str:
    return f"which uses volume '{volume}' (failover=auto)"


def log_in_background() -> logging.handlers.QueueListener:
    """Have what is logged written by a separate thread: whoever reads it may hang."""
    lines: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(lines, logging.StreamHandler())
    log_to_journal(logging.handlers.QueueHandler(lines))
    listener.start()
    return listener


def main() -> int:
    """Watch until SIGTERM; the exit status."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    try:
        config = Config.from_environment()
    except FlockerError as error:
        print(f"flocker-fence: {error}", file=sys.stderr)
        return 1
    listener = log_in_background()
    fence = Fence(
        config.node,
        LeaseFile(config.runtime),
        Engine(config.engine_socket, config.runtime),
        feed=lambda: tell_systemd("READY=1\nWATCHDOG=1"),
    )
    try:
        lock_memory()
    except OSError as error:
        log.warning("memory is not locked, so a look may wait for a disk: %s", error)
    while not stopping.is_set():
        try:
            fence.check()
        except Exception:  # whatever it is, the next look may succeed, and nobody else looks
            log.exception("a look at the lease failed")
        stopping.wait(POLL_SECONDS)
    listener.stop()
    return 0
