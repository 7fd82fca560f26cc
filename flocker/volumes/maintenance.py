"""Purge, forget and import on all nodes, for operators. Purging and forgetting are final."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any, Protocol, cast

from flocker.base.answers import Forgotten, Imported, Purged, PurgedHere, PurgedNode
from flocker.base.asking import ask_all
from flocker.base.errors import FlockerError, PoolError, Refused
from flocker.base.records import ClusterState, Removed, Volume
from flocker.care.purging import purge
from flocker.care.removed_copies import RemovedCopies
from flocker.care.strays import Strays
from flocker.node.context import NodeContext
from flocker.pool.protocol import Aside, Pool

log = logging.getLogger(__name__)

GONE_SECONDS = 600  # longer than a reboot takes; by no wall clock: see observed.py
DELETION_SECONDS = 30  # the kernel deletes in the background; an answer waits so long for it


class PeerMaintenance(Protocol):
    """Other nodes. Every call may raise OwnerAway."""

    def asides(self, node: str) -> list[Aside]:
        """The copies that were put aside there."""

    def purge(self, node: str, removed: list[Removed], references: list[str]) -> PurgedHere:
        """See Maintenance.purge_here."""


class Maintenance:
    """The requests of operators that concern all nodes, and this node's part in each."""

    def __init__(
        self,
        context: NodeContext,
        *,
        peers: PeerMaintenance,
        removed_copies: RemovedCopies,
        strays: Strays,
    ) -> None:
        self._node = context.node
        self._ownership = context.ownership
        self._pool = context.pool
        self._pools = context.pools
        self._observed = context.retention.observed
        self._peers = peers
        self._removed_copies = removed_copies
        self._strays = strays

    def purge(self, reference: str | None) -> Purged:
        """Delete what was removed or put aside, on all nodes, and tell how much room it made.

        Writes that only a replaced owner had are kept and named, unless they are meant.

        Args:
            reference: a removed volume's name, or a copy that `flocker trash` or `flocker
                conflicts` lists; None for all but what only a replaced owner had written.

        Raises:
            Refused: nothing is kept under that reference.
        """
        state = self._ownership.state()
        asides, silent = self._asides(state)
        chosen = [(node, each) for node, each in asides if _is_meant(each, reference)]
        removed = [each for each in state.removed.values() if reference in (None, each.volume.name)]
        if reference is not None and not chosen and not removed:
            raise Refused(_nothing(reference, state, silent))
        for each in removed:  # first: from now on nobody can ask for it
            self._ownership.purge(each)
        nodes: list[PurgedNode] = []
        kept: set[str] = set()
        for node in sorted({*_alive(state), self._node} - set(silent)):
            references = [each.reference for at, each in chosen if at == node]
            try:
                answer = self._purge_on(node, removed, references)
            except FlockerError as error:
                log.warning("%s did not purge: %s", node, error)
                silent.append(node)
                continue
            kept |= set(answer["kept"])
            # With what a newer node tells besides.
            told = {key: value for key, value in answer.items() if key != "kept"}
            nodes.append(cast(PurgedNode, {"node": node, **told}))
        if reference is None:
            kept |= {it.reference for _, it in asides if it.why == "conflict"}
        return {"nodes": nodes, "kept": sorted(kept), "silent": sorted(silent)}

    def purge_here(self, removed: list[Removed], references: list[str]) -> PurgedHere:
        """This node's part of a purge: removed volumes, and copies by reference."""
        before = after = self._pool.usage()
        here = PurgedHere(purged=[], failed=[], kept=[], freed_bytes=0, free_bytes=0)
        by_id = {each.volume.id: each for each in removed}
        for pool in self._pools.every:
            try:
                self._purge_in(pool, by_id, references, here)
            except (PoolError, OSError) as error:  # the other pool may do all the same
                here["failed"].append(str(error))
        try:
            self._pool.await_deletions(DELETION_SECONDS)
            after = self._pool.usage()
        except (PoolError, OSError) as error:
            here["failed"].append(f"it is not known how much was freed: {error}")
        here["freed_bytes"] = max(0, before.used_bytes - after.used_bytes)
        here["free_bytes"] = after.free_bytes
        return here

    def _purge_in(
        self,
        pool: Pool,
        removed: Mapping[str, Removed],
        references: list[str],
        here: PurgedHere,
    ) -> None:
        """Purge in one pool, and add to what is told of this node.

        Args:
            removed: by volume id.
        """
        for volume_id in removed.keys() & set(pool.volume_ids()):
            # This node has not heard of the removal, or the disk was in the way then.
            self._discard(removed[volume_id], here["failed"])
        chosen, left = _split(pool.asides(), removed.keys(), references)
        here["kept"] += left
        for reference in chosen:
            try:
                purge(pool, reference)
            except (PoolError, OSError) as error:
                here["failed"].append(f"{reference}: {error}")
            else:
                here["purged"].append(reference)

    def _discard(self, removed: Removed, failed: list[str]) -> None:
        try:
            self._removed_copies.discard_purged(removed)
        except (FlockerError, OSError) as error:
            failed.append(str(error))

    def forget(self, name: str) -> Forgotten:
        """Give up a volume of which nothing is left, or a node that is gone.

        Raises:
            Refused: there is a chance that it can still be had.
        """
        state = self._ownership.state()
        volume = state.volumes.get(name)
        if volume is not None:
            _refuse_if_it_can_be_had(volume, state)
            event = volume.event(self._node, "forgotten", f"{volume.owner} is gone")
            self._ownership.forget_volume(volume, event)
            return {"volume": name, "node": None}
        if name in state.retired:  # what the first time may have left
            self._ownership.forget_node(name)
            return {"volume": None, "node": name}
        if name not in state.seen and name not in state.nodes:
            raise Refused(f"no volume and no node '{name}'; `flocker status` lists all of them")
        self._refuse_if_it_may_come_back(name, state)
        _refuse_if_it_is_needed(name, state)
        self._ownership.forget_node(name)
        return {"volume": None, "node": name}

    def bring_back(self, reference: str, name: str | None) -> Imported:
        """See Strays.bring_back."""
        return self._strays.bring_back(reference, name)

    def strays_here(self) -> list[dict[str, Any]]:
        """See Strays.strays."""
        return self._strays.strays()

    def _refuse_if_it_may_come_back(self, node: str, state: ClusterState) -> None:
        if node in state.nodes:
            raise Refused(f"{node} is up; only a node that is gone can be forgotten")
        missed = self._observed.away_seconds(node, state)
        if missed < GONE_SECONDS:
            raise Refused(
                f"{node} was heard of at {state.seen[node]}, and may come back: {self._node} has "
                f"missed it for {missed:.0f} of {GONE_SECONDS} s; try again after that"
            )

    def _purge_on(self, node: str, removed: list[Removed], references: list[str]) -> PurgedHere:
        if node == self._node:
            return self.purge_here(removed, references)
        return self._peers.purge(node, removed, references)

    def _asides(self, state: ClusterState) -> tuple[list[tuple[str, Aside]], list[str]]:
        """Node and copy of all that was put aside, and the nodes that did not answer."""
        here, silent = self._pools.asides()
        found = [(self._node, aside) for aside in here]
        silent += sorted(state.seen.keys() - _alive(state) - {self._node})
        listed, hung = ask_all(_alive(state) - {self._node}, self._peers.asides)
        found += [(node, aside) for node, asides in listed.items() for aside in asides]
        return found, silent + hung


