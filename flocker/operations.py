"""An operator's commands on volumes, from any node: each is done where the data is.

Longer than 300 lines because each command has its method here, and they share the way to the
owner.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol

from flocker.asking import ask_all
from flocker.belief import Belief
from flocker.driver import Driver
from flocker.errors import (
    BadRequest,
    ControlPlaneAway,
    FlockerError,
    HoldsMore,
    LeavesBehind,
    MoveUnderWay,
    OwnerAway,
    Refused,
    VolumeNotFound,
)
from flocker.failover import Failover, complete_until, is_current, lost
from flocker.handoff import Arrivals
from flocker.mirror import Mirror
from flocker.options import format_size, read_reference
from flocker.ownership import Ownership
from flocker.pool import Aside, Pool
from flocker.publisher import Publisher
from flocker.records import ClusterState, Copy, Event, NamedSnapshot, Removed, Snapshot, Volume, now
from flocker.replication import Retention
from flocker.volume_use import VolumeUse

log = logging.getLogger(__name__)

Answer = dict[str, Any]

Paused = Callable[[list[str]], AbstractContextManager[None]]


class Elsewhere(Protocol):
    """Other nodes' operations. Every call may raise OwnerAway."""

    def operate(self, node: str, operation: str, arguments: Answer) -> Answer:
        """Have a node do one of these operations, however long it takes."""

    def asides(self, node: str) -> list[Aside]:
        """The copies that were put aside there."""


