"""What a node may do with a volume. Knows no HTTP, no btrfs and no etcd."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flocker.catalog import Catalog
from flocker.errors import (
    ControlPlaneAway,
    EngineAway,
    InUse,
    PoolError,
    Refused,
    StaleEpoch,
    VolumeNotFound,
)
from flocker.handoff import Arrivals, Peers
from flocker.holders import Holders
from flocker.ownership import Ownership, Volume, check_name, check_options
from flocker.pool import Pool, Snapshot

log = logging.getLogger(__name__)

ContainersUsing = Callable[[str], list[str]]


@dataclass(frozen=True)
class Description:
    """A volume as this node sees it; `mountpoint` only where the volume can be written."""

    volume: Volume
    mountpoint: Path | None
    status: dict[str, Any]


class Driver:
    """The volumes of the cluster, from one node. All calls may come twice and at once.

    Args:
        node: this node's name.
        containers_using: names of the containers of this node's engine that
            use the volume of a name; may raise EngineAway.
        answer_seconds: how long a mount may wait for data or for other calls.
    """

    def __init__(
        self,
        node: str,
        *,
        ownership: Ownership,
        catalog: Catalog,
        pool: Pool,
        peers: Peers,
        arrivals: Arrivals,
        holders: Holders,
        containers_using: ContainersUsing,
        answer_seconds: float,
    ) -> None:
        self._node = node
        self._ownership = ownership
        self._catalog = catalog
        self._pool = pool
        self._peers = peers
        self._arrivals = arrivals
        self._holders = holders
        self._containers_using = containers_using
        self._answer_seconds = answer_seconds

    def create(self, name: str, options: dict[str, str]) -> None:
        """Make an empty volume owned by this node; one that exists anywhere stays as it is.

        Raises:
            BadRequest: the name or an option cannot be.
        """
        check_name(name)
        check_options(options)
        if self._catalog.volume(name) is not None:
            return
        volume = Volume(
            name=name,
            id=str(uuid.uuid4()),
            owner=self._node,
            epoch=1,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        # Data before record: whoever sees the record may open the volume at once.
        self._pool.create(volume.claim)
        winner = self._ownership.create(volume)
        if winner.id != volume.id:  # another node was faster
            self._pool.discard(volume.id)
        self._catalog.remember(winner)

    def remove(self, name: str) -> None:
        """Remove a volume on every node; one that is not there is removed already.

        Raises:
            InUse: a container uses it.
            OwnerAway: its owner, who has the data, does not answer.
        """
        volume = self._ownership.volume(name)
        if volume is None:
            return
        if volume.owner != self._node:
            self._peers.remove(volume)
            return
        with self._holders.locked(volume.id):
            self._refuse_if_used(volume)
            self._ownership.unmount(volume)  # recorded by a mount or unmount nobody heard of
            self._ownership.remove(volume)
            self._pool.discard(volume.id)
        self._peers.forget(volume)

    def mount(self, name: str, mount_id: str) -> Path:
        """Make a volume writable on this node and return where it is.

        Safe to repeat: the engine asks again when the socket drops. A failed
        mount is never followed by an unmount, so it leaves nothing counted.

        Args:
            name: chosen by the user, unique in the cluster.
            mount_id: the engine's opaque id for one use of the volume.

        Returns:
            Absolute path on this node; it stays valid until the last unmount.

        Raises:
            VolumeNotFound: no node knows the name.
            InUse: containers on another node use it.
            StillCopying: the data is on its way; the next call picks it up.
            OwnerAway: the node that has the data does not answer.

        Source: Docker volume plugin protocol, VolumeDriver.Mount.
        """
        deadline = time.monotonic() + self._answer_seconds
        try:
            return self._mount(self._existing(name), mount_id, deadline)
        except StaleEpoch:
            # It moved between reading the record and using it; what is true now decides.
            return self._mount(self._existing(name), mount_id, deadline)

    def _mount(self, volume: Volume, mount_id: str, deadline: float) -> Path:
        if volume.owner != self._node:
            volume = self._arrivals.bring(volume, deadline - time.monotonic())
            self._catalog.remember(volume)
        with self._locked(volume, deadline):
            self._ownership.mount(volume)
            try:
                mountpoint = self._open(volume)
                self._holders.add(volume.id, mount_id)
            except BaseException:
                if not self._holders.any(volume.id):
                    self._clear_mount(volume)
                raise
        return mountpoint

    def unmount(self, name: str, mount_id: str) -> None:
        """End one use of a volume. Never waits for data: the engine gives it 60 s."""
        volume = self._catalog.volume(name)
        if volume is None:
            raise VolumeNotFound(name)
        with self._holders.locked(volume.id):
            self._holders.remove(volume.id, mount_id)
            if not self._holders.any(volume.id) and volume.owner == self._node:
                self._clear_mount(volume)

    def describe(self, name: str) -> Description:
        """What can be said of one volume.

        Raises:
            VolumeNotFound: etcd says there is none. Never only because etcd is away.
        """
        volume = self._catalog.volume(name)
        if volume is None:
            raise VolumeNotFound(name)
        return self._description(volume)

    def describe_all(self) -> list[Description]:
        """All volumes of the cluster, by name."""
        return [self._description(volume) for volume in self._catalog.volumes()]

    def refuse_if_used(self, name: str) -> None:
        """Answer a peer that wants the volume.

        Raises:
            InUse: containers here use it.
        """
        volume = self._existing(name)
        with self._holders.locked(volume.id):
            self._refuse_if_used(volume)
            if volume.owner == self._node:
                # A mount whose answer was lost is still recorded though nothing came of it.
                self._ownership.unmount(volume)

    def release(self, name: str, epoch: int, token: str) -> list[Snapshot]:
        """Take the last snapshot for the peer whose move has that token.

        While that move is in etcd no mount succeeds here, and it can only be
        finished while it is there: so nothing is written after this snapshot.

        Returns:
            All snapshots here, oldest first; the last one is the one to fetch.
        """
        volume = self._existing(name)
        with self._holders.locked(volume.id):
            self._refuse_if_used(volume)
            if volume.owner != self._node or volume.epoch != epoch:
                raise StaleEpoch(f"volume '{name}' is not owned by {self._node} at epoch {epoch}")
            if not any(move.token == token for move in self._ownership.moves()):
                raise StaleEpoch(f"the move of volume '{name}' has expired; try again")
            self._pool.take_snapshot(volume.claim)
            return self._pool.snapshots(volume.id)

    def put_away(self, name: str) -> None:
        """Put the writable copy of a volume away if another node owns it by now."""
        volume = self._existing(name)
        with self._holders.locked(volume.id):
            if volume.owner != self._node and not self._holders.any(volume.id):
                self._pool.put_away(volume.claim)

    def catch_up(self) -> None:
        """Bring this node and the cluster into line after they have not heard of each other."""
        volumes = self._catalog.volumes()
        for volume in volumes:
            if volume.owner == self._node and self._holders.any(volume.id):
                self._record_mount(volume)
        for volume in volumes:
            if volume.owner != self._node and self._pool.is_open(volume.id):
                self.put_away(volume.name)
        for unknown in set(self._pool.volume_ids()) - {volume.id for volume in volumes}:
            log.warning("the pool holds volume %s, which the cluster does not know", unknown)

    def tidy(self) -> None:
        """Learn what volumes there are, for when etcd is away, and end moves left behind.

        Those are moves to this node that nobody here works on: their end got lost on the way.
        """
        self._catalog.volumes()
        for move in self._ownership.moves():
            if move.target == self._node and not self._arrivals.is_bringing(move.volume_id):
                self._ownership.abandon_move(move)

    def forget(self, volume_id: str) -> None:
        """Put what is here of a removed volume into the trash."""
        if any(volume.id == volume_id for volume in self._ownership.volumes()):
            raise Refused(f"volume {volume_id} has not been removed")
        with self._holders.locked(volume_id):
            self._pool.discard(volume_id)

    def _existing(self, name: str) -> Volume:
        volume = self._ownership.volume(name)
        if volume is None:
            raise VolumeNotFound(name)
        return volume

    def _open(self, volume: Volume) -> Path:
        try:
            return self._pool.open(volume.claim)
        except PoolError as error:
            raise PoolError(
                f"volume '{volume.name}' cannot be opened on {self._node}: {error}"
            ) from error

    def _description(self, volume: Volume) -> Description:
        status: dict[str, Any] = {"owner": volume.owner, "epoch": volume.epoch, "id": volume.id}
        mountpoint = None
        if volume.owner == self._node:
            try:
                mountpoint = self._pool.open(volume.claim)
            except (PoolError, StaleEpoch) as error:
                # To the engine an error here would mean that the volume is gone.
                status["problem"] = str(error)
        return Description(volume, mountpoint, status)

    def _refuse_if_used(self, volume: Volume) -> None:
        if self._holders.any(volume.id):
            raise InUse(volume.name, self._node, self._containers(volume.name))

    def _containers(self, name: str) -> list[str]:
        try:
            return self._containers_using(name)
        except EngineAway as error:
            log.warning("containers that use volume '%s' cannot be named: %s", name, error)
            return []

    @contextmanager
    def _locked(self, volume: Volume, deadline: float) -> Iterator[None]:
        try:
            with self._holders.locked(volume.id, within=max(0, deadline - time.monotonic())):
                yield
        except TimeoutError:
            raise Refused(
                f"volume '{volume.name}' is busy on {self._node}; run the command again"
            ) from None

    def _record_mount(self, volume: Volume) -> None:
        with self._holders.locked(volume.id):
            if self._holders.any(volume.id):
                self._ownership.mount(volume)

    def _clear_mount(self, volume: Volume) -> None:
        try:
            self._ownership.unmount(volume)
        except ControlPlaneAway as error:
            # The count here is what matters: a peer asks this node before it moves the volume,
            # and that clears the record.
            log.warning("unmount of volume '%s' not recorded: %s", volume.name, error)
