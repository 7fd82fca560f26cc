"""The node that continues a volume whose owner is lost, and its turn: the same on every node.

The candidates are the nodes with a copy, the newest first; of a shared volume those that reach it.
Each has its turn for TURN_SECONDS: one that cannot take the volume over (its pool is full, its disk
is broken) keeps nobody waiting for longer. Turns are counted by each node's own monotonic clock,
from the moment it saw that the owner is away. When two nodes act at once, the transaction in etcd
lets one win.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256

from flocker.base.records import ClusterState, Copy, Volume

TURN_SECONDS = 10.0  # finding a copy, fetching the last second or two, making it writable


def has_given_up(volume: Volume, state: ClusterState) -> bool:
    """Tell whether the owner is there and leaves the volume to others: its pool cannot write."""
    owner = state.nodes.get(volume.owner)
    return volume.is_fenced and owner is not None and owner.gives_up


def is_away(volume: Volume, state: ClusterState) -> bool:
    """Tell whether another node may take the volume over: its owner is gone, or has given it up."""
    return volume.owner not in state.nodes or has_given_up(volume, state)


def copies_to_go_on_from(volume: Volume, state: ClusterState) -> list[Copy]:
    """The copies on nodes that are up, the newest first; the owner's only if it has given up.

    A node that has not heard of a promotion may still say that it holds what that left behind.
    """
    found = [
        copy
        for node, copy in state.copies_of(volume).items()
        if node in state.nodes
        and (node != volume.owner or has_given_up(volume, state))
        and volume.includes(copy.snapshot)
    ]
    return sorted(found, key=lambda copy: (copy.snapshot.number, copy.node), reverse=True)


def candidates(volume: Volume, state: ClusterState) -> list[str]:
    """The nodes that may take the volume over by themselves, in the order of their turns."""
    if volume.is_shared:
        return _reaching(volume, state)
    nodes = [copy.node for copy in copies_to_go_on_from(volume, state)]
    return [node for node in nodes if node != volume.owner and not state.nodes[node].gives_up]


def _reaching(volume: Volume, state: ClusterState) -> list[str]:
    """The nodes that reach a shared volume, in an order that is another one for each volume."""
    nodes = [
        node.name
        for node in state.nodes.values()
        if node.reaches_shared and node.name != volume.owner
    ]
    return sorted(nodes, key=lambda name: sha256(f"{volume.id} {name}".encode()).digest())


class Turns:
    """The time that each owner has been away, as one node has seen it."""

    def __init__(self, node: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._node = node
        self._clock = clock
        self._away_since: dict[tuple[str, int], float] = {}  # volume id and epoch

    def due(self, state: ClusterState) -> list[Volume]:
        """The auto volumes without an owner whose turn is this node's, now or since a while.

        To be called with every state that is seen.
        """
        lost = [
            volume
            for volume in state.volumes.values()
            if volume.failover == "auto" and is_away(volume, state)
        ]
        known, at = self._away_since, self._clock()
        self._away_since = {
            (volume.id, volume.epoch): known.get((volume.id, volume.epoch), at) for volume in lost
        }
        return [volume for volume in lost if self._is_ours(volume, state)]

    def _is_ours(self, volume: Volume, state: ClusterState) -> bool:
        order = candidates(volume, state)
        if self._node not in order:
            return False
        waited = self._clock() - self._away_since[volume.id, volume.epoch]
        return waited >= order.index(self._node) * TURN_SECONDS
