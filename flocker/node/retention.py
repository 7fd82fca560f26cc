"""The nodes that shall hold replicas of a volume, and the snapshots that must stay on a node.

Both sides of replication go by this: owners publish what changed (publisher.py), replicas fetch
it (follower.py). Which nodes are replicas follows from the cluster's state alone, so nothing has
to be agreed about it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flocker.base.records import ClusterState, Volume
from flocker.node.observed import Observed, seen_away

PIN_SECONDS = 24 * 3600.0  # longer than the largest volume takes to be fetched
KNOWN_SECONDS = 600.0  # longer than anybody goes by a state in which a record is not there yet


def replicas_of(volume: Volume, state: ClusterState, *, stuck_last: bool = True) -> list[str]:
    """The nodes that shall hold a replica, the same answer on every node.

    Nodes whose copy is not stuck; of them those that hold the newest copy first, so that a
    copy once made is kept up; then those with the most room.
    """
    copies = state.copies_of(volume)

    def rank(name: str) -> tuple[bool, int, int, str]:
        node = state.nodes[name]
        is_part = name in copies and volume.includes(copies[name].snapshot)
        newest = copies[name].snapshot.number if is_part else 0
        is_stuck = stuck_last and volume.id in node.stuck
        return (is_stuck, -newest, -node.pool_free_bytes, name)

    others = sorted((name for name in state.nodes if name != volume.owner), key=rank)
    return others[: volume.replicas]


@dataclass(frozen=True)
class _Pin:
    """A snapshot that a node is fetching, and since when."""

    number: int
    since: float


class Retention:
    """Which snapshots a node must not prune; any number of threads may tell and ask.

    Attributes:
        seconds: how long a node may be away and still find the snapshot its copies end with.
        observed: counts that time.
    """

    def __init__(
        self, seconds: float, observed: Observed, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.seconds = seconds
        self.observed = observed
        self._lock = threading.Lock()
        self._clock = clock
        self._sent: defaultdict[str, dict[str, _Pin]] = defaultdict(dict)
        # Number -> until when it stays without a record.
        self._asked_for: defaultdict[str, dict[int, float]] = defaultdict(dict)
        self._read: defaultdict[str, Counter[int]] = defaultdict(Counter)

    def sending(self, volume_id: str, node: str, number: int) -> None:
        """A peer is fetching this one; it is the next parent even before the peer says so.

        Kept until the peer has said so, and no longer than a day.
        """
        with self._lock:
            self._sent[volume_id][node] = _Pin(number, self._clock())

    def asked_for(self, volume_id: str, number: int) -> None:
        """A person wants this one; until the cluster knows, nothing else keeps it.

        Then its record does, wherever the volume goes: another node may take that away.
        """
        with self._lock:
            self._asked_for[volume_id][number] = self._clock() + PIN_SECONDS

    def not_wanted(self, volume_id: str, number: int) -> None:
        """That person does not want it any more."""
        with self._lock:
            self._asked_for[volume_id].pop(number, None)

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

    def numbers(self, volume: Volume, state: ClusterState) -> set[int]:
        """The snapshots that another copy may build on, and those that people asked to keep."""
        kept = {
            copy.snapshot.number
            for node, copy in state.copies_of(volume).items()
            if not self._is_gone(node, state)
        }
        known = {named.snapshot.number for named in state.named(volume)}
        kept |= known
        with self._lock:
            kept |= self._not_known_yet(volume, known)
            kept |= set(+self._read.get(volume.id, Counter()))
            kept |= self._pinned(volume, state)
        return kept

    def _not_known_yet(self, volume: Volume, known: Collection[int]) -> set[int]:
        """The snapshots that people asked for this moment; the others are forgotten."""
        now, asked_for = self._clock(), self._asked_for.pop(volume.id, {})
        soon = now + KNOWN_SECONDS
        left = {
            number: min(until, soon) if number in known else until
            for number, until in asked_for.items()
            if until > now
        }
        if left:
            self._asked_for[volume.id] = left
        return set(left)

    def _pinned(self, volume: Volume, state: ClusterState) -> set[int]:
        """The snapshots that peers are fetching; the others are forgotten."""
        copies, pins = state.copies_of(volume), self._sent.pop(volume.id, {})
        left = {
            node: pin
            for node, pin in pins.items()
            if self._clock() - pin.since < PIN_SECONDS
            and not (node in copies and copies[node].snapshot.number >= pin.number)
        }
        if left:
            self._sent[volume.id] = left
        return {pin.number for pin in left.values()}

    def _is_gone(self, node: str, state: ClusterState) -> bool:
        is_away = node in seen_away(state)
        return is_away and self.observed.away_seconds(node, state) >= self.seconds
