"""Replication ahead of time: owners publish what changed (publisher.py), replicas fetch it.

The follower sees in its mirror what was published, and fetches. Which nodes are replicas follows
from the cluster's state alone, so nothing has to be agreed about it.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from flocker.background import attempt
from flocker.catalog import Catalog
from flocker.errors import ControlPlaneAway, FlockerError
from flocker.ownership import Ownership
from flocker.pool import Pool
from flocker.records import Copy, State, Volume, ago
from flocker.setbacks import Setbacks
from flocker.transfer import Transfers

log = logging.getLogger(__name__)

AT_ONCE = 4  # streams fetched at the same time
RETRY_SECONDS = 5.0


def replicas_of(volume: Volume, state: State) -> list[str]:
    """The nodes that shall hold a replica, the same answer on every node.

    Nodes whose copy is not stuck; of them those that hold the newest copy first, so that a
    copy once made is kept up; then those with the most room.
    """
    return _replicas(volume, state, stuck_last=True)


def _replicas(volume: Volume, state: State, *, stuck_last: bool) -> list[str]:
    copies = state.copies_of(volume)

    def rank(name: str) -> tuple[bool, int, int, str]:
        node = state.nodes[name]
        is_part = name in copies and volume.includes(copies[name].snapshot)
        newest = copies[name].snapshot.number if is_part else 0
        is_stuck = stuck_last and volume.id in node.stuck
        return (is_stuck, -newest, -node.pool_free_bytes, name)

    others = sorted((name for name in state.nodes if name != volume.owner), key=rank)
    return others[: volume.replicas]


class Retention:
    """Which snapshots a node must not prune; any number of threads may tell and ask.

    Args:
        seconds: how long a node may be away and still find the snapshot its copies end with.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._sent: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self._asked_for: defaultdict[str, set[int]] = defaultdict(set)
        self._read: defaultdict[str, Counter[int]] = defaultdict(Counter)

    def sending(self, volume_id: str, node: str, number: int) -> None:
        """A peer is fetching this one; it is the next parent even before the peer says so."""
        with self._lock:
            self._sent[volume_id][node] = number

    def asked_for(self, volume_id: str, number: int) -> None:
        """A person wants this one; until the cluster knows, nothing else keeps it."""
        with self._lock:
            self._asked_for[volume_id].add(number)

    def not_wanted(self, volume_id: str, number: int) -> None:
        """That person does not want it any more."""
        with self._lock:
            self._asked_for[volume_id].discard(number)

    @contextmanager
    def reading(self, volume_id: str, number: int) -> Iterator[None]:
        """This one is being read from end to end."""
        with self._lock:
            self._read[volume_id][number] += 1
        try:
            yield
        finally:
            with self._lock:
                self._read[volume_id][number] -= 1

    def numbers(self, volume: Volume, state: State) -> set[int]:
        """What any other copy may build on, and what people asked to keep."""
        unheard_since = ago(self._seconds)
        kept = {
            copy.snapshot.number
            for node, copy in state.copies_of(volume).items()
            if node in state.nodes or state.seen.get(node, unheard_since) >= unheard_since
        }
        kept |= {named.snapshot.number for named in state.named(volume)}
        with self._lock:
            kept |= self._asked_for.get(volume.id, set())
            kept |= set(+self._read.get(volume.id, Counter()))
            kept |= set(self._sent.get(volume.id, {}).values())
        return kept


