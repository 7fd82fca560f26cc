"""A node looks after its copies for others, and catches up when the cluster changed without it.

Longer than 300 lines because what peers ask for and what the node sees itself end in the same
steps.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from flocker.belief import Belief
from flocker.errors import ControlPlaneAway, LeavesBehind, Refused, StaleEpoch, VolumeNotFound
from flocker.failover import missing
from flocker.handoff import Arrivals
from flocker.mirror import Mirror
from flocker.observed import Observed
from flocker.ownership import Ownership
from flocker.pool import Aside, Pool
from flocker.records import ClusterState, Copy, Event, Removed, Snapshot, Volume, now
from flocker.strays import newer_record
from flocker.surplus import Surplus
from flocker.told import Told
from flocker.troubles import Troubles
from flocker.volume_use import VolumeUse

log = logging.getLogger(__name__)


class Custody:
    """This node's copies, kept in line with what is agreed about them. All calls may come twice."""

    def __init__(
        self,
        node: str,
        *,
        ownership: Ownership,
        mirror: Mirror,
        pool: Pool,
        arrivals: Arrivals,
        use: VolumeUse,
        told: Told,
        prune: Callable[[Volume], None],
        troubles: Troubles,
        observed: Observed,
        retention_seconds: float,
    ) -> None:
        """Args:
        prune: deletes the snapshots here that nothing can build on any more.
        troubles: takes what goes wrong with single volumes, which stops no other volume.
        observed: counts the time that retentions are measured in.
        retention_seconds: for how long a copy is kept that is not kept up any more.
        """
        self._node = node
        self._ownership = ownership
        self._mirror = mirror
        self._pool = pool
        self._arrivals = arrivals
        self._use = use
        self._told = told
        self._prune = prune
        self._troubles = troubles
        self._surplus = Surplus(
            node,
            ownership=ownership,
            pool=pool,
            use=use,
            observed=observed,
            retention_seconds=retention_seconds,
        )

    def refuse_if_used(self, name: str) -> None:
        """Answer a peer that wants the volume.

        Raises:
            InUse: containers here use it.
            Refused: this node owns it and came back without its disk.
        """
        volume = self._existing(name)
        with self._use.locked(volume):
            self._use.refuse_if_any(volume)
            if volume.owner == self._node:
                if not self._pool.is_open(volume.id):
                    raise missing(volume, self._mirror.state)
                # A mount whose answer was lost is still recorded though nothing came of it.
                self._ownership.unmount(volume)

    def prepare(self, name: str) -> Snapshot:
        """Take a snapshot for a peer that is about to move the volume: most of what it has to
        fetch, while containers may still use the volume."""
        volume = self._existing(name)
        if volume.owner != self._node:
            raise StaleEpoch(f"volume '{name}' is not owned by {self._node}")
        return self._take_whole(volume)

    def release(self, name: str, epoch: int, token: str) -> Snapshot:
        """Take the last snapshot for the peer whose move has that token.

        While that move is in etcd no mount succeeds here, and it can only be
        finished while it is there: so nothing is written after this snapshot.
        """
        volume = self._existing(name)
        with self._use.locked(volume):
            self._use.refuse_if_any(volume)
            if volume.owner != self._node or volume.epoch != epoch:
                raise StaleEpoch(f"volume '{name}' is not owned by {self._node} at epoch {epoch}")
            move = self._ownership.move(volume.id)
            if move is None or move.token != token or not move.is_locked:
                raise StaleEpoch(f"the move of volume '{name}' has expired; try again")
            return self._take_whole(volume)

    def put_away(self, name: str) -> None:
        """Put the writable copy of a volume away if another node owns it by now."""
        volume = self._existing(name)
        if volume.owner != self._node and self._pool.is_open(volume.id):
            self._give_way(volume)

    def step_back(self, volume: Volume) -> None:
        """Have nothing here of a volume owned elsewhere but what is part of it.

        Processes that still write are stopped. Then the writes that only this node has are put
        aside. They may lie in the trash: the volume was removed, and is back, since this node last
        looked.
        """
        if self._pool.reclaim(volume.id, partial(self._refuse_if_gone, volume)):
            log.info("volume '%s' is back; its removed copy here is used again", volume.name)
        if self._pool.is_open(volume.id):
            self._give_way(volume)
        else:
            with self._use.locked(volume):
                aside = self._put_away(volume)
            self._tell(volume, aside)

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
                    self.step_back(volume)
                    self._say_what_is_here(volume, state.copies_of(volume).get(self._node))
            elif said := state.copies_of(volume).get(self._node):
                self._ownership.withdraw([said])

        # Own ones first: what is not recorded as mounted could be taken away.
        own_first = sorted(state.volumes.values(), key=lambda each: each.owner != self._node)
        with self._troubles.round("catching up") as round_:
            round_.attempt("volumes that others own", partial(self._end_lost_uses, state))
            done = [
                round_.attempt(f"volume '{each.name}'", partial(bring_into_line, each))
                for each in own_first
            ]
        return all(done)

    def tidy(self) -> None:
        """Put right what got lost on the way: every few seconds, and cheap when nothing did."""
        state = self._mirror.state
        former, surplus = self._use.former(), self._surplus.old(state)
        open_here = self._pool.open_ids()
        for move in state.moves.values():
            # Moves to this node that nobody here works on.
            if move.target == self._node and not self._arrivals.is_bringing(move.volume_id):
                self._ownership.abandon_move(move)

        def put_right(volume: Volume) -> None:
            if volume.owner == self._node:
                self._drop_former_uses(volume, former, is_recorded=volume.id in state.mounts)
            elif self._arrivals.is_bringing(volume.id):
                return
            elif volume.id in open_here:
                self._give_way(volume)
            elif copy := surplus.get(volume.id):
                self._surplus.give_up(volume, copy)

        # Of hundreds of volumes only those that there may be something to do about.
        own_due = former | state.mounts.keys()
        others_due = open_here | surplus.keys()
        with self._troubles.round("tidying") as round_:
            for volume in state.volumes.values():
                if volume.id not in (own_due if volume.owner == self._node else others_due):
                    continue
                round_.attempt(f"volume '{volume.name}'", partial(put_right, volume))
            for volume_id in set(self._pool.volume_ids()) - state.volume_ids():
                if removed := state.removed.get(volume_id):
                    forget = partial(self.forget, volume_id)
                    round_.attempt(f"removed volume '{removed.volume.name}'", forget)

    def end_unbacked_uses(self) -> None:
        """End uses whose unmount never came; needs no etcd, and asks the engine only of those."""
        used = self._use.volumes()
        self._use.end_unbacked(
            [volume for volume in self._mirror.state.volumes.values() if volume.id in used]
        )

    def expel(self) -> None:
        """Stop whatever uses a volume on this machine, which may not be the node of its name.

        Volumes with failover=manual too: another machine may write to them in this node's name.
        """
        state = self._mirror.state
        names = {volume_id: volume_id for volume_id in self._pool.volume_ids()}
        names |= {volume_id: each.volume.name for volume_id, each in state.removed.items()}
        names |= {volume.id: volume.name for volume in state.volumes.values()}
        self._use.end_all(
            names, lambda _: f"may not be used: this machine is not {self._node} any more"
        )

    def forget(self, volume_id: str) -> None:
        """Put what is here of a removed volume aside.

        Raises:
            Refused: the volume is not recorded as removed.
        """
        with self._use.locked_id(volume_id):  # not while it is being put away
            removed = self._removed(volume_id)
            if removed is None:
                raise Refused(f"volume {volume_id} is not recorded as removed")
            self._discard(removed, removed)
        self._told.removed(removed.volume)

    def forget_purged(self, purged: Removed) -> None:
        """Put what is here of a volume aside that was removed and even purged.

        Args:
            purged: its record, from a caller who has just purged it.

        Raises:
            Refused: the volume is there.
        """
        with self._use.locked_id(purged.volume.id):
            self._discard(purged, self._removed(purged.volume.id))

    def _discard(self, record: Removed, removed: Removed | None) -> None:
        """To be called with the volume locked; `removed` is what etcd says of it."""
        volume = record.volume
        # Its last owner may be taking it back: then the copy there is at a later epoch already.
        is_own = removed is not None and removed.volume.owner == self._node
        epoch = removed.volume.epoch if removed and is_own else None
        belief = Belief(lambda: self._refuse_unless_same(removed, volume.id), epoch)
        if volume.owner != self._node:
            self._keep_what_is_not_part(volume, belief.confirm)
        self._pool.discard(volume.id, volume.name, self._node, belief)

    def _keep_what_is_not_part(self, volume: Volume, confirm: Callable[[], None]) -> None:
        """Put aside what only this node has, or whoever purges the volume would not know of it."""
        here = self._pool.snapshots(volume.id)
        if self._pool.is_open(volume.id) or not all(map(volume.includes, here)):
            self._tell(volume, self._pool.put_away(volume, self._node, confirm))

    def _removed(self, volume_id: str) -> Removed | None:
        """The removed volume; None if it was even purged.

        Raises:
            Refused: it is there.
        """
        removed = self._ownership.removed(volume_id)
        # All of etcd is read only when it is not a volume that was just removed: of a hundred
        # removals at once each would hold a copy of everything.
        if removed is None and volume_id in self._ownership.state().volume_ids():
            raise Refused(f"volume {volume_id} has not been removed")
        return removed

    def _refuse_unless_same(self, removed: Removed | None, volume_id: str) -> None:
        if self._removed(volume_id) != removed:
            raise Refused(f"volume {volume_id} was had back, or purged, meanwhile; try again")

    def _put_away(self, volume: Volume) -> Aside | None:
        """To be called with the volume locked."""
        return self._pool.put_away(volume, self._node, lambda: self._refuse_if_ours(volume))

    def _refuse_if_gone(self, volume: Volume) -> None:
        there = self._ownership.volume(volume.name)
        if there is None or there.id != volume.id:
            raise Refused(f"volume '{volume.name}' was removed this moment")

    def _refuse_if_ours(self, volume: Volume) -> None:
        there = self._ownership.volume(volume.name)
        if there is not None and there.id == volume.id and there.owner == self._node:
            raise StaleEpoch(f"volume '{volume.name}' came to {self._node} meanwhile")

    def _give_way(self, volume: Volume) -> None:
        """Put the writable copy away for an owner elsewhere."""
        if not self._is_lost(volume):
            return
        self._use.end([volume])
        with self._use.locked(volume):
            if not self._pool.is_open(volume.id):
                return  # it was put away or removed meanwhile
            aside = self._put_away(volume)
        self._tell(volume, aside)

    def _end_lost_uses(self, state: ClusterState) -> None:
        """Stop what uses volumes that others own by now, side by side: each alone may take long."""
        elsewhere = [volume for volume in state.volumes.values() if volume.owner != self._node]
        self._use.end(
            [each for each in elsewhere if self._pool.is_open(each.id) and self._is_lost(each)]
        )

    def _is_lost(self, volume: Volume) -> bool:
        """Tell whether another node owns the volume for good, at this moment."""
        present = self._ownership.volume(volume.name)
        if present is None or present.id != volume.id or present.owner == self._node:
            return False  # it came back, or was removed, since that record was read
        # Of a newer one than etcd's a person has to decide; looking for strays shows it.
        return newer_record(self._node, self._pool, present) is None

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

    def _say_what_is_here(self, volume: Volume, said: Copy | None) -> None:
        snapshots = self._pool.snapshots(volume.id)
        if not snapshots:
            if said is not None:
                self._ownership.withdraw([said])
        elif said is None or said.snapshot != snapshots[-1]:
            # When it was taken is not known here; that it is older than now is all that can be
            # promised, so it counts as being from the beginning.
            copy = Copy(volume.id, self._node, snapshots[-1], volume.created_at)
            if said is not None:  # which may be later, if this node lost it
                self._ownership.withdraw([said])
            self._ownership.publish([(volume, copy)])

    def _tell(self, volume: Volume, aside: Aside | None) -> None:
        if aside is None:
            return
        log.warning(
            "what only %s had of volume '%s' is kept as %s",
            self._node,
            volume.name,
            aside.reference,
        )
        event = Event(
            volume.id, volume.name, now(), self._node, "conflict",
            f"what only {self._node} had is kept as {aside.reference}",
        )  # fmt: skip
        try:
            self._ownership.record(event)
        except ControlPlaneAway as error:
            log.info("not written to the history: %s", error)

    def _take_whole(self, volume: Volume) -> Snapshot:
        try:
            snapshot = self._pool.take_snapshot(volume.claim, is_whole=True)
        except LeavesBehind as error:
            raise Refused(f"volume '{volume.name}' cannot leave {self._node}: {error}") from error
        if volume.replicas == 0:  # of others the publisher does it
            self._prune(volume)
        return snapshot

    def _existing(self, name: str) -> Volume:
        volume = self._ownership.volume(name)
        if volume is None:
            raise VolumeNotFound(name)
        return volume
