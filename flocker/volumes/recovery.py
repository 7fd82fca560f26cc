"""Data that was removed, replaced or left behind: list it on all nodes, and bring a volume back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from flocker.base.answered_records import volume_record
from flocker.base.answers import AsideEntry, Changed, Conflicts, RemovedVolume, TrashList
from flocker.base.asking import ask_all
from flocker.base.errors import Refused
from flocker.base.records import ClusterState, Removed, Volume
from flocker.node.context import NodeContext
from flocker.pool.protocol import Aside
from flocker.volumes.gone import belief_that_gone
from flocker.volumes.moves import PeerOperations
from flocker.volumes.requests import UndeleteRequest


class PeerRecovery(PeerOperations, Protocol):
    """Other nodes' copies that were put aside. Every call may raise OwnerAway."""

    def asides(self, node: str) -> list[Aside]:
        """The copies that were put aside there."""


class Recovery:
    """Removed data that can be restored, from one node. Each call returns what can be JSON.

    Args:
        refuse: raises Refused if this node may not own a volume; called with the volume locked.
    """

    def __init__(
        self, context: NodeContext, peers: PeerRecovery, refuse: Callable[[Volume], None]
    ) -> None:
        self._context = context
        self._node = context.node
        self._ownership = context.ownership
        self._mirror = context.mirror
        self._pool = context.pool
        self._pools = context.pools
        self._use = context.use
        self._retention = timedelta(seconds=context.retention.seconds)
        self._peers = peers
        self._refuse = refuse

    def conflicts(self) -> Conflicts:
        """The copies, on all nodes, of owners that were replaced."""
        found, silent = self._asides()
        conflicts = [_aside(node, each) for node, each in found if each.why == "conflict"]
        return {"asides": conflicts, "silent": silent}

    def trash(self) -> TrashList:
        """List what was removed or replaced and can still be restored.

        A removed volume's data without a record is among the copies: the volume was purged, or
        brought back, while the storage or the node did not answer.
        """
        found, silent = self._asides()
        state = self._ownership.state()
        return {
            "removed": [self._removed(removed) for removed in by_time(state)],
            "asides": [
                _aside(node, each)
                for node, each in found
                if each.why != "removed" or each.volume_id not in state.removed
            ],
            "silent": silent,
        }

    def undelete(self, name: str) -> Changed:
        """Bring a removed volume back, as it was when it was removed.

        Raises:
            Refused: there is none, the name is taken by now, or other nodes would take the volume
                over at once, with less in it.
        """
        state = self._ownership.state()
        candidates = [each for each in by_time(state) if each.volume.name == name]
        if not candidates:
            raise Refused(f"no removed volume '{name}' is kept; `flocker trash` lists all of them")
        removed = candidates[-1]
        if name in state.volumes:
            raise Refused(f"there is a volume '{name}' again; remove that one first")
        if removed.volume.owner != self._node and not self._reaches(removed.volume):
            return self._peers.operate(removed.volume.owner, UndeleteRequest(name=name))
        # Locked: whoever still takes it for removed puts what is here of it aside.
        with self._use.locked(removed.volume):
            self._refuse(removed.volume)
            volume = self._have_back(removed)
        self._mirror.settle(lambda known: name in known.volumes)
        return {"volume": volume_record(volume)}

    def asides(self) -> list[Aside]:
        """The saved copies on this node's disk; asked by its peers, who reach the others."""
        return self._pools.asides_here()

    def _have_back(self, removed: Removed) -> Volume:
        name, volume_id = removed.volume.name, removed.volume.id
        pool = self._pools.of(removed.volume)
        is_reclaimed = pool.reclaim(volume_id, partial(self._refuse_if_not_removed, removed))
        if not is_reclaimed and not pool.has_writable(volume_id):
            raise Refused(f"the data of volume '{name}' is not on {self._node} any more")
        # Replicas that kept a copy have nothing but what was the owner's, however far they came.
        held = [] if removed.volume.is_shared else pool.snapshots(volume_id)
        volume = removed.volume.owned_by(self._node, held[-1] if held else None)
        if not removed.volume.is_shared:  # one with a record is taken over when it is used
            self._pool.readmit(volume.claim)
        event = volume.event(self._node, "undeleted")
        try:
            self._ownership.undelete(removed, volume, event)
        except Refused:
            there = self._ownership.volume(name)
            if there is None or there.id != volume_id:  # it stays removed
                belief = belief_that_gone(self._context, volume)
                pool.discard(volume_id, name, self._node, belief)
            raise
        return volume

    def _reaches(self, volume: Volume) -> bool:
        """Tell whether this node can have a volume back that another one owned last."""
        return volume.is_shared and self._pools.remote is not None

    def _refuse_if_not_removed(self, removed: Removed) -> None:
        if self._ownership.removed(removed.volume.id) != removed:
            raise Refused(
                f"volume '{removed.volume.name}' was brought back or purged this moment; "
                "`flocker status` and `flocker trash` tell which"
            )

    def _asides(self) -> tuple[list[tuple[str, Aside]], list[str]]:
        """Node and saved copy, of all nodes, oldest first; and the nodes that did not answer."""
        state = self._mirror.state
        others = (state.seen.keys() | state.nodes) - {self._node}
        listed, silent = ask_all(others, self._peers.asides)
        listed[self._node], away = self._pools.asides()
        silent += away
        found = [(name, each) for name, asides in listed.items() for each in asides]
        return sorted(found, key=lambda each: each[1].at), silent

    def _removed(self, removed: Removed) -> RemovedVolume:
        until = datetime.fromisoformat(removed.removed_at) + self._retention
        return {
            "name": removed.volume.name,
            "owner": removed.volume.owner,
            "removed_at": removed.removed_at,
            "until": until.isoformat(timespec="seconds"),
        }


def _aside(node: str, aside: Aside) -> AsideEntry:
    return {
        "reference": aside.reference,
        "node": node,
        "volume": aside.volume,
        "why": aside.why,
        "at": aside.at,
    }


def by_time(state: ClusterState) -> list[Removed]:
    """The volumes that can be restored, the last removed last."""
    return sorted(state.removed.values(), key=lambda removed: removed.removed_at)