class Follower:
    """Keeps this node's replicas up with their owners."""

    def __init__(
        self,
        node: str,
        *,
        ownership: Ownership,
        catalog: Catalog,
        pool: Pool,
        transfers: Transfers,
        retention: Retention,
        clear: Callable[[Volume], None],
    ) -> None:
        """Args:
        clear: puts aside what this node holds of a volume that is not part of it any more;
            called before anything is fetched.
        """
        self._node = node
        self._ownership = ownership
        self._catalog = catalog
        self._pool = pool
        self._transfers = transfers
        self._retention = retention
        self._clear = clear
        self._lock = threading.Lock()
        self._under_way: set[str] = set()
        self._setbacks = Setbacks()
        self._workers = ThreadPoolExecutor(AT_ONCE, "follow")

    def start(self, stopping: threading.Event) -> None:
        """Run in the background until `stopping` is set."""
        threading.Thread(target=self._run, args=(stopping,), daemon=True).start()

    def _run(self, stopping: threading.Event) -> None:
        state = None
        while not stopping.is_set():
            state = self._catalog.changes(state, within=RETRY_SECONDS)
            attempt(log, "replicas could not be looked after", partial(self.look, state))

    def stuck(self) -> dict[str, str]:
        """Volume id -> why its copy here does not get any further."""
        return self._setbacks.stuck()

    def problems(self) -> list[str]:
        """Problems of the copies here that are stuck, for people."""
        stuck = self._setbacks.stuck()
        return [
            f"the replica of volume '{volume.name}' here is stuck: {stuck[volume.id]}"
            for volume in self._catalog.volumes()
            if volume.id in stuck
        ]

    def look(self, state: State) -> None:
        """Begin to fetch whatever this node lacks; returns at once."""
        self._forget_mended(state)
        for volume in state.volumes.values():
            if self.lacks(volume, state) and self._setbacks.is_due(volume.id):
                self._begin(volume)

    def lacks(self, volume: Volume, state: State) -> bool:
        """Whether this node shall have a replica, and it is not the newest."""
        return self._is_behind(volume, state) and self._node in replicas_of(volume, state)

    def _is_behind(self, volume: Volume, state: State) -> bool:
        """Tell whether the owner, who is there, has published what is not here."""
        copies = state.copies_of(volume)
        if self._node == volume.owner or volume.owner not in copies:
            return False
        mine = copies.get(self._node)
        is_current = mine is not None and mine.snapshot == copies[volume.owner].snapshot
        return volume.owner in state.nodes and not is_current

    def follow(self, volume: Volume, state: State) -> None:
        """Fetch what is missing of one volume here, and say so.

        Raises:
            FlockerError: it could not be had; what was there before is kept.
        """
        if self._pool.reclaim(volume.id):
            log.info("volume '%s' is back; its removed copy here is used again", volume.name)
        if volume.size_bytes is not None:
            self._pool.prepare_sizes()
        self._clear(volume)
        newest = state.copies_of(volume)[volume.owner]
        named = [each.snapshot for each in state.named(volume)]
        self._transfers.fetch(volume.id, volume.owner, [*named, newest.snapshot])
        copy = Copy(volume.id, self._node, newest.snapshot, newest.taken_at)
        self._ownership.publish([(volume, copy)])
        self._pool.prune(volume.id, self._retention.numbers(volume, state))

    def _begin(self, volume: Volume) -> None:
        with self._lock:
            if volume.id in self._under_way:
                return
            self._under_way.add(volume.id)
        self._workers.submit(self._work, volume)

    def _work(self, volume: Volume) -> None:
        failure = f"replica of volume '{volume.name}' falls behind"
        attempt(log, failure, lambda: self._follow_if_behind(volume))
        with self._lock:
            self._under_way.discard(volume.id)

    def _follow_if_behind(self, volume: Volume) -> None:
        try:
            state = self._catalog.state
            if state.volumes.get(volume.name) == volume and self.lacks(volume, state):
                self.follow(volume, state)
                self._setbacks.over(volume.id)
        except ControlPlaneAway as error:  # no fault of this copy, and said elsewhere
            log.debug("replica of volume '%s' waits: %s", volume.name, error)
        except FlockerError as error:
            if self._setbacks.failed(volume.id, error):  # not at each attempt
                log.warning("replica of volume '%s' falls behind: %s", volume.name, error)

    def _forget_mended(self, state: State) -> None:
        """Not as long as this node would be chosen again the moment its trouble is forgotten."""
        by_id = {volume.id: volume for volume in state.volumes.values()}
        for volume_id in self._setbacks.volume_ids():
            volume = by_id.get(volume_id)
            if (
                volume is None
                or not self._is_behind(volume, state)
                or self._node not in _replicas(volume, state, stuck_last=False)
            ):
                self._setbacks.over(volume_id)