class Operations:
    """The operations of one node. Each returns what can be written as JSON.

    Args:
        paused: pauses the containers that use any of the volumes while it is entered.
        problems: what does not work on this node, one sentence each.
        certificates: of this node, and when each ends.
        retention_seconds: how long what was put aside can be had back.
    """

    def __init__(
        self,
        node: str,
        *,
        ownership: Ownership,
        mirror: Mirror,
        pool: Pool,
        driver: Driver,
        arrivals: Arrivals,
        failover: Failover,
        publisher: Publisher,
        retention: Retention,
        use: VolumeUse,
        elsewhere: Elsewhere,
        paused: Paused,
        problems: Callable[[], list[str]],
        certificates: Callable[[], list[dict[str, str]]],
        retention_seconds: float,
    ) -> None:
        self._node = node
        self._ownership = ownership
        self._mirror = mirror
        self._pool = pool
        self._driver = driver
        self._arrivals = arrivals
        self._failover = failover
        self._publisher = publisher
        self._kept = retention
        self._use = use
        self._elsewhere = elsewhere
        self._paused = paused
        self._problems = problems
        self._certificates = certificates
        self._retention = timedelta(seconds=retention_seconds)

    def status(self) -> Answer:
        """The nodes and the volumes, as this node knows them."""
        state = self._mirror.state
        return {
            "node": self._node,
            "is_connected": self._mirror.is_connected,
            "pool_problem": self._pool.trouble(),
            "problems": self._problems(),
            "certificates": self._certificates(),
            "nodes": [_node(name, state) for name in sorted(state.seen.keys() | state.nodes)],
            "volumes": [self._volume(volume, state) for volume in self._mirror.volumes()],
        }

    def move(self, volume: str, to: str | None) -> Answer:
        """Bring a volume to a node; return when it has arrived.

        Raises:
            BadRequest: there is no such node.
        """
        target = to or self._node
        if target != self._node:
            self._check_node(target)
            return self._elsewhere.operate(target, "move", {"volume": volume, "to": target})
        record = self._existing(volume)
        if record.owner != self._node:
            try:
                record = self._arrivals.bring(record, "asked for by the operator")
            except OwnerAway as error:
                state = self._ownership.state()
                if record.owner in state.nodes:
                    raise
                raise lost(record, state) from error
        return {"volume": record.to_json()}

    def cancel(self, volume: str) -> Answer:
        """End the move that a volume is on, wherever it goes; its owner keeps it.

        Raises:
            Refused: it is on none, or has arrived.
        """
        record = self._existing(volume)
        move = self._ownership.move(record.id)
        if move is None:
            raise Refused(f"volume '{volume}' is not on its way anywhere; it is on {record.owner}")
        self._ownership.abandon_move(move)
        now_known = self._existing(volume)
        if now_known.epoch != record.epoch:
            raise Refused(f"volume '{volume}' has arrived on {now_known.owner} already")
        self._record(record, "move cancelled", f"to {move.target}: asked for by the operator")
        return {"volume": record.to_json(), "target": move.target}

    def promote(self, volume: str, here: bool = False) -> Answer:
        """Make this node the owner in place of one that is away.

        Args:
            here: go on from the newest copy that can be had here, though a newer one exists.
        """
        promoted, until = self._failover.promote(volume, here=here)
        return {"volume": promoted.to_json(), "lost_after": until}

    def conflicts(self) -> Answer:
        """The copies, on all nodes, of owners that were replaced."""
        found, silent = self._asides()
        return {"asides": [each for each in found if each["why"] == "conflict"], "silent": silent}

    def trash(self) -> Answer:
        """What was removed or replaced and can still be had back."""
        found, silent = self._asides()
        return {
            "removed": [self._removed(removed) for removed in _by_time(self._ownership.state())],
            "asides": [each for each in found if each["why"] != "removed"],
            "silent": silent,
        }

    def snapshot(self, volumes: list[str], label: str) -> Answer:
        """Take a snapshot of each volume, all at one instant.

        Raises:
            Refused: they are on different nodes, where no instant is the same.
        """
        records = [self._existing(name) for name in dict.fromkeys(volumes)]
        owners = {volume.owner for volume in records}
        if len(owners) > 1:
            where = ", ".join(f"'{volume.name}' on {volume.owner}" for volume in records)
            raise Refused(f"only volumes of one node can be frozen at one instant: {where}")
        if owners != {self._node}:
            return self._elsewhere.operate(
                owners.pop(), "snapshot", {"volumes": volumes, "label": label}
            )
        # One volume is frozen at one instant as it is; several only while nothing writes.
        with self._paused(volumes) if len(records) > 1 else nullcontext():
            taken = [(volume, self._freeze(volume)) for volume in records]
        return {"snapshots": [self._keep(volume, label, *frozen) for volume, frozen in taken]}

    def snapshots(self, volume: str | None) -> Answer:
        """The snapshots people asked for, of one volume or of all."""
        state = self._ownership.state()
        if volume is not None and volume not in state.volumes:
            raise VolumeNotFound(volume)
        chosen = [each for each in state.volumes.values() if volume in (None, each.name)]
        return {
            "snapshots": [
                _snapshot(each, named, _holding(each, named, state))
                for each in chosen
                for named in state.named(each)
            ]
        }

    def prune(self, reference: str) -> Answer:
        """Give up a snapshot somebody took; what was made from it stays.

        Raises:
            Refused: nobody took such a snapshot.
        """
        wanted = read_reference(reference)
        if wanted.number is None:
            raise BadRequest(
                f"'{reference}' names no snapshot: say `flocker prune {wanted.volume}@3`"
            )
        volume = self._existing(wanted.volume)
        if volume.owner != self._node:
            return self._elsewhere.operate(volume.owner, "prune", {"reference": reference})
        kept = {each.snapshot.number: each for each in self._ownership.state().named(volume)}
        if wanted.number not in kept:
            raise Refused(
                f"nobody took a snapshot {wanted.number} of volume '{volume.name}'; "
                f"`flocker snapshots {volume.name}` lists those there are"
            )
        event = Event(volume.id, volume.name, now(), self._node, "pruned", reference)
        self._ownership.drop_snapshot(kept[wanted.number], event)
        self._kept.not_wanted(volume.id, wanted.number)
        # The other nodes prune theirs when they fetch the next change.
        self._pool.prune(volume.id, lambda: self._kept.numbers(volume, self._ownership.state()))
        return {"reference": reference}

    def restore(self, reference: str) -> Answer:
        """Make a volume what it was; what it is now is kept as a snapshot.

        Raises:
            InUse: a container uses it.
            MoveUnderWay: another node is fetching it.
        """
        wanted = read_reference(reference)
        if wanted.number is None:
            raise BadRequest(
                f"'{reference}' names no snapshot: say `flocker restore {wanted.volume}@3`, or "
                f"`flocker clone {reference} NEW-NAME` for a copy that was put aside"
            )
        volume = self._existing(wanted.volume)
        if volume.owner != self._node:
            return self._elsewhere.operate(volume.owner, "restore", {"reference": reference})
        with self._use.locked(volume):
            self._use.refuse_if_any(volume)
            state = self._ownership.state()
            if move := state.moves.get(volume.id):  # its last snapshot may be taken already
                raise MoveUnderWay(volume.name, move.target)
            snapshot = self._find(volume, wanted.number, state)
            before, taken_at = self._freeze(volume)
            if before not in [named.snapshot for named in state.named(volume)]:
                self._keep(volume, f"before it became {reference}", before, taken_at)
            try:
                self._pool.restore(volume.claim, snapshot, volume.size_bytes)
            except HoldsMore as error:
                raise Refused(f"'{reference}' cannot be restored: {error}") from error
        kept_as = f"{volume.name}@{before.number}"
        self._record(volume, "restored", f"to {reference}; what it was before is {kept_as}")
        return {"volume": volume.to_json(), "kept_as": kept_as}

    def clone(self, reference: str, name: str) -> Answer:
        """Make a new volume from a state of another.

        Raises:
            Refused: the name is taken.
        """
        if self._ownership.volume(name) is not None:
            raise Refused(f"there is a volume '{name}' already; choose another name")
        self._driver.create(name, {"from": reference})
        return {"volume": self._existing(name).to_json()}

    def undelete(self, name: str) -> Answer:
        """Bring a removed volume back, as it was when it was removed.

        Raises:
            Refused: there is none, or the name is taken by now.
        """
        state = self._ownership.state()
        candidates = [each for each in _by_time(state) if each.volume.name == name]
        if not candidates:
            raise Refused(f"no removed volume '{name}' is kept; `flocker trash` lists what is")
        removed = candidates[-1]
        if name in state.volumes:
            raise Refused(f"there is a volume '{name}' again; remove that one first")
        if removed.volume.owner != self._node:
            return self._elsewhere.operate(removed.volume.owner, "undelete", {"name": name})
        # Locked: whoever still takes it for removed puts what is here of it aside.
        with self._use.locked(removed.volume):
            volume = self._have_back(removed)
        self._mirror.settle(lambda known: name in known.volumes)
        return {"volume": volume.to_json()}

    def _have_back(self, removed: Removed) -> Volume:
        name, volume_id = removed.volume.name, removed.volume.id
        is_reclaimed = self._pool.reclaim(volume_id, partial(self._refuse_if_not_removed, removed))
        if not is_reclaimed and not self._pool.is_open(volume_id):
            raise Refused(f"the data of volume '{name}' is not on {self._node} any more")
        # Replicas that kept a copy have nothing but what was the owner's, however far they came.
        held = self._pool.snapshots(volume_id)
        volume = removed.volume.owned_by(self._node, held[-1] if held else None)
        self._pool.readmit(volume.claim)
        event = Event(volume.id, name, now(), self._node, "undeleted")
        try:
            self._ownership.undelete(removed, volume, event)
        except Refused:
            there = self._ownership.volume(name)
            if there is None or there.id != volume_id:  # the name was taken meanwhile
                belief = Belief(partial(self._refuse_if_recorded, volume), volume.epoch)
                self._pool.discard(volume_id, name, self._node, belief)
            raise
        return volume

    def _refuse_if_not_removed(self, removed: Removed) -> None:
        if self._ownership.removed(removed.volume.id) != removed:
            raise Refused(
                f"volume '{removed.volume.name}' was brought back or purged this moment; "
                "`flocker status` and `flocker trash` tell which"
            )

    def _refuse_if_recorded(self, volume: Volume) -> None:
        there = self._ownership.volume(volume.name)
        if there is not None and there.id == volume.id:
            raise Refused(f"volume '{volume.name}' is there again")

    def resize(self, volume: str, size_bytes: int | None) -> Answer:
        """Change what a volume may hold, containers running or not; None: no limit.

        Raises:
            Refused: it holds more than that already.
        """
        record = self._existing(volume)
        if record.owner != self._node:
            return self._elsewhere.operate(
                record.owner, "resize", {"volume": volume, "size_bytes": size_bytes}
            )
        if size_bytes is not None:
            self._pool.prepare_sizes()
        with self._use.locked(record):
            try:
                self._pool.set_size(record.claim, size_bytes)
            except HoldsMore as error:
                raise Refused(f"volume '{volume}' cannot have that size: {error}") from error
            changed = replace(record, size_bytes=size_bytes)
            why = f"from {_size(record.size_bytes)} to {_size(size_bytes)}"
            event = Event(record.id, volume, now(), self._node, "resized", why)
            try:
                self._ownership.change(record, changed, event)
            except FlockerError:
                self._pool.set_size(record.claim, record.size_bytes)
                raise
        self._mirror.settle(lambda state: state.volumes.get(volume) == changed)
        return {"volume": changed.to_json()}

    def history(self, volume: str | None) -> Answer:
        """What happened, to one volume or to all, oldest first; also to removed ones."""
        if volume is None:
            return {"events": [_event(each) for each in self._ownership.history(None)]}
        state = self._ownership.state()
        ids = [each.volume.id for each in _by_time(state) if each.volume.name == volume]
        if record := state.volumes.get(volume):
            ids.append(record.id)
        if not ids:
            raise VolumeNotFound(volume)
        events = [event for each in ids for event in self._ownership.history(each)]
        return {"events": [_event(each) for each in events]}

    def asides(self) -> list[Aside]:
        """What was put aside on this node; asked by its peers."""
        return self._pool.asides()

    def _freeze(self, volume: Volume) -> tuple[Snapshot, str]:
        taken_at = now()
        try:
            snapshot = self._pool.take_snapshot(volume.claim, is_whole=True)
        except LeavesBehind as error:
            raise Refused(f"no snapshot of volume '{volume.name}' was taken: {error}") from error
        self._kept.asked_for(volume.id, snapshot.number)
        return snapshot, taken_at

    def _keep(self, volume: Volume, label: str, snapshot: Snapshot, taken_at: str) -> Answer:
        named = NamedSnapshot(volume.id, snapshot, taken_at, label)
        why = f"as {volume.name}@{snapshot.number}" + (f": {label}" if label else "")
        event = Event(volume.id, volume.name, now(), self._node, "snapshot", why)
        self._ownership.keep_snapshot(volume, named, event)
        if volume.replicas:
            self._publisher.publish(volume)
        return _snapshot(volume, named, [self._node])

    def _find(self, volume: Volume, number: int, state: ClusterState) -> Snapshot:
        if snapshot := state.numbered(volume, number, self._pool.snapshots(volume.id)):
            return snapshot
        raise Refused(
            f"{self._node} has no snapshot {number} of volume '{volume.name}'; "
            f"`flocker snapshots {volume.name}` lists those there are"
        )

    def _asides(self) -> tuple[list[Answer], list[str]]:
        """What was put aside on all nodes, and the nodes that did not answer."""
        state = self._mirror.state
        others = (state.seen.keys() | state.nodes) - {self._node}
        listed, silent = ask_all(others, self._elsewhere.asides)
        listed[self._node] = self._pool.asides()
        found = [_aside(name, each) for name, asides in listed.items() for each in asides]
        return sorted(found, key=lambda each: str(each["at"])), silent

    def _removed(self, removed: Removed) -> Answer:
        until = datetime.fromisoformat(removed.removed_at) + self._retention
        return {
            "name": removed.volume.name,
            "owner": removed.volume.owner,
            "removed_at": removed.removed_at,
            "until": until.isoformat(timespec="seconds"),
        }

    def _volume(self, volume: Volume, state: ClusterState) -> Answer:
        move = state.moves.get(volume.id)
        others = [copy for node, copy in state.copies_of(volume).items() if node != volume.owner]
        is_here = volume.owner == self._node
        return {
            "name": volume.name,
            "id": volume.id,
            "owner": volume.owner,
            "epoch": volume.epoch,
            "created_at": volume.created_at,
            "size_bytes": volume.size_bytes,
            "used_bytes": self._pool.used_bytes(volume.id) if is_here else None,
            "replicas": volume.replicas,
            "failover": volume.failover,
            "made_from": volume.made_from,
            "mounted_on": state.mounts.get(volume.id),
            "copies": [_copy(volume, copy, state) for copy in others],
            "stuck": {
                name: node.stuck[volume.id]
                for name, node in sorted(state.nodes.items())
                if volume.id in node.stuck
            },
            "move": None if move is None else {**move.to_json(), "percent": move.percent},
            "problem": self._driver.problem(volume),
        }

    def _existing(self, name: str) -> Volume:
        volume = self._ownership.volume(name)
        if volume is None:
            raise VolumeNotFound(name)
        return volume

    def _check_node(self, name: str) -> None:
        nodes = self._ownership.state().nodes
        if name not in nodes:
            raise BadRequest(f"no node '{name}' is up; those that are: {', '.join(sorted(nodes))}")

    def _record(self, volume: Volume, what: str, why: str) -> None:
        try:
            self._ownership.record(Event(volume.id, volume.name, now(), self._node, what, why))
        except ControlPlaneAway as error:  # what it tells of is done
            log.warning("'%s' not written to the history of '%s': %s", what, volume.name, error)


