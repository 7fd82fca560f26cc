"""The mounts through which containers on this node use volumes of a shared pool.

Each is a client of its own, with a right to one folder. Its address is written down where all
nodes find it before anybody may use it: whoever takes the volume over has to block it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from flocker.base import private
from flocker.base.records import Claim
from flocker.ceph import folders, mount
from flocker.ceph.monitors import Monitors
from flocker.ceph.mount import Mounted, Ticket
from flocker.pool.remote_pool import RecordedSessions


@dataclass(frozen=True)
class SharedStorage:
    """A file system of Ceph that holds volumes.

    Attributes:
        conf: Ceph's configuration.
        filesystem: its name.
        folder: the absolute path in it below which volumes are.
    """

    conf: Path
    filesystem: str
    folder: str

    def ticket(self, claim: Claim, key: str) -> Ticket:
        """The right of a volume's owner at an epoch."""
        return Ticket(self.conf, self.filesystem, self.path_of(claim), identity(claim), key)

    def path_of(self, claim: Claim) -> str:
        """The folder that this owner mounts, as a path in the file system."""
        return f"{self.folder.rstrip('/')}/{claim.volume_id}/live.{claim.epoch}"


def identity(claim: Claim) -> str:
    """The name that the storage knows an owner's client by."""
    return f"client.flocker.{claim.volume_id}.{claim.epoch}"


class Sessions:
    """This node's clients of volumes, one for each; to be called with the volume locked.

    Args:
        runtime: a folder with a short name on no disk, which outlives the daemon.
    """

    def __init__(
        self, storage: SharedStorage, monitors: Monitors, runtime: Path, records: RecordedSessions
    ) -> None:
        self._storage = storage
        self._monitors = monitors
        self._runtime = runtime
        self._records = records
        private.make_folder(runtime)
        self._running = dict(self._found())

    def path(self, claim: Claim) -> Path:
        """Where the volume is mounted, from now on.

        Raises:
            StaleEpoch: it has another owner; nothing is mounted.
            PoolError: Ceph refuses or does not answer.
        """
        if claim.volume_id in self._running:
            known, running = self._running[claim.volume_id]
            if running.is_refused():
                running.kill()  # whoever uses its mount gets errors for ever
            if known == claim and running.is_mounted() and not running.has_ended():
                return running.mountpoint
            if not running.has_ended():
                self.end(claim.volume_id)
        self._bury(claim)
        key = self._monitors.authorize(
            self._storage.filesystem, identity(claim), self._storage.path_of(claim)
        )
        mountpoint = self._runtime / claim.volume_id
        mount.clear(mountpoint)  # of a client that was killed
        mountpoint.mkdir(mode=private.FOLDER_MODE, exist_ok=True)
        mounted = mount.mount(self._storage.ticket(claim, key), mountpoint, self._runtime)
        mounted.keep(partial(self._records.begin, claim))
        self._running[claim.volume_id] = (claim, mounted)
        return mountpoint

    def end(self, volume_id: str) -> None:
        """Unmount a volume and wait until the storage has all of it. Safe to repeat.

        Raises:
            PoolError: something uses the mount, or the storage takes nothing.
        """
        if volume_id not in self._running:
            return
        claim, mounted = self._running[volume_id]
        if mounted.has_ended():  # it was killed: the storage has to be told, as `path` does
            mount.clear(mounted.mountpoint)
        else:
            mounted.unmount()
            self._records.end(claim, mounted.address)
        del self._running[volume_id]

    def kill(self, volume_id: str) -> None:
        """End a client at once: who uses the mount gets errors. `end` takes what is left away."""
        if volume_id in self._running:
            self._running[volume_id][1].kill()

    def problem(self, volume_id: str) -> str | None:
        """Describe why users of a mount here get errors; None if none is known."""
        if volume_id in self._running and self._running[volume_id][1].is_refused():
            return "Ceph takes nothing from its client here any more; start its containers again"
        return None

    def mountpoint(self, volume_id: str) -> Path | None:
        """Where a volume is mounted; None if it is not. Nothing is asked of the storage."""
        if volume_id not in self._running:
            return None
        mounted = self._running[volume_id][1]
        return mounted.mountpoint if mounted.is_mounted() else None

    def opened(self) -> list[Claim]:
        """The volumes with a client here, also with one that was killed."""
        return [claim for claim, _ in list(self._running.values())]

    def hear_of_snapshots(self, volume_id: str) -> None:
        """Have no write in a snapshot that is made after this call.

        Raises:
            PoolError: the client does not answer.
        """
        if volume_id in self._running:
            folders.hear_of_snapshots(self._running[volume_id][1].mountpoint)

    def stop(self, former: Claim, addresses: Collection[str]) -> None:
        """Have the storage refuse an earlier owner: new clients of it, and those that run.

        Raises:
            PoolError: Ceph did not do it; the owner's clients may still write.
        """
        self._monitors.forget(identity(former))
        self.keep_out(addresses)

    def keep_out(self, addresses: Collection[str]) -> None:
        """Have the storage refuse clients for good. Safe to repeat.

        Raises:
            PoolError: Ceph did not do it.
        """
        for address in addresses:
            self._monitors.block(address)

    def _bury(self, claim: Claim) -> None:
        """Have the storage forget clients of this owner that were killed.

        It would wait for them for a minute before anybody else gets what they had in use.
        """
        for address in self._records.of(claim):
            self._monitors.block(address)
            self._records.end(claim, address)

    def _found(self) -> Iterator[tuple[str, tuple[Claim, Mounted]]]:
        """The clients that outlived an earlier daemon."""
        for name in mount.identities(self._runtime):
            _, _, volume_id, epoch = name.split(".")
            if found := mount.running(name, self._runtime / volume_id, self._runtime):
                yield volume_id, (Claim(volume_id, int(epoch)), found)
