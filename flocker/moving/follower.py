"""The replicas' side of replication: fetches what owners have published.

The owners' nodes are followed side by side. One request names what all volumes of an owner lack
here, and one stream brings it; what arrived is flushed at once and told in one write. A volume
whose changes are large, or that is new here, is fetched alone while the small ones go on. Each
owner has workers of its own for that, so an owner that hangs holds up no other's volumes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from flocker.base.background import attempt
from flocker.base.errors import ControlPlaneAway, FlockerError, PoolError
from flocker.base.records import ClusterState, Copy, Volume
from flocker.moving.demotion import Demotion
from flocker.moving.replica_choice import is_behind, taken_at
from flocker.moving.setbacks import Setbacks
from flocker.moving.transfer import Transfers
from flocker.node.context import NodeContext
from flocker.node.retention import replicas_of

log = logging.getLogger(__name__)

AT_ONCE = 4  # volumes of one owner fetched alone at the same time
BATCH = 50  # volumes in one request: what is in it counts only when all of it is on disk
RETRY_SECONDS = 5.0


class Follower:
    """Keeps this node's replicas up with their owners."""

    def __init__(self, context: NodeContext, transfers: Transfers, demotion: Demotion) -> None:
        self._node = context.node
        self._ownership = context.ownership
        self._mirror = context.mirror
        self._pool = context.pool
        self._retention = context.retention
        self._transfers = transfers
        self._demotion = demotion
        self._lock = threading.Lock()
        # A state, and the volumes that are behind in it.
        self._compared: tuple[ClusterState, list[Volume]] = ClusterState(), []
        self._alone: set[str] = set()  # volumes that are fetched alone now
        self._followed: dict[str, bool] = {}  # owner -> whether to look once more when done
        self._setbacks = Setbacks()
        self._workers: dict[str, ThreadPoolExecutor] = {}  # by owner

    def start(self, stopping: threading.Event) -> None:
        """Run in the background until `stopping` is set."""
        threading.Thread(target=self._run, args=(stopping,), daemon=True).start()

    def _run(self, stopping: threading.Event) -> None:
        state = None
        while not stopping.is_set():
            state = self._mirror.changes(state, within=RETRY_SECONDS)
            attempt(log, "replicas could not be looked after", partial(self.look, state))

    def stuck(self) -> dict[str, str]:
        """Volume id -> why its copy here does not get any further."""
        return self._setbacks.stuck()

    def problems(self) -> list[str]:
        """Problems of the copies here that are stuck, for people."""
        stuck = self._setbacks.stuck()
        return [
            f"the replica of volume '{volume.name}' here is stuck: {stuck[volume.id]}"
            for volume in self._mirror.volumes()
            if volume.id in stuck
        ]

    def look(self, state: ClusterState) -> None:
        """Begin to fetch whatever this node lacks; returns at once."""
        self._forget_mended(state)
        for owner in {volume.owner for volume in self._due(state)}:
            self._begin(owner)

    def lacks(self, volume: Volume, state: ClusterState) -> bool:
        """Tell whether this node shall have a replica, and it is not the newest."""
        return is_behind(self._node, volume, state) and self._node in replicas_of(volume, state)

    def _due(self, state: ClusterState) -> list[Volume]:
        """List what is to be fetched now, the oldest copy first."""
        due = [
            volume
            for volume in self._all_behind(state)
            if volume.id not in self._alone
            and self._node in replicas_of(volume, state)
            and self._setbacks.is_due(volume.id)
        ]
        return sorted(due, key=lambda volume: taken_at(self._node, volume, state))

    def _all_behind(self, state: ClusterState) -> list[Volume]:
        """List what is not here; looked through anew only when something of it has changed.

        Mostly nodes only say that they are there: see keyspace.Tables.
        """
        last, behind = self._compared
        is_same = state.volumes is last.volumes and state.copies is last.copies
        if not is_same or state.nodes.keys() != last.nodes.keys():
            behind = [each for each in state.volumes.values() if is_behind(self._node, each, state)]
            self._compared = state, behind  # in one: the workers look, too
        return behind

    def follow(self, volume: Volume, state: ClusterState) -> None:
        """Fetch what is missing of one volume here, and say so.

        Raises:
            FlockerError: it could not be had; what was there before is kept.
        """
        self._make_ready(volume)
        newest = state.copies_of(volume)[volume.owner]
        named = [each.snapshot for each in state.named(volume)]
        self._transfers.fetch(volume.id, volume.owner, [*named, newest.snapshot])
        self._publish([volume], state)

    def follow_many(
        self, owner: str, volumes: Sequence[Volume], state: ClusterState
    ) -> list[Volume]:
        """Fetch the small changes of many volumes of one owner, and say so.

        Returns:
            Those that have to be fetched alone.

        Raises:
            ControlPlaneAway: nobody could be told what is here now.
        """
        ready = [volume for volume in volumes if self._is_made_ready(volume)]
        small = [volume for volume in ready if self._has_named(volume, state)]
        newest = {each.id: state.copies_of(each)[owner].snapshot for each in small}
        outcomes = self._transfers.fetch_small(owner, newest)
        done = []
        for volume in small:
            if error := outcomes.get(volume.id):
                self._failed(volume, error)
            elif volume.id in outcomes:
                done.append(volume)
        self._publish(done, state)
        for volume in done:
            self._setbacks.over(volume.id)
        return [volume for volume in ready if volume.id not in outcomes]

    def _make_ready(self, volume: Volume) -> None:
        if volume.size_bytes is not None:
            self._pool.prepare_sizes()
        self._demotion.demote(volume)

    def _is_made_ready(self, volume: Volume) -> bool:
        try:
            self._make_ready(volume)
        except ControlPlaneAway:
            raise
        except FlockerError as error:
            self._failed(volume, error)
            return False
        return True

    def _has_named(self, volume: Volume, state: ClusterState) -> bool:
        """Tell whether all snapshots that people asked for are here already."""
        named = {each.snapshot for each in state.named(volume)}
        try:
            return not named or named <= set(self._pool.snapshots(volume.id))
        except PoolError:  # fetched alone, it fails for that reason, and no other volume does
            return False

    def _publish(self, volumes: Sequence[Volume], state: ClusterState) -> None:
        """Record that the newest snapshots of these volumes are here."""
        if not volumes:
            return
        told = []
        for volume in volumes:
            newest = state.copies_of(volume)[volume.owner]
            told.append((volume, Copy(volume.id, self._node, newest.snapshot, newest.taken_at)))
        self._ownership.publish(told)
        for volume in volumes:
            keep = partial(self._retention.numbers, volume, state)
            failure = f"old snapshots of volume '{volume.name}' could not be deleted"
            attempt(log, failure, partial(self._pool.prune, volume.id, keep))

    def _begin(self, owner: str) -> None:
        following = threading.Thread(
            target=self._follow, args=(owner,), name=f"follow-{owner}", daemon=True
        )
        with self._lock:
            if owner not in self._followed:
                following.start()  # before it is noted: there may be no room for a thread
            self._followed[owner] = True

    def _follow(self, owner: str) -> None:
        """Fetch what an owner's volumes lack here, until they lack nothing."""
        while self._shall_look(owner):
            failure = f"replicas of {owner}'s volumes fall behind"
            attempt(log, failure, partial(self._follow_once, owner))

    def _shall_look(self, owner: str) -> bool:
        with self._lock:
            if self._followed[owner]:
                self._followed[owner] = False
                return True
            del self._followed[owner]
            return False

    def _follow_once(self, owner: str) -> None:
        state = self._mirror.state
        due = [volume for volume in self._due(state) if volume.owner == owner]
        if len(due) > BATCH:
            self._begin(owner)  # once more
        try:
            for volume in self.follow_many(owner, due[:BATCH], state):
                self._begin_alone(volume)
        except ControlPlaneAway as error:  # no fault of these copies, and said elsewhere
            log.debug("replicas of %s's volumes wait: %s", owner, error)

    def _begin_alone(self, volume: Volume) -> None:
        with self._lock:
            if volume.id in self._alone:
                return
            self._alone.add(volume.id)
            if volume.owner not in self._workers:
                self._workers[volume.owner] = ThreadPoolExecutor(AT_ONCE, f"from-{volume.owner}")
            workers = self._workers[volume.owner]
        try:
            workers.submit(self._work, volume)
        except RuntimeError:  # no room for a thread
            with self._lock:
                self._alone.discard(volume.id)
            raise

    def _work(self, volume: Volume) -> None:
        failure = f"replica of volume '{volume.name}' falls behind"
        attempt(log, failure, lambda: self._follow_if_behind(volume))
        with self._lock:
            self._alone.discard(volume.id)
        self._begin(volume.owner)  # for what was published meanwhile

    def _follow_if_behind(self, volume: Volume) -> None:
        try:
            state = self._mirror.state
            if state.volumes.get(volume.name) == volume and self.lacks(volume, state):
                self.follow(volume, state)
                self._setbacks.over(volume.id)
        except ControlPlaneAway as error:  # no fault of this copy, and said elsewhere
            log.debug("replica of volume '%s' waits: %s", volume.name, error)
        except FlockerError as error:
            self._failed(volume, error)

    def _failed(self, volume: Volume, error: FlockerError) -> None:
        if self._setbacks.failed(volume.id, error):  # not at each attempt
            log.warning("replica of volume '%s' falls behind: %s", volume.name, error)

    def _forget_mended(self, state: ClusterState) -> None:
        """Not as long as this node would be chosen again the moment its trouble is forgotten."""
        by_id = {volume.id: volume for volume in state.volumes.values()}
        for volume_id in self._setbacks.volume_ids():
            volume = by_id.get(volume_id)
            if (
                volume is None
                or not is_behind(self._node, volume, state)
                or self._node not in replicas_of(volume, state, stuck_last=False)
            ):
                self._setbacks.over(volume_id)
