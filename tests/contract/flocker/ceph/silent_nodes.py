"""Nodes that each have a mount of their own on a real Ceph, and can fall silent as a whole."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flocker.base.config import Ceph
from flocker.ceph.mount import Mounted, clear, identities, running
from flocker.pool.in_time import in_time
from flocker.pool.references import Names
from flocker.pool.remote_pool import RecordedSessions, RemotePool
from flocker.shared_storage import reach
from tests.contract.flocker.ceph.fixtures import end_politely
from tests.contract.flocker.ceph.small_ceph import FILESYSTEM, NODE, SmallCeph


class SilentNodes:
    """Nodes as daemons make them, with all of their clients of a Ceph.

    Args:
        folder: of the volumes, as an absolute path in the file system.
    """

    def __init__(self, ceph: SmallCeph, folder: str) -> None:
        self._ceph = ceph
        self._settings = Ceph(FILESYSTEM, folder, NODE, ceph.conf, ceph.keyring)
        self._runtimes: dict[str, Path] = {}

    def way(
        self, names: Names, records: RecordedSessions, is_mounted: Callable[[str], bool]
    ) -> RemotePool:
        """A node's pool, as its daemon makes it."""
        runtime = self._runtimes.setdefault(names.node, self._ceph.folder / uuid.uuid4().hex[:8])
        return in_time(reach(self._settings, runtime, records, is_mounted, names))

    def own(self, node: str) -> Mounted:
        """The node's own mount."""
        runtime = self._runtimes[node] / "node"
        found = running(NODE, runtime / "volumes", runtime)
        assert found is not None
        return found

    def clients(self, node: str) -> list[Mounted]:
        """All clients of a node: those of volumes, and its own."""
        runtime = self._runtimes[node]
        found = [
            running(name, runtime / name.split(".")[2], runtime) for name in identities(runtime)
        ]
        found.append(running(NODE, runtime / "node" / "volumes", runtime / "node"))
        return [each for each in found if each]

    @contextmanager
    def silent(self, node: str) -> Iterator[None]:
        """Within, no client of the node answers anything, as on a node that is paused."""
        clients = self.clients(node)
        for each in clients:
            os.kill(each.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for each in clients:
                os.kill(each.pid, signal.SIGCONT)

    def end(self) -> None:
        """End all clients, and take away what killed ones have left."""
        for node in self._runtimes:
            for each in self.clients(node):
                end_politely(each)
                clear(each.mountpoint)

    def kill(self) -> None:
        """End all clients at once, and with them whatever hangs."""
        for node in self._runtimes:
            for each in self.clients(node):
                each.kill()
