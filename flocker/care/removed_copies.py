"""Put aside what a node still holds of volumes that were removed."""

from __future__ import annotations

from collections.abc import Callable

from flocker.base.belief import Belief
from flocker.base.errors import Refused
from flocker.base.records import ClusterState, Removed, Volume
from flocker.engine.typed_options import TypedOptions
from flocker.moving.demotion import Demotion
from flocker.node.context import NodeContext


def is_in_charge(node: str, volume: Volume, state: ClusterState) -> bool:
    """Tell whether a node looks after what is left of a removed volume.

    Its last owner does, or every node if that was forgotten.
    """
    return volume.owner == node or volume.owner in state.retired


class RemovedCopies:
    """This node's copies of removed volumes. All calls may come twice."""

    def __init__(
        self, context: NodeContext, demotion: Demotion, typed_options: TypedOptions
    ) -> None:
        self._node = context.node
        self._ownership = context.ownership
        self._mirror = context.mirror
        self._pool = context.pool
        self._pools = context.pools
        self._use = context.use
        self._demotion = demotion
        self._typed_options = typed_options

    def discard(self, volume_id: str) -> None:
        """Put what is here of a removed volume aside.

        Raises:
            Refused: the volume is not recorded as removed.
        """
        with self._use.locked_id(volume_id):  # not while it is being put away
            removed = self._removed(volume_id)
            if removed is None:
                raise Refused(f"volume {volume_id} is not recorded as removed")
            self._discard(removed, removed)
        self._typed_options.removed(removed.volume)

    def discard_purged(self, purged: Removed) -> None:
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
        if (
            volume.is_shared
            and removed is not None
            and not is_in_charge(self._node, volume, self._mirror.state)
        ):
            return  # there is one copy, and its last owner puts that aside
        # Its last owner may be taking it back: then the copy there is at a later epoch already.
        is_own = removed is not None and removed.volume.owner == self._node
        epoch = removed.volume.epoch if removed and is_own else None
        belief = Belief(lambda: self._refuse_unless_same(removed, volume.id), epoch)
        if volume.owner != self._node and not volume.is_shared:
            self._keep_what_is_not_part(volume, belief.confirm)
        self._pools.of(volume).discard(volume.id, volume.name, self._node, belief)

    def _keep_what_is_not_part(self, volume: Volume, confirm: Callable[[], None]) -> None:
        """Put aside what only this node has, or whoever purges the volume would not know of it."""
        here = self._pool.snapshots(volume.id)
        if self._pool.has_writable(volume.id) or not all(map(volume.includes, here)):
            kept = self._demotion.kept(volume)
            aside = self._pool.put_away(volume, self._node, confirm, kept)
            self._demotion.record_conflict(volume, aside)

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
            raise Refused(f"volume {volume_id} was restored or purged meanwhile; try again")
