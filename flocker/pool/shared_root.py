"""A node's own mount of the folder that all shared volumes are in.

Through it the node makes, limits, snapshots and removes volumes; no container sees it. Its address
is written down before it is used: while the node is silent, it has folders in use that the next
owners of the node's volumes need.
"""

from __future__ import annotations

import configparser
import threading
from pathlib import Path

from flocker.base import private
from flocker.base.config import Ceph
from flocker.base.errors import ControlPlaneAway, PoolError
from flocker.ceph import mount
from flocker.ceph.monitors import Monitors
from flocker.ceph.mount import Mounted, Ticket
from flocker.pool.remote_pool import RecordedSessions
from flocker.pool.shared_sessions import SharedStorage


class SharedRoot:
    """The mount of one node; it outlives the daemon, and the next one finds it.

    Args:
        settings: the node's identity, and the file with its key.
        runtime: a folder with a short name on no disk, which outlives the daemon.
    """

    def __init__(
        self,
        storage: SharedStorage,
        settings: Ceph,
        monitors: Monitors,
        runtime: Path,
        records: RecordedSessions,
    ) -> None:
        self._storage = storage
        self._identity = settings.identity
        self._keyring = settings.keyring
        self._monitors = monitors
        self._runtime = runtime
        self._records = records
        self._mountpoint = runtime / "volumes"
        self._mounting = threading.Lock()
        self._mounted: Mounted | None = None

    def path(self) -> Path:
        """Where it is mounted, from now on; made anew if its client has ended.

        Raises:
            PoolError: Ceph refuses the identity, or does not answer; or its address cannot be
                recorded.
        """
        with self._mounting:
            mounted = self._mounted or mount.running(
                self._identity, self._mountpoint, self._runtime
            )
            if mounted is not None and mounted.is_refused():  # as after a pause
                mounted.kill()
            if mounted is None or mounted.has_ended() or not mounted.is_mounted():
                mounted = self._recorded()
            self._mounted = mounted
            return self._mountpoint

    def _recorded(self) -> Mounted:
        """A new mount whose address all nodes find."""
        try:
            return self._mount()
        except ControlPlaneAway as error:
            raise PoolError(f"this node's mount of Ceph cannot be recorded: {error}") from error

    def _mount(self) -> Mounted:
        mount.clear(self._mountpoint)
        for former in self._records.root():  # Ceph would wait for one that was killed
            self._monitors.block(former)
            self._records.end_root(former)
        private.make_folder(self._runtime)
        self._mountpoint.mkdir(mode=private.FOLDER_MODE, exist_ok=True)
        storage = self._storage
        ticket = Ticket(
            storage.conf, storage.filesystem, storage.folder, self._identity, self._key()
        )
        mounted = mount.mount(ticket, self._mountpoint, self._runtime)
        mounted.keep(self._records.begin_root)
        return mounted

    def _key(self) -> str:
        keys = configparser.ConfigParser(interpolation=None)
        try:
            keys.read_string(self._keyring.read_text())
            return keys[self._identity]["key"]
        except (OSError, KeyError, configparser.Error) as error:
            raise PoolError(f"{self._keyring} has no key of {self._identity}: {error}") from error
