"""Data in a node's pool that the cluster has no record of: freed, shown, or brought back.

It comes from a creation that failed half-way, from an etcd that was lost or went back
to an older backup, from a volume that was forgotten, or with the disk of another cluster.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from flocker.base.answered_records import volume_record
from flocker.base.answers import Imported
from flocker.base.asking import ask_all
from flocker.base.errors import Refused
from flocker.base.options import check_name
from flocker.base.records import (
    ClusterState,
    NamedSnapshot,
    Record,
    Snapshot,
    Volume,
    now,
)
from flocker.node.context import NodeContext
from flocker.pool.kept_record import newer_record

log = logging.getLogger(__name__)

# A volume that is being created has no record yet; etcd is waited for much shorter than that.
STRAY_SECONDS = 60
# Data may have been put aside and fetched again without its record.
RECORD_SECONDS = 60
FOUND = "found by flocker import"  # label of a snapshot whose own was lost with etcd


class PeerStrays(Protocol):
    """Other nodes. Every call may raise OwnerAway."""

    def strays(self, node: str) -> list[dict[str, Any]]:
        """The strays there, as JSON."""


@dataclass(frozen=True, order=True)
class Stray(Record):
    """A volume's data, ordered by how new it is.

    Attributes:
        is_open: it is the owner's, and so holds more than any snapshot.
        number: of the newest snapshot.
        name: by the record beside the data, if there is one.
    """

    epoch: int
    is_open: bool
    number: int
    id: str
    name: str | None = field(compare=False)  # a node may not have been told it yet
    unknown: Mapping[str, Any] = field(
        default_factory=dict, kw_only=True, compare=False, repr=False
    )


class Strays:
    """Looks after the strays of one node.

    Args:
        refuse: raises Refused if this node may not own a volume; called with the volume locked.
    """

    def __init__(
        self, context: NodeContext, peers: PeerStrays, refuse: Callable[[Volume], None]
    ) -> None:
        self._node = context.node
        self._ownership = context.ownership
        self._mirror = context.mirror
        self._pool = context.pool
        self._pools = context.pools
        self._retention = context.retention
        self._use = context.use
        self._troubles = context.troubles
        self._peers = peers
        self._refuse = refuse
        self._since: dict[str, float] = {}
        self._kept: dict[str, tuple[Volume, float]] = {}  # by id: the record last kept, and when

    def look(self) -> None:
        """Write each volume's record beside its data; free or show what has none in etcd."""
        state = self._mirror.state
        here = set(self._pool.volume_ids())
        unknown = here - state.volume_ids() - state.removed.keys()
        at = time.monotonic()
        self._since = {each: self._since.get(each, at) for each in unknown}
        self._kept = {each: kept for each, kept in self._kept.items() if each in here}
        with self._troubles.round("looking for strays") as round_:
            for volume in state.volumes.values():
                if volume.id in here and self._is_due(volume, at):
                    keep = partial(self._keep_record, volume)
                    round_.attempt(f"the record of volume '{volume.name}'", keep)
            for volume_id, since in self._since.items():
                if at - since >= STRAY_SECONDS:
                    round_.attempt(f"volume {volume_id}", partial(self._free_or_show, volume_id))

    def strays(self) -> list[dict[str, Any]]:
        """This node's, as JSON, for other nodes.

        Raises:
            PoolHangs: the disk does not answer.
        """
        state = self._ownership.state()
        return [each.to_json() for each in self._pools.read_here(lambda _: self._found(state))]

    def bring_back(self, reference: str, name: str | None) -> Imported:
        """Make a volume of data that is here and that the cluster does not know.

        Or of which it has only an older record.

        Args:
            reference: its id, or the name in the record beside it.
            name: for the volume; None for the name it had.

        Raises:
            Refused: there is none, another node has a newer state, the name is taken, or other
                nodes would take the volume over at once, with less in it.
        """
        state = self._ownership.state()
        stray = self._meant(reference, state)
        # Not locked: others may take long to answer, and an Unmount must not wait.
        silent = self._refuse_if_another_is_newer(stray, state)
        with self._use.locked_id(stray.id):
            return {"volume": volume_record(self._bring_back(stray.id, name)), "silent": silent}

    def _bring_back(self, volume_id: str, name: str | None) -> Volume:
        state = self._ownership.state()
        stray = self._meant(volume_id, state)
        record = self._pool.record(stray.id) or _without_record(stray, name)
        record = replace(record, name=name or record.name)
        check_name(record.name)
        present = {each.id: each for each in state.volumes.values()}.get(stray.id)
        if present is not None and present.name != record.name:
            raise Refused(f"volume {stray.id} is called '{present.name}', and keeps that name")
        if present is None and record.name in state.volumes:
            raise Refused(
                f"there is a volume '{record.name}' already; "
                f"`flocker import {stray.id} --as NEW-NAME` gives it another name"
            )
        held = self._pool.snapshots(stray.id)
        base = held[-1] if held else None
        volume = replace(record, owner=self._node, epoch=stray.epoch + 1, base=base)
        self._refuse(volume)
        for each in held:  # first: once the volume has a record, old ones are deleted
            self._retention.asked_for(volume.id, each.number)
        if stray.is_open:
            self._pool.readmit(volume.claim)
        elif base is not None:
            self._pool.adopt(volume.claim, base, volume.size_bytes)
        event = volume.event(self._node, "imported", f"from {stray.id}")
        if present is not None:
            self._ownership.advance(present, volume, event)
        elif (there := self._ownership.create(volume, event)) != volume:
            raise Refused(
                f"there is a volume '{there.name}' on {there.owner} by now, which "
                + ("is this one" if there.id == volume.id else "is another; choose another name")
            )
        self._keep(volume, held)
        self._mirror.settle(lambda known: known.volumes.get(volume.name) == volume)
        return volume

    def _keep(self, volume: Volume, held: Sequence[Snapshot]) -> None:
        """Keep the snapshots of an imported volume: which of them people kept is not known."""
        known = {each.snapshot for each in self._ownership.state().named(volume)}
        for snapshot in held:
            if snapshot not in known:
                named = NamedSnapshot(volume.id, snapshot, volume.created_at, FOUND)
                event = volume.event(self._node, "snapshot", f"{snapshot.number}: {FOUND}")
                self._ownership.keep_snapshots([(volume, named, event)])

    def _found(self, state: ClusterState) -> list[Stray]:
        unknown = set(self._pool.volume_ids()) - state.volume_ids() - state.removed.keys()
        newer = {
            volume.id
            for volume in state.volumes.values()
            if newer_record(self._node, self._pool, volume)
        }
        return sorted(filter(None, map(self._stray, unknown | newer)))

    def _end_its_creation(self, volume_id: str) -> None:
        """Have the record never come that a creation may still be about to make."""
        self._ownership.end_creations()
        if volume_id in self._ownership.state().volume_ids():
            raise Refused(f"the record of volume {volume_id} has come this moment")

    def _stray(self, volume_id: str) -> Stray | None:
        record = self._pool.record(volume_id)
        held = self._pool.snapshots(volume_id)
        is_open = self._pool.has_writable(volume_id)
        if not held and not is_open:
            return None
        epochs = [each.epoch for each in held] + ([record.epoch] if record else [1])
        number = held[-1].number if held else 0
        return Stray(max(epochs), is_open, number, volume_id, record.name if record else None)

    def _meant(self, reference: str, state: ClusterState) -> Stray:
        found = [each for each in self._found(state) if reference in (each.id, each.name)]
        if not found:
            raise Refused(
                f"{self._node} has no data of '{reference}' that the cluster does not know; "
                "`flocker status` names what there is, under PROBLEMS"
            )
        if len(found) > 1:
            ids = ", ".join(each.id for each in found)
            raise Refused(f"several volumes were called '{reference}'; import one by its id: {ids}")
        return found[0]

    def _refuse_if_another_is_newer(self, mine: Stray, state: ClusterState) -> list[str]:
        """Return the nodes that did not answer."""
        silent = sorted(state.seen.keys() - state.nodes.keys() - {self._node})
        answers, hung = ask_all(state.nodes.keys() - {self._node}, self._peers.strays)
        for node, answer in answers.items():
            theirs = map(Stray.from_json, answer)
            if any(each.id == mine.id and each > mine for each in theirs):
                raise Refused(
                    f"{node} has a newer state of volume {mine.id}; type "
                    f"`flocker import {mine.id}` there"
                )
        return silent + hung

    def _keep_record(self, volume: Volume) -> None:
        if newer := newer_record(self._node, self._pool, volume):
            raise Refused(
                f"its record in etcd is older (epoch {volume.epoch}, owned by {volume.owner}) than "
                f"its data on {self._node} (epoch {newer.epoch}), as after a restore of etcd; "
                f"`flocker import {volume.name}` typed there continues from the newer state"
            )
        self._pool.keep_record(volume)
        self._kept[volume.id] = (volume, time.monotonic())

    def _is_due(self, volume: Volume, at: float) -> bool:
        """Tell whether its record has to be looked at: a node with hundreds must cost nothing."""
        kept, looked_at = self._kept.get(volume.id, (None, 0.0))
        return (kept is not volume and kept != volume) or at - looked_at >= RECORD_SECONDS

    def _free_or_show(self, volume_id: str) -> None:
        with self._use.locked_id(volume_id):  # not while it is being brought back
            if volume_id in self._mirror.state.volume_ids():
                return  # its record has come; before anything is freed, etcd itself is asked
            # An empty volume may be about to be written to: its record can have been lost with etcd
            # while its container goes on.
            confirm = partial(self._end_its_creation, volume_id)
            if not self._use.any_of(volume_id) and self._pool.drop_if_empty(volume_id, confirm):
                log.info("volume %s was never used and has no record: its data is freed", volume_id)
                return
        record = self._pool.record(volume_id)
        called = f" (called '{record.name}')" if record else ""
        raise Refused(
            f"its data is on {self._node}{called}, and the cluster does not know it; "
            f"`flocker import {volume_id}` brings it back"
        )


def _without_record(stray: Stray, name: str | None) -> Volume:
    if name is None:
        raise Refused(
            f"the name of volume {stray.id} is not recorded; "
            f"type `flocker import {stray.id} --as NAME`"
        )
    return Volume(name, stray.id, "", stray.epoch, now())
