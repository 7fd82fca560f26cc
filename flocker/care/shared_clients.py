"""Looks after this node's clients of shared volumes, in its own thread: Ceph may be away for long.

A client that nothing uses is ended. One of a volume that others own by now is refused by the
storage already; it is ended with what uses it, which would wait for ever or get errors.
"""

from __future__ import annotations

import logging
import threading
from functools import partial

from flocker.base.background import attempt
from flocker.base.records import Claim, ClusterState, Volume
from flocker.node.context import NodeContext
from flocker.pool.remote_pool import RemotePool

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
LOCK_SECONDS = 1.0


class SharedClients:
    """This node's clients of shared volumes."""

    def __init__(self, context: NodeContext, remote: RemotePool) -> None:
        self._node = context.node
        self._ownership = context.ownership
        self._mirror = context.mirror
        self._use = context.use
        self._troubles = context.troubles
        self._remote = remote

    def start(self, stopping: threading.Event) -> None:
        """Run in the background until `stopping` is set."""
        threading.Thread(target=self._run, args=(stopping,), daemon=True).start()

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(LOOK_SECONDS):
            attempt(log, "clients of shared volumes could not be looked after", self.look)

    def look(self) -> None:
        """End the clients that are not needed; first those that make others wait for ever."""
        if not self._mirror.is_connected:
            return
        state = self._mirror.state
        lost_first = sorted(
            self._remote.opened(), key=lambda claim: self._is_ours(claim, _record(claim, state))
        )
        with self._troubles.round("looking after shared volumes") as round_:
            for claim in lost_first:
                round_.attempt(f"volume {claim.volume_id}", partial(self._look_at, claim, state))

    def _look_at(self, claim: Claim, state: ClusterState) -> None:
        volume = _record(claim, state)
        if self._is_ours(claim, volume):
            assert volume is not None
            self._close_if_idle(volume)
            return
        present = self._ownership.state()  # the mirror may be late
        volume = _record(claim, present)
        if not self._is_ours(claim, volume):
            self._let_go(claim, volume, present)

    def _is_ours(self, claim: Claim, volume: Volume | None) -> bool:
        return volume is not None and volume.owner == self._node and volume.claim == claim

    def _close_if_idle(self, volume: Volume) -> None:
        if self._use.any(volume):
            return
        with self._use.locked(volume, LOCK_SECONDS):
            if not self._use.any_of(volume.id):
                self._remote.close(volume.id)

    def _let_go(self, claim: Claim, volume: Volume | None, state: ClusterState) -> None:
        """End a client that the storage refuses, and first of all what waits for it."""
        removed = state.removed.get(claim.volume_id)
        known = volume or (removed.volume if removed else None)
        why = "was removed" if volume is None else f"is owned by {volume.owner} now"
        name = known.name if known else claim.volume_id
        log.warning("volume '%s' %s: its client here is ended", name, why)
        self._remote.cut_off(claim.volume_id)
        self._use.end_all({claim.volume_id: name}, lambda _: why)
        self._remote.close(claim.volume_id)


def _record(claim: Claim, state: ClusterState) -> Volume | None:
    return next((each for each in state.volumes.values() if each.id == claim.volume_id), None)