def _by_time(state: ClusterState) -> list[Removed]:
    return sorted(state.removed.values(), key=lambda removed: removed.removed_at)


def _node(name: str, state: ClusterState) -> Answer:
    node = state.nodes.get(name)
    return {
        "name": name,
        "address": node and node.address,
        "version": node and node.version,
        "pool_used_bytes": node and node.pool_used_bytes,
        "pool_total_bytes": node and node.pool_total_bytes,
        "pool_free_bytes": node and node.pool_free_bytes,
        "problems": list(node.problems) if node else [],
        "is_alive": node is not None,
        "seen": state.seen.get(name),
    }


def _copy(volume: Volume, copy: Copy, state: ClusterState) -> Answer:
    return {
        "node": copy.node,
        "number": copy.snapshot.number,
        "taken_at": copy.taken_at,
        "is_current": is_current(volume, copy, state),
        "complete_until": complete_until(volume, copy, state),
    }


def _holding(volume: Volume, named: NamedSnapshot, state: ClusterState) -> Iterable[str]:
    """The nodes that have it: the owner, and whoever's newest copy came later."""
    copies = state.copies_of(volume)
    later = (node for node, copy in copies.items() if copy.snapshot.number >= named.snapshot.number)
    return sorted({volume.owner, *later})


def _snapshot(volume: Volume, named: NamedSnapshot, nodes: Iterable[str]) -> Answer:
    return {
        "volume": volume.name,
        "number": named.snapshot.number,
        "taken_at": named.taken_at,
        "label": named.label,
        "nodes": list(nodes),
    }


def _aside(node: str, aside: Aside) -> Answer:
    return {
        "reference": aside.reference,
        "node": node,
        "volume": aside.volume,
        "why": aside.why,
        "at": aside.at,
    }


def _event(event: Event) -> Answer:
    return {
        "volume": event.volume,
        "at": event.at,
        "node": event.node,
        "what": event.what,
        "why": event.why,
        "by": event.by,
    }


def _size(size_bytes: int | None) -> str:
    return "no limit" if size_bytes is None else format_size(size_bytes)
