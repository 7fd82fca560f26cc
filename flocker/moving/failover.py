"""Going on from a replica when the owner is lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

from flocker.base.background import attempt
from flocker.base.errors import (
    ControlPlaneAway,
    FlockerError,
    PoolError,
    Refused,
    StaleEpoch,
    VolumeNotFound,
)
from flocker.base.records import ClusterState, Copy, Volume, now
from flocker.moving.boot_grace import BootGrace
from flocker.moving.demotion import Demotion
from flocker.moving.kept_snapshots import KeptSnapshots
from flocker.moving.owner_change import OwnerChange
from flocker.moving.replica_choice import complete_until, copy_missing, newest_copy, owner_lost
from flocker.moving.succession import Turns, has_given_up, is_away
from flocker.moving.transfer import Transfers
from flocker.moving.workers import Workers
from flocker.node.clocks import Clocks
from flocker.node.context import NodeContext

log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
# Volumes taken over at the same time from one source: after a node's death all of its own are due.
AT_ONCE = 4
HANGS_SECONDS = 3.0  # a takeover usually takes less; this one may wait for a node that hangs


class Failover:
    """Promotes replicas on this node: on request, or automatically with failover=auto.

    Args:
        refuse: raises Refused if this node may not own a volume.
    """

    def __init__(
        self,
        context: NodeContext,
        *,
        transfers: Transfers,
        owner_change: OwnerChange,
        demotion: Demotion,
        refuse: Callable[[Volume], None],
        clocks: Clocks,
        count_promotion: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._node = context.node
        self._ownership = context.ownership
        self._mirror = context.mirror
        self._pool = context.pool
        self._pools = context.pools
        self._transfers = transfers
        self._owner_change = owner_change
        self._demotion = demotion
        self._grace = BootGrace(clocks.uptime)
        self._refuse = refuse
        self._turns = Turns(context.node, clocks.monotonic)
        self._count_promotion = count_promotion
        # By the node with the newest copy: one that hangs delays no volume of which another has it.
        self._workers: dict[str, Workers] = {}
        self._under_way: set[str] = set()  # volume ids
        self._kept = KeptSnapshots(context, transfers)

    def start(self, stopping: threading.Event) -> None:
        """Watch for owners that are lost, in the background until `stopping` is set."""
        threading.Thread(target=self._run, args=(stopping,), daemon=True).start()

    def _run(self, stopping: threading.Event) -> None:
        state = None
        while not stopping.is_set():
            state = self._mirror.changes(state, within=RETRY_SECONDS)
            if self._mirror.is_connected:
                look = partial(self.begin_takeovers, state)
                attempt(log, "lost owners could not be looked for", look)

    def take_over_lost(self, state: ClusterState) -> None:
        """As `begin_takeovers`, and wait until all that this call has begun are over."""
        for begun in self.begin_takeovers(state):
            begun.result()

    def begin_takeovers(self, state: ClusterState) -> list[Future[None]]:
        """Promote what has lost its owner, if it is this node's turn and it may by itself.

        Return at once: a volume that takes long, because a source hangs, delays no other.
        """
        self._grace.look(state)
        due = [
            volume
            for volume in self._turns.due(state)
            if volume.id not in self._under_way and not self._grace.covers(volume.owner, state)
        ]
        return [self._begin(volume, state) for volume in due]

    def _begin(self, volume: Volume, state: ClusterState) -> Future[None]:
        newest = newest_copy(volume, state)
        source = self._node if newest is None else newest.node
        if source not in self._workers:
            self._workers[source] = Workers(AT_ONCE, HANGS_SECONDS, f"failover-{source}")
        begun = self._workers[source].submit(partial(self._take_over, volume, state))
        self._under_way.add(volume.id)
        begun.add_done_callback(lambda ended: self._end(volume, ended))
        return begun

    def _end(self, volume: Volume, ended: Future[None]) -> None:
        self._under_way.discard(volume.id)
        if defect := ended.exception():
            log.error("volume '%s' not taken over", volume.name, exc_info=defect)

    def _take_over(self, volume: Volume, state: ClusterState) -> None:
        try:
            promoted, _ = self._promote(volume, state, "auto", may_be_older=True)
        except FlockerError as error:
            log.warning("volume '%s' not taken over: %s", volume.name, error)
        else:  # others may wait to be taken over
            self._kept.begin(promoted, state)

    def promote(self, name: str, *, here: bool = False) -> tuple[Volume, str]:
        """Make this node the owner of a volume whose owner is away.

        Or, where this node is its owner and came back without its disk, go on from a replica.

        Args:
            here: go on from the newest copy that can be had here, though a newer one exists.

        Returns:
            The new record, and up to when nothing was lost.

        Raises:
            Refused: its owner is there and has it, or no replica can be had here.
            VolumeNotFound: no node knows the name.
        """
        state = self._ownership.state()
        volume = state.volumes.get(name)
        if volume is None:
            raise VolumeNotFound(name)
        if volume.owner == self._node:
            if volume.is_shared or self._can_open(volume):
                raise Refused(f"volume '{name}' is owned by {self._node} already")
        elif not is_away(volume, state):
            raise Refused(
                f"volume '{name}' is owned by {volume.owner}, which is up; "
                f"`flocker move {name}` brings it here with all of its data"
            )
        promoted, until = self._promote(volume, state, "manual", may_be_older=here)
        self._kept.fetch(promoted, state)
        return promoted, until

    def _promote(
        self, volume: Volume, state: ClusterState, kind: str, *, may_be_older: bool
    ) -> tuple[Volume, str]:
        if volume.is_shared:
            return self._promote_shared(volume, state, kind)
        self._refuse(volume)
        is_own = volume.owner == self._node
        copy = newest_copy(volume, state)
        if copy is None:
            raise copy_missing(volume, state) if is_own else owner_lost(volume, state)
        if not is_own:
            self._demotion.demote(volume)
        newest = self._newest_here(volume, copy, state, may_be_older=may_be_older)
        # That an owner without its disk was heard of says nothing about its copies.
        until = newest.taken_at if is_own else complete_until(volume, newest, state)
        why, trouble = _reason(volume, state, kind, is_own=is_own)
        event = volume.event(
            self._node,
            "promoted",
            f"{volume.owner} {trouble}: {why}; what it wrote after {until} may be lost",
        )
        promoted = self._owner_change.complete(
            volume,
            volume.promoted_on(self._node, newest.snapshot),
            lambda: self._ownership.promote(volume, newest, event),
        )
        if volume.owner != self._node and volume.owner in state.copies_of(volume):
            self._record_former(promoted, replace(newest, node=volume.owner))
        self._count_promotion(kind)
        log.warning("volume '%s' promoted at epoch %d: %s", volume.name, promoted.epoch, event.why)
        return promoted, until

    def _promote_shared(self, volume: Volume, state: ClusterState, kind: str) -> tuple[Volume, str]:
        """Own a volume that this node reaches where it is, and have its former owner kept out.

        The record comes first: to keep a living owner out whose record stays would stop it.
        """
        self._pools.check_reached(volume)  # or nothing is recorded: others may reach it
        until = now()
        why, trouble = _reason(volume, state, kind, is_own=False)
        event = volume.event(
            self._node,
            "promoted",
            f"{volume.owner} {trouble}: {why}; all that was flushed is there",
        )
        promoted = self._ownership.promote_shared(volume, self._node, event)
        self._count_promotion(kind)
        log.warning("volume '%s' promoted at epoch %d: %s", volume.name, promoted.epoch, event.why)
        try:
            self._pools.owned(promoted)
        except (PoolError, ControlPlaneAway) as error:
            raise PoolError(
                f"volume '{volume.name}' is {self._node}'s now (epoch {promoted.epoch}), and Ceph "
                f"has not stopped {volume.owner} yet: {error}; the next start of its container does"
            ) from error
        return promoted, until

    def _newest_here(
        self, volume: Volume, copy: Copy, state: ClusterState, *, may_be_older: bool
    ) -> Copy:
        """Choose what to go on from, as this node's copy: `copy`, or the newest to be had."""
        failure = (
            f"{copy.node} does not hold snapshot {copy.snapshot.number} of volume "
            f"'{volume.name}' any more"
        )
        try:
            if copy.node != self._node:
                self._transfers.fetch(volume.id, copy.node, [copy.snapshot])
        except FlockerError as error:
            failure = str(error)
        here = [each for each in self._pool.snapshots(volume.id) if volume.includes(each)]
        if copy.snapshot in here:
            # From the newest one here: it may be one that this node has not been able to tell of.
            return replace(copy, node=self._node, snapshot=here[-1])
        if not here:
            raise Refused(
                f"{self._node} has no copy of volume '{volume.name}' and cannot fetch the newest "
                f"one: {failure}; `flocker status` tells where copies are"
            )
        recorded = state.copies_of(volume).get(self._node)
        is_recorded = recorded is not None and recorded.snapshot == here[-1]
        taken_at = recorded.taken_at if recorded and is_recorded else volume.created_at  # at least
        own = Copy(volume.id, self._node, here[-1], taken_at)
        if not may_be_older:
            raise Refused(
                f"the newest copy of volume '{volume.name}' is on {copy.node} and cannot be "
                f"fetched: {failure}; try again, or type `flocker promote --here {volume.name}` to "
                f"continue from the copy of {self._node}, complete up to "
                f"{complete_until(volume, own, state)}"
            )
        log.warning("volume '%s': a newer copy is left out: %s", volume.name, failure)
        return own

    def _can_open(self, volume: Volume) -> bool:
        try:
            self._pool.writable_path(volume.claim)
        except (PoolError, StaleEpoch):  # stale: an earlier promotion was not recorded
            return False
        return True

    def _record_former(self, volume: Volume, copy: Copy) -> None:
        """Say what the former owner still holds of the volume: what its successor began with.

        So all nodes keep that for it to build on when it is back.
        """
        try:
            self._ownership.publish([(volume, copy)])
        except ControlPlaneAway as error:  # it says so itself when it is back
            log.info("what %s holds was not recorded: %s", copy.node, error)


def _reason(volume: Volume, state: ClusterState, kind: str, *, is_own: bool) -> tuple[str, str]:
    """Why a volume is promoted, and what is wrong with its owner."""
    if is_own:
        trouble = "has lost its copy"
    elif has_given_up(volume, state):
        trouble = "cannot write to its pool"
    else:
        trouble = "is away"
    by_itself = "it gave the volume up" if has_given_up(volume, state) else "its lease ran out"
    return (by_itself if kind == "auto" else "asked for by the operator"), trouble
