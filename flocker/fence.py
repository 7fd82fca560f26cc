"""Stops what uses failover=auto volumes before another node takes them: `python3 -m flocker.fence`.

A process of its own, because the daemon may hang, be killed or not start, and
small, because it must run when little else does. It looks at a clock and at two
files on /run: when the node's lease was not renewed for two thirds of its length,
containers on auto volumes are stopped through the engine, and what is left is
killed by the kernel's mount tables. All of it is over before the lease is.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flocker.config import Config
from flocker.engine import Engine
from flocker.errors import EngineAway, FlockerError
from flocker.kernel import processes_with
from flocker.lease_file import AutoVolume, Lease, LeaseFile
from flocker.pool_mounts import kill_users

log = logging.getLogger("flocker.fence")

POLL_SECONDS = 0.5
# Of a lease of 15 s the last 5 s are left: half a second until the next look, this for the
# engine, the rest for the kernel.
ENGINE_SECONDS = 1.5
VOLUMES_AT_ONCE = 16


def boottime() -> float:
    """Seconds since the machine started, those it slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Fence:
    """Watches one node's lease.

    Args:
        clock: seconds, as `boottime`.
        users: processes that have a path mounted.
    """

    def __init__(
        self,
        node: str,
        files: LeaseFile,
        engine: Engine,
        clock: Callable[[], float] = boottime,
        users: Callable[[Path], list[int]] = processes_with,
    ) -> None:
        self._node = node
        self._files = files
        self._engine = engine
        self._clock = clock
        self._users = users
        self._lease: Lease | None = None
        self._fenced: set[str] = set()  # ids of volumes, since the lease was renewed; told of

    def check(self) -> None:
        """Look once, and act if it is time; to be called every POLL_SECONDS."""
        try:
            self._lease = self._files.read()
        except (OSError, ValueError) as error:
            log.error("going by what was read before: %s", error)
        lease = self._lease
        if lease is None:
            return  # this node has not joined, so nobody waits for its lease to end
        if self._clock() - lease.renewed_at <= lease.lease_seconds * 2 / 3:
            self._fenced.clear()
            return
        # By what is mounted, not by name: a list written before a volume was removed must not cost
        # the containers of another volume that has its name now.
        due = [volume for volume in lease.auto if self._users(Path(volume.path))]
        with ThreadPoolExecutor(VOLUMES_AT_ONCE) as threads:
            list(threads.map(lambda volume: self._fence(volume, lease), due))
        self._fenced.update(volume.id for volume in due)

    def _fence(self, volume: AutoVolume, lease: Lease) -> None:
        silence = f"{self._node} was not heard of for {self._clock() - lease.renewed_at:.0f} s"
        use = f"which uses volume '{volume.name}' (failover=auto)"
        stopped: list[str] = []
        try:
            names = self._engine.stop_using(volume.name, ENGINE_SECONDS)
            stopped = [f"container '{name}'" for name in names]
        except EngineAway as error:
            log.warning("killing what uses volume '%s' without the engine: %s", volume.name, error)
        lease_ends = lease.renewed_at + lease.lease_seconds
        killed, left = kill_users(Path(volume.path), lease_ends, self._clock)
        for what in stopped + killed:
            log.warning(
                "%s: stopped %s, %s%s",
                silence,
                what,
                use,
                "" if left else ": another node may take it over now",
            )
        if left and volume.id not in self._fenced:
            log.error("%s: cannot stop %s, %s", silence, ", ".join(left), use)


def main() -> int:
    """Watch until SIGTERM; the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    try:
        config = Config.from_environment()
    except FlockerError as error:
        print(f"flocker-fence: {error}", file=sys.stderr)
        return 1
    engine = Engine(config.engine_socket, config.runtime)
    fence = Fence(config.node, LeaseFile(config.runtime), engine)
    while not stopping.wait(POLL_SECONDS):
        try:
            fence.check()
        except Exception:  # whatever it is, the next look may succeed, and nobody else looks
            log.exception("a look at the lease failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
