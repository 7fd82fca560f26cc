"""Make a volume writable on this node for as long as the engine uses it.

docs/architecture.md, "A mount", has the steps in their order.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

from flocker.base.errors import (
    ControlPlaneAway,
    FlockerError,
    NotAdmitted,
    OwnerAway,
    OwnerLost,
    StaleEpoch,
    VolumeNotFound,
)
from flocker.base.records import ClusterState, Volume
from flocker.consensus.ownership import existing
from flocker.moving.arrivals import Arrivals
from flocker.moving.replica_choice import owner_lost
from flocker.moving.succession import has_given_up, is_away
from flocker.node.context import NodeContext
from flocker.volumes.opening import open_here

log = logging.getLogger(__name__)

ASK_AGAIN_SECONDS = 1.0  # an owner that does not answer but is not lost yet
LEADER_POLL_SECONDS = 1.0  # while etcd cannot decide


class FenceCover(Protocol):
    """Has this node's fence know of the volumes that others take over when the node falls silent.

    fence/guard.py implements it.
    """

    def covering(self, volume: Volume, within: float) -> AbstractContextManager[None]:
        """Have the fence know of a volume before the block counts a use of it.

        Raises:
            Refused: the fence would not stop it in time.
        """

    def refresh(self) -> None:
        """Note that uses have ended."""


class Mounting:
    """The mounts of one node. All calls may come twice and at once.

    Args:
        guard: knows which volumes must be stopped when this node falls silent.
        refuse: raises Refused if this node may not use a volume, as its pool cannot be written to
            (giving_up.py); called with the volume locked.
        answer_seconds: how long a mount may wait for data or for other calls.
    """

    def __init__(
        self,
        context: NodeContext,
        *,
        arrivals: Arrivals,
        guard: FenceCover,
        refuse: Callable[[Volume], None],
        answer_seconds: float,
    ) -> None:
        self._context = context
        self._node = context.node
        self._ownership = context.ownership
        self._mirror = context.mirror
        self._use = context.use
        self._arrivals = arrivals
        self._guard = guard
        self._refuse = refuse
        self._answer_seconds = answer_seconds

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
            ControlPlaneAway: etcd did not answer for all of `answer_seconds`.
            Refused: this node's fence would not stop it in time.

        Source: Docker volume plugin protocol, VolumeDriver.Mount.
        """
        deadline = time.monotonic() + self._answer_seconds
        while True:
            try:
                return self._mount_once(name, mount_id, deadline)
            except NotAdmitted:  # waiting changes nothing about that
                raise
            except ControlPlaneAway:
                # The engine starts a container with a restart policy once, and tries no more when a
                # mount is refused. When all nodes get their power back, members of etcd find each
                # other only after that. A call does not tell whether a person waits for it, so
                # this is no shorter when etcd has been away for long.
                if time.monotonic() + LEADER_POLL_SECONDS > deadline:
                    raise
                self._mirror.changes(self._mirror.state, within=LEADER_POLL_SECONDS)

    def _mount_once(self, name: str, mount_id: str, deadline: float) -> Path:
        try:
            return self._mount(existing(self._ownership, name), mount_id, deadline)
        except StaleEpoch:
            # It moved between reading the record and using it; what is true now decides.
            return self._mount(existing(self._ownership, name), mount_id, deadline)

    def _mount(self, volume: Volume, mount_id: str, deadline: float) -> Path:
        """Bring the volume here, then count one use of it, with all that a use needs.

        While the record of the mount is in etcd, no move can lock the volume. So the record is made
        before the copy is looked at. It is made after the fence knows of the use, which may take
        seconds: a lease that ends meanwhile leaves the volume to others, and the record is refused.
        """
        if volume.owner != self._node:
            volume = self._bring(volume, deadline)
        with self._use.locked(volume, max(0, deadline - time.monotonic())):
            self._refuse(volume)
            with self._guarded(volume, deadline):
                self._use.add(volume, mount_id)
            is_recorded = False
            try:
                self._ownership.mount(volume)
                is_recorded = True
                return open_here(self._context, volume)
            except BaseException:
                self._use.remove(volume, mount_id)
                if is_recorded and not self._use.any(volume):
                    self._clear_mount(volume)
                raise

    def _guarded(self, volume: Volume, deadline: float) -> AbstractContextManager[None]:
        """The fence's cover for a new use, which only volumes need that it stops."""
        if not volume.is_fenced:
            return nullcontext()
        return self._guard.covering(volume, max(0, deadline - time.monotonic()))

    def _bring(self, volume: Volume, deadline: float) -> Volume:
        """Have a volume of another node moved here, and return the record that says so.

        If its owner is lost, wait for whoever takes the volume over; that may be this node.

        Raises:
            OwnerLost: nobody takes it over in time, or nobody may without being told.
            FlockerError: as Arrivals.bring.
        """
        while True:
            state = self._mirror.state
            if has_given_up(volume, state):
                volume = self._after_takeover(volume, state, deadline, owner_lost(volume, state))
                if volume.owner == self._node:
                    return volume
            try:
                return self._arrivals.bring(
                    volume, "a container starts here", deadline - time.monotonic()
                )
            except OwnerAway as error:
                state = self._ownership.state()
                if volume.owner in state.nodes:
                    # Its lease may be about to run out, or it may only be slow.
                    if volume.failover != "auto" or time.monotonic() + ASK_AGAIN_SECONDS > deadline:
                        raise
                    self._mirror.changes(self._mirror.state, within=ASK_AGAIN_SECONDS)
                    continue
                why = owner_lost(volume, state)
                if volume.failover != "auto":
                    raise why from error
            volume = self._after_takeover(volume, state, deadline, why)
            if volume.owner == self._node:
                return volume

    def _after_takeover(
        self, volume: Volume, state: ClusterState, deadline: float, why: OwnerLost
    ) -> Volume:
        """The record once its owner has changed.

        Raises:
            OwnerLost: nobody took it over in time.
        """
        while (left := deadline - time.monotonic()) > 0:
            now_known = state.volumes.get(volume.name)
            if now_known is None:
                raise VolumeNotFound(volume.name)
            if now_known.epoch != volume.epoch or not is_away(volume, state):
                return now_known
            state = self._mirror.changes(state, within=left)
        raise why

    def unmount(self, name: str, mount_id: str) -> None:
        """End one use of a volume, in less than the 60 s that the engine gives it.

        Nothing is sent to other nodes. A shared volume's client gives the storage what is left.
        """
        volume = self._mirror.volume(name)
        if volume is None:
            raise VolumeNotFound(name)
        with self._use.locked(volume):
            self._use.remove(volume, mount_id)
            if not self._use.any(volume):
                if volume.is_fenced:
                    self._guard.refresh()
                if volume.is_shared:
                    self._close(volume)
                if volume.owner == self._node:
                    self._clear_mount(volume)

    def _close(self, volume: Volume) -> None:
        """Have the storage take what is left, so that no move has to wait for it later.

        Where it takes nothing now, care/shared_clients.py tries again. Nobody can write to the
        volume meanwhile but this client, and whoever takes the volume over stops that.
        """
        try:
            self._context.pools.sharing(volume).close(volume.id)
        except FlockerError as error:
            log.warning("volume '%s' is not unmounted yet: %s", volume.name, error)

    def _clear_mount(self, volume: Volume) -> None:
        """Take the record of the mount out of etcd, if etcd answers."""
        try:
            self._ownership.unmount(volume)
        except ControlPlaneAway as error:
            # The count here is what matters: a peer asks this node before it moves the volume,
            # and that clears the record.
            log.warning("unmount of volume '%s' not recorded: %s", volume.name, error)
