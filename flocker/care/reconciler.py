"""Bring a node's copies into line with what is agreed about them, whenever the two may differ."""

from __future__ import annotations

import logging
from functools import partial

from flocker.base.errors import StaleEpoch
from flocker.base.records import ClusterState, Copy, Volume
from flocker.base.troubles import Round
from flocker.care.agreed_sizes import AgreedSizes
from flocker.care.removed_copies import RemovedCopies
from flocker.care.surplus import Surplus
from flocker.moving.arrivals import Arrivals
from flocker.moving.demotion import Demotion
from flocker.node.context import NodeContext

log = logging.getLogger(__name__)


class Reconciler:
    """Catches up after an absence, and puts right what got lost. All calls may come twice."""

    def __init__(
        self,
        context: NodeContext,
        *,
        demotion: Demotion,
        removed_copies: RemovedCopies,
        surplus: Surplus,
        arrivals: Arrivals,
    ) -> None:
        self._node = context.node
        self._ownership = context.ownership
        self._mirror = context.mirror
        self._pool = context.pool
        self._use = context.use
        self._troubles = context.troubles
        self._demotion = demotion
        self._removed_copies = removed_copies
        self._surplus = surplus
        self._arrivals = arrivals
        self._sizes = AgreedSizes(context)

    def catch_up(self) -> bool:
        """Bring this node and the cluster into line after they have not heard of each other.

        Returns:
            False if a volume could not be brought into line and must be tried again.
        """
        state = self._ownership.state()
        here = set(self._pool.volume_ids())

        def bring_into_line(volume: Volume) -> None:
            if volume.owner == self._node:
                self._use.reconcile(volume)
                self._record_mount(volume)
            if volume.id in here:
                if volume.owner != self._node:  # of its own the publisher tells
                    self._demotion.demote(volume)
                    self._publish_what_is_here(volume, state.copies_of(volume).get(self._node))
            elif recorded := state.copies_of(volume).get(self._node):
                self._ownership.withdraw([recorded])

        # Own ones first: what is not recorded as mounted could be taken away.
        own_first = sorted(state.volumes.values(), key=lambda each: each.owner != self._node)
        with self._troubles.round("catching up") as round_:
            round_.attempt(
                "volumes that others own",
                partial(self._demotion.end_lost_uses, state.volumes.values()),
            )
            done = [
                round_.attempt(f"volume '{each.name}'", partial(bring_into_line, each))
                for each in own_first
            ]
        return all(done)

    def tidy(self) -> None:
        """Put right what got lost on the way: every few seconds, and cheap when nothing did."""
        state = self._mirror.state
        former, surplus = self._use.former(), self._surplus.old(state)
        writable_here = self._pool.writable_ids()
        self._abandon_left_moves(state)

        def put_right(volume: Volume) -> None:
            if volume.owner == self._node:
                self._drop_former_uses(volume, former, is_recorded=volume.id in state.mounts)
            elif self._arrivals.is_bringing(volume.id):
                return
            elif volume.id in writable_here:
                self._demotion.give_way(volume)
            elif copy := surplus.get(volume.id):
                self._surplus.give_up(volume, copy)

        # Of hundreds of volumes only those that there may be something to do about.
        own_due = former | state.mounts.keys()
        others_due = writable_here | surplus.keys()
        with self._troubles.round("tidying") as round_:
            for volume in state.volumes.values():
                if volume.id not in (own_due if volume.owner == self._node else others_due):
                    continue
                round_.attempt(f"volume '{volume.name}'", partial(put_right, volume))
            for volume in self._sizes.due(state):
                size = partial(self._sizes.apply, volume)
                round_.attempt(f"the size of volume '{volume.name}'", size)
            self._discard_removed(state, round_)

    def _discard_removed(self, state: ClusterState, round_: Round) -> None:
        for volume_id in set(self._pool.volume_ids()) - state.volume_ids():
            if removed := state.removed.get(volume_id):
                discard = partial(self._removed_copies.discard, volume_id)
                round_.attempt(f"removed volume '{removed.volume.name}'", discard)

    def _abandon_left_moves(self, state: ClusterState) -> None:
        """End the moves to this node that nobody here works on."""
        for move in state.moves.values():
            if move.target == self._node and not self._arrivals.is_bringing(move.volume_id):
                self._ownership.abandon_move(move)

    def end_unbacked_uses(self) -> None:
        """End uses whose unmount never came; needs no etcd, and asks the engine only of those."""
        used, state = self._use.volumes(), self._mirror.state
        self._use.end_unbacked([each for each in state.volumes.values() if each.id in used])
        gone = used - state.volume_ids()
        if gone and self._mirror.is_connected:  # or what is not known may be there all the same
            self._use.end_gone(gone)

    def _drop_former_uses(self, volume: Volume, former: set[str], *, is_recorded: bool) -> None:
        if volume.id in former:
            self._use.reconcile(volume)
        if is_recorded and not self._use.any(volume):
            with self._use.locked(volume):
                if not self._use.any(volume):
                    self._ownership.unmount(volume)

    def _record_mount(self, volume: Volume) -> None:
        with self._use.locked(volume):
            if self._use.any(volume):
                try:
                    self._ownership.mount(volume)
                except StaleEpoch as error:  # changed meanwhile; the next round sees it
                    log.info("%s", error)

    def _publish_what_is_here(self, volume: Volume, recorded: Copy | None) -> None:
        snapshots = self._pool.snapshots(volume.id)
        if not snapshots:
            if recorded is not None:
                self._ownership.withdraw([recorded])
        elif recorded is None or recorded.snapshot != snapshots[-1]:
            # When it was taken is not known here; that it is older than now is all that can be
            # promised, so it counts as being from the beginning.
            copy = Copy(volume.id, self._node, snapshots[-1], volume.created_at)
            if recorded is not None:  # which may be later, if this node lost it
                self._ownership.withdraw([recorded])
            self._ownership.publish([(volume, copy)])
