"""One node's way to a Ceph, put together; imported only where one is configured.

The libraries of Ceph are Debian's, and need not be there on other nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flocker.base.config import Ceph
from flocker.ceph.monitors import Monitors
from flocker.pool.references import Names
from flocker.pool.remote_pool import RecordedSessions
from flocker.pool.shared_pool import SharedPool
from flocker.pool.shared_root import SharedRoot
from flocker.pool.shared_sessions import Sessions, SharedStorage


def reach(
    ceph: Ceph,
    runtime: Path,
    records: RecordedSessions,
    is_mounted: Callable[[str], bool],
    names: Names,
) -> SharedPool:
    """The pool on that Ceph; nothing is asked of Ceph before the first call.

    Args:
        runtime: a folder with a short name on no disk, which outlives the daemon.
        records: the addresses of all nodes' clients.
        is_mounted: tells whether a process on this node has the volume of that id mounted.
        names: of what the pool puts aside.
    """
    storage = SharedStorage(ceph.conf, ceph.filesystem, ceph.folder)
    monitors = Monitors(ceph.conf, ceph.identity, ceph.keyring)
    sessions = Sessions(storage, monitors, runtime, records)
    root = SharedRoot(storage, ceph, monitors, runtime / "node", records)
    return SharedPool(root.path, sessions, is_mounted, names)
