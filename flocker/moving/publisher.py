"""The owner's side of replication: freezes what changed, and says so.

A round looks which of this node's volumes changed, takes their snapshots side by side, and
records all that are complete in one write. A volume whose snapshot takes long delays no other:
the round does not wait for it, and a later one tells of it.

Each round also says up to when all volumes were looked at (see records.Look). That is how old a
replica is; a node that is alive, but does not take snapshots any more, does not pass for current.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from flocker.base.background import attempt
from flocker.base.errors import ControlPlaneAway, PoolError, StaleEpoch
from flocker.base.records import Claim, ClusterState, Copy, Look, Snapshot, Volume, now
from flocker.node.context import NodeContext

log = logging.getLogger(__name__)

ROUND_SECONDS = 1.0
PAUSE_SECONDS = 0.2  # at least, between two rounds
PATIENCE_SECONDS = 1.0  # with snapshots that a round has begun
# Snapshots that are taken at the same time share a commit and a flush: 300 of them took 0.9 s with
# 8, 0.75 s with 16 and 0.5 s with 32 threads.
AT_ONCE = 32
UNFETCHED_SECONDS = 5.0  # for which a snapshot may wait for its first replica
LATE_SECONDS = 10.0  # a round or a snapshot that takes longer is a problem for people


@dataclass(frozen=True)
class _Frozen:
    volume: Volume
    snapshot: Snapshot
    taken_at: str

    def copy_on(self, node: str) -> Copy:
        return Copy(self.volume.id, node, self.snapshot, self.taken_at)


@dataclass(frozen=True)
class _Owned:
    """The volumes on one node's disk among those `known`, as they are looked at in each round.

    Attributes:
        by_id: all of them.
        replicated: those that have replicas, by claim.
        sized: those that have a size.
    """

    known: Mapping[str, Volume]
    by_id: dict[str, Volume]
    replicated: dict[Claim, Volume]
    sized: list[Volume]

    @classmethod
    def among(cls, known: Mapping[str, Volume], node: str) -> _Owned:
        own = [each for each in known.values() if each.owner == node and not each.is_shared]
        return cls(
            known,
            {volume.id: volume for volume in own},
            {volume.claim: volume for volume in own if volume.replicas > 0},
            [volume for volume in own if volume.size_bytes is not None],
        )


@dataclass(frozen=True)
class _Freezing:
    """A snapshot that is being taken."""

    volume: Volume
    result: Future[_Frozen]
    begun: float
    begun_at: str


class Publisher:
    """Takes snapshots of what changed in this node's own volumes, and says so."""

    def __init__(self, context: NodeContext) -> None:
        self._node = context.node
        self._ownership = context.ownership
        self._mirror = context.mirror
        self._pool = context.pool
        self._retention = context.retention
        self._owned = _Owned.among({}, context.node)
        self._look: Look | None = None  # of the last round that is complete
        self._freezing: dict[str, _Freezing] = {}  # by volume id
        self._is_any_held = False  # whether a volume waits for a replica to have its last snapshot
        self._begun: dict[str, float] = {}  # volume id -> when its last snapshot was begun
        self._failing: dict[str, str] = {}  # volume id -> why no snapshot of it could be taken
        self._holding = threading.Lock()
        self._held: Counter[str] = Counter()  # volume ids: see `holding`
        self._workers = ThreadPoolExecutor(AT_ONCE, "publish")
        self._round: tuple[float, str] | None = None  # when the last one was complete

    def start(self, stopping: threading.Event, beat: Callable[[], object]) -> None:
        """Run in the background until `stopping` is set; calls `beat` in each round."""
        threading.Thread(target=self._run, args=(stopping, beat), daemon=True).start()

    def _run(self, stopping: threading.Event, beat: Callable[[], object]) -> None:
        while not stopping.is_set():
            beat()
            began = time.monotonic()
            look = partial(self.publish_changes, is_paced=True)
            if attempt(log, "changes could not be looked for", look):
                self._round = (time.monotonic(), now())
            # A volume that waits for a replica shall not wait for a whole round after that.
            seconds = ROUND_SECONDS / 2 if self._is_any_held else ROUND_SECONDS
            stopping.wait(max(PAUSE_SECONDS, began + seconds - time.monotonic()))

    def last_look(self) -> Look | None:
        """Up to when all volumes here were looked at; None before the first round."""
        return self._look

    def publish_changes(self, *, is_paced: bool = False) -> None:
        """One round over all volumes this node owns.

        Args:
            is_paced: leave volumes out for a while whose last snapshot no replica has yet. Another
                one would take the time that fetching the last one needs.
        """
        if not self._mirror.is_connected:
            return  # nobody can be told, so snapshots would only pile up
        began, state = now(), self._mirror.state
        if state.volumes is not self._owned.known:  # mostly it is: see keyspace.Tables
            self._owned = _Owned.among(state.volumes, self._node)
        mine, own = self._owned.by_id, self._owned.replicated
        for volume in self._owned.sized:
            self._contain(volume)
        changed = set(self._pool.changed_volumes(own.keys()))
        due = [
            own[claim] for claim in own if claim in changed or not self._is_published(claim, state)
        ]
        behind = self._behind(due, mine)
        self._begun = {each: begun for each, begun in self._begun.items() if each in mine}
        self._failing = {each: why for each, why in self._failing.items() if each in mine}
        due = [each for each in due if each.id not in self._freezing and each.id not in self._held]
        new = [volume for volume in due if not (is_paced and self._is_unfetched(volume, state))]
        self._is_any_held = len(new) < len(due)
        # Not for those of earlier rounds: what takes long must not hold up the others.
        wait([self._begin(volume) for volume in new], PATIENCE_SECONDS)
        self._publish_round(self._complete(), Look(self._node, began, behind))

    def publish(self, volume: Volume) -> Snapshot:
        """Freeze a volume as it is and tell the replicas.

        Raises:
            StaleEpoch: this node does not own it any more.
            ControlPlaneAway: the snapshot is taken, but nobody was told.
        """
        frozen = self._freeze(volume)
        self._ownership.publish([(volume, frozen.copy_on(self._node))])
        self._prune([volume])
        return frozen.snapshot

    @contextmanager
    def holding(self, volumes: Collection[Volume]) -> Iterator[None]:
        """Let the rounds publish nothing of these volumes while the block lasts.

        Otherwise a replica may fetch a later snapshot than one that is not known yet to be kept,
        and never fetch that one.
        """
        ids = [volume.id for volume in volumes]
        with self._holding:
            self._held += Counter(ids)
        try:
            yield
        finally:
            with self._holding:
                self._held -= Counter(ids)

    def problems(self) -> list[str]:
        """Problems of this node's volumes whose copies fall behind because of it, for people."""
        known = {volume.id: volume for volume in self._mirror.volumes()}
        late = time.monotonic() - LATE_SECONDS
        reasons = dict(self._failing) | {
            volume_id: f"its snapshot is being taken since {each.begun_at}"
            for volume_id, each in list(self._freezing.items())
            if each.begun < late
        }
        found = [
            f"volume '{known[volume_id].name}' could not be replicated: {reason}"
            for volume_id, reason in reasons.items()
            if volume_id in known and known[volume_id].owner == self._node
        ]
        if self._round is not None and self._round[0] < late:
            found.append(
                f"the volumes here were last looked at at {self._round[1]}; "
                "their replicas get nothing that was written since"
            )
        return found

    def _contain(self, volume: Volume) -> None:
        try:
            self._pool.contain(volume.claim)
        except (PoolError, StaleEpoch) as error:
            log.debug("volume '%s' is not looked into: %s", volume.name, error)

    def _is_published(self, claim: Claim, state: ClusterState) -> bool:
        """Tell whether the cluster knows of the newest snapshot here.

        It may have been taken for a move that was not made, or for a clone, and
        the answer to a publication may have been lost.
        """
        copy = state.copies.get(claim.volume_id, {}).get(self._node)
        holder = self._pool.holder(claim.volume_id)
        return holder is None or (copy is not None and copy.snapshot.identity == holder)

    def _is_unfetched(self, volume: Volume, state: ClusterState) -> bool:
        """Tell whether no replica has the last snapshot of a volume yet, which is not old."""
        copies = dict(state.copies_of(volume))
        mine = copies.pop(self._node, None)
        begun = self._begun.get(volume.id)
        if mine is None or begun is None or time.monotonic() - begun > UNFETCHED_SECONDS:
            return False
        return all(copy.snapshot != mine.snapshot for copy in copies.values())

    def _behind(self, due: Collection[Volume], mine: Collection[str]) -> dict[str, str]:
        """The volumes of which not all that was written is in what was said, and up to when it is.

        Volumes that can be written here, though nothing is known yet of their being owned, belong
        to them; so does one whose writable copy is lost.
        """
        before = "" if self._look is None else self._look.at
        known = {} if self._look is None else self._look.behind
        behind = {volume.id for volume in due}
        behind |= {each for each in mine if self._pool.is_held_back(each)}
        found = {each: known.get(each, before) for each in behind}
        return found | dict.fromkeys(self._pool.writable_ids() ^ set(mine), "")

    def _begin(self, volume: Volume) -> Future[_Frozen]:
        result = self._workers.submit(self._freeze, volume)
        self._freezing[volume.id] = _Freezing(volume, result, time.monotonic(), now())
        return result

    def _freeze(self, volume: Volume) -> _Frozen:
        taken_at = now()
        return _Frozen(volume, self._pool.take_snapshot(volume.claim), taken_at)

    def _complete(self) -> list[_Frozen]:
        """The snapshots that have been taken by now."""
        frozen: list[_Frozen] = []
        for volume_id, each in list(self._freezing.items()):
            if each.result.done() and volume_id not in self._held:
                del self._freezing[volume_id]
                failure = f"volume '{each.volume.name}' could not be frozen"
                attempt(log, failure, partial(self._take, each, frozen))
        return frozen

    def _take(self, freezing: _Freezing, frozen: list[_Frozen]) -> None:
        volume = freezing.volume
        try:
            frozen.append(freezing.result.result())
            self._begun[volume.id] = freezing.begun
            self._failing.pop(volume.id, None)
        except StaleEpoch as error:  # it moved meanwhile
            log.debug("%s", error)
        except PoolError as error:
            if self._failing.get(volume.id) != str(error):  # once, not every second
                log.warning("volume '%s' could not be replicated: %s", volume.name, error)
            self._failing[volume.id] = str(error)

    def _publish_round(self, frozen: list[_Frozen], look: Look) -> None:
        """Record what was frozen, and the look that found it; alone, a look can wait."""
        behind = dict(look.behind)
        for each in frozen:
            if each.taken_at < look.at:
                behind[each.volume.id] = each.taken_at
            else:
                behind.pop(each.volume.id, None)
        published = Look(look.node, look.at, behind)
        try:
            if frozen:
                copies = [(each.volume, each.copy_on(self._node)) for each in frozen]
                self._ownership.publish(copies, published)
            self._look = published
        except ControlPlaneAway as error:  # what was not published is found in the next round
            log.debug("volumes changed, but nobody can be told: %s", error)
        else:
            self._prune([each.volume for each in frozen])

    def _prune(self, volumes: list[Volume]) -> None:
        state = self._mirror.state
        for volume in volumes:
            keep = partial(self._retention.numbers, volume, state)
            failure = f"old snapshots of volume '{volume.name}' could not be deleted"
            attempt(log, failure, partial(self._pool.prune, volume.id, keep))
