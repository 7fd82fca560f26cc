"""The rights of a node on a volume, by the cluster's records.

Whoever owns, copies, receives or may take over a volume may read it; a move is its target's, and
what follows a move or a removal is said by the volume's owner. The records themselves are believed:
nodes write them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from flocker.api.callers import Caller
from flocker.base.errors import NotAllowed
from flocker.base.records import ClusterState, Volume
from flocker.consensus.ownership import Ownership, existing
from flocker.moving.succession import is_away
from flocker.node.retention import replicas_of


class Rights:
    """The rights of other nodes, as one node sees them.

    Args:
        known: what this node knows without asking etcd.
    """

    def __init__(self, ownership: Ownership, known: Callable[[], ClusterState]) -> None:
        self._ownership = ownership
        self._known = known

    def retired_at(self, node: str) -> str | None:
        """Tell when a node was forgotten; None if it was not."""
        return self._known().retired.get(node)

    def check_not_retired(self, caller: Caller) -> None:
        """Refuse a node that was forgotten."""
        if retired_at := self.retired_at(caller.name):
            raise NotAllowed(
                f"{caller.name} was retired with `flocker forget {caller.name}` at {retired_at}"
            )

    def check_target(self, name: str, node: str) -> None:
        """Refuse a node to which the volume is not on its way."""
        volume = existing(self._ownership, name)
        move = self._ownership.move(volume.id)
        if move is None or move.target != node:
            raise NotAllowed(f"volume '{name}' is not on its way to {node}")

    def check_owner(self, name: str, node: str) -> None:
        """Refuse a node that does not own the volume."""
        if existing(self._ownership, name).owner != node:
            raise NotAllowed(f"volume '{name}' is not owned by {node}")

    def check_remover(self, volume_id: str, node: str) -> None:
        """Refuse a node that is not the last owner of a removed volume."""
        removed = self._ownership.removed(volume_id)
        if removed is None:
            raise NotAllowed(f"volume {volume_id} is not recorded as removed")
        if removed.volume.owner != node:
            raise NotAllowed(f"volume '{removed.volume.name}' was not owned by {node}")

    def check_reader(self, volume_id: str, node: str) -> None:
        """Refuse a node that neither copies nor receives the volume."""
        if why := self.refusals([volume_id], node).get(volume_id):
            raise NotAllowed(why)

    def refusals(self, volume_ids: Collection[str], node: str) -> dict[str, str]:
        """The volumes that a node may not read, by id, and why."""
        known = self._known()
        left = _unreadable(volume_ids, node, known)
        # This node may not have heard of them yet. A removal that it has heard of is looked up by
        # itself: nodes that have not go on asking, and reading all there is costs much more.
        unheard = {each for each in left if not self._is_removed(each, known)}
        if unheard:
            left -= unheard - _unreadable(unheard, node, self._ownership.state())
        return {
            volume_id: f"{node} neither copies nor receives volume {volume_id}"
            for volume_id in left
        }

    def _is_removed(self, volume_id: str, known: ClusterState) -> bool:
        return volume_id in known.removed and self._ownership.removed(volume_id) is not None


def _unreadable(volume_ids: Collection[str], node: str, state: ClusterState) -> set[str]:
    wanted = set(volume_ids)
    known = (volume for volume in state.volumes.values() if volume.id in wanted)
    return wanted - {volume.id for volume in known if _may_read(volume, node, state)}


def _may_read(volume: Volume, node: str, state: ClusterState) -> bool:
    move = state.moves.get(volume.id)
    return (
        node == volume.owner  # from its replicas, when it came back with an empty disk
        or node in state.copies_of(volume)
        or (move is not None and move.target == node)
        or node in replicas_of(volume, state)
        or node in replicas_of(volume, state, stuck_last=False)
        # `flocker promote` may be typed on any node; it fetches the newest copy there.
        or is_away(volume, state)
    )