def _alive(state: ClusterState) -> set[str]:
    return set(state.nodes)


def _is_meant(aside: Aside, reference: str | None) -> bool:
    if reference is None:
        return aside.why != "conflict"
    is_removed_volume = aside.why == "removed" and aside.volume == reference
    return is_removed_volume or aside.reference == reference


def _split(
    asides: Collection[Aside], removed: Collection[str], references: Collection[str]
) -> tuple[list[str], list[str]]:
    """The references to purge, and those of removed volumes to keep as nobody else has them."""
    chosen, kept = [], []
    for aside in asides:
        is_of_removed = aside.volume_id in removed
        if aside.reference in references or (is_of_removed and aside.why == "removed"):
            chosen.append(aside.reference)
        elif is_of_removed and aside.why == "conflict":
            kept.append(aside.reference)
    return chosen, kept


def _nothing(reference: str, state: ClusterState, silent: list[str]) -> str:
    if reference in state.volumes:
        return (
            f"volume '{reference}' has not been removed; `docker volume rm {reference}` removes "
            "it, then try again"
        )
    also = f"; {', '.join(silent)} did not answer" if silent else ""
    return f"nothing is kept as '{reference}'; `flocker trash` lists what can be purged{also}"


def _refuse_if_it_can_be_had(volume: Volume, state: ClusterState) -> None:
    if volume.owner in state.nodes:
        raise Refused(
            f"volume '{volume.name}' is owned by {volume.owner}, which is up; "
            f"`docker volume rm {volume.name}` removes it"
        )
    if volume.is_shared:
        raise Refused(
            f"volume '{volume.name}' is on Ceph; `flocker promote {volume.name}` typed on a node "
            "that reaches it continues from what is there"
        )
    others = sorted(state.copies_of(volume).keys() - {volume.owner})
    if others:
        raise Refused(
            f"{', '.join(others)} holds a copy of volume '{volume.name}'; "
            f"`flocker promote {volume.name}` typed there continues from it"
        )
    if volume.owner in state.seen:
        raise Refused(
            f"volume '{volume.name}' is owned by {volume.owner}, which may come back; if it is "
            f"gone for good, type `flocker forget {volume.owner}` first"
        )


def _refuse_if_it_is_needed(node: str, state: ClusterState) -> None:
    can_be_promoted = sorted(
        volume.name
        for volume in state.volumes.values()
        if volume.owner == node and state.copies_of(volume).keys() - {node}
    )
    shared = sorted(
        volume.name
        for volume in state.volumes.values()
        if volume.owner == node and volume.is_shared
    )
    if shared:
        raise Refused(
            f"{node} owns volumes that are on Ceph: {', '.join(shared)}; `flocker promote` each of "
            "them first"
        )
    if can_be_promoted:
        raise Refused(
            f"{node} owns volumes that other nodes have copies of: {', '.join(can_be_promoted)}; "
            "`flocker promote` each of them first"
        )
