"""Have a former owner hold no more of a volume than any other replica.

The writes that only this node has are put aside, never deleted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial

from flocker.base.errors import ControlPlaneAway, Refused, StaleEpoch
from flocker.base.records import Snapshot, Volume
from flocker.node.context import NodeContext
from flocker.pool.kept_record import newer_record
from flocker.pool.protocol import Aside

log = logging.getLogger(__name__)


class Demotion:
    """Demotes this node's copies of volumes that other nodes own. All calls may come twice."""

    def __init__(self, context: NodeContext) -> None:
        self._node = context.node
        self._ownership = context.ownership
        self._mirror = context.mirror
        self._pool = context.pool
        self._use = context.use

    def demote(self, volume: Volume) -> None:
        """Have nothing here of a volume owned elsewhere but what is part of it.

        Processes that still write are stopped. Then the writes that only this node has are put
        aside. They may lie in the trash: the volume was removed, and is back, since this node last
        looked.
        """
        if self._pool.reclaim(volume.id, partial(self._refuse_if_gone, volume)):
            log.info("volume '%s' is back; its removed copy here is used again", volume.name)
        if self._pool.has_writable(volume.id):
            self.give_way(volume)
        else:
            with self._use.locked(volume):
                aside = self._put_away(volume)
            self.record_conflict(volume, aside)

    def give_way(self, volume: Volume) -> None:
        """Put the writable copy away for an owner elsewhere."""
        if not self._is_lost(volume):
            return
        self._use.end([volume])
        with self._use.locked(volume):
            if not self._pool.has_writable(volume.id):
                return  # it was put away or removed meanwhile
            aside = self._put_away(volume)
        self.record_conflict(volume, aside)

    def end_lost_uses(self, volumes: Iterable[Volume]) -> None:
        """Stop what uses volumes that others own by now, side by side: each alone may take long."""
        elsewhere = [volume for volume in volumes if volume.owner != self._node]
        self._use.end(
            [each for each in elsewhere if self._pool.has_writable(each.id) and self._is_lost(each)]
        )

    def record_conflict(self, volume: Volume, aside: Aside | None) -> None:
        """Tell people of writes that were put aside; nothing if there were none."""
        if aside is None:
            return
        log.warning(
            "what only %s had of volume '%s' is kept as %s",
            self._node,
            volume.name,
            aside.reference,
        )
        event = volume.event(
            self._node, "conflict", f"what only {self._node} had is kept as {aside.reference}"
        )
        try:
            self._ownership.record(event)
        except ControlPlaneAway as error:
            log.info("not written to the history: %s", error)

    def _put_away(self, volume: Volume) -> Aside | None:
        """To be called with the volume locked."""
        return self._pool.put_away(
            volume, self._node, lambda: self._refuse_if_ours(volume), self.kept(volume)
        )

    def kept(self, volume: Volume) -> list[Snapshot]:
        """The snapshots that people keep of a volume, those included that it left behind."""
        known = self._mirror.state.snapshots.get(volume.id, {})
        return [each.snapshot for each in known.values()]

    def _refuse_if_gone(self, volume: Volume) -> None:
        there = self._ownership.volume(volume.name)
        if there is None or there.id != volume.id:
            raise Refused(f"volume '{volume.name}' was removed this moment")

    def _refuse_if_ours(self, volume: Volume) -> None:
        there = self._ownership.volume(volume.name)
        if there is not None and there.id == volume.id and there.owner == self._node:
            raise StaleEpoch(f"volume '{volume.name}' came to {self._node} meanwhile")

    def _is_lost(self, volume: Volume) -> bool:
        """Tell whether another node owns the volume for good, at this moment."""
        present = self._ownership.volume(volume.name)
        if present is None or present.id != volume.id or present.owner == self._node:
            return False  # it came back, or was removed, since that record was read
        # Of a newer one than etcd's a person has to decide; looking for strays shows it.
        return newer_record(self._node, self._pool, present) is None
