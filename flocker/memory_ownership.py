"""Ownership in memory, for tests only: keeps the promises of the one in etcd.

Longer than 300 lines because it implements the whole interface of ownership.py.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from flocker.errors import InUse, MoveCancelled, MoveUnderWay, Refused, StaleEpoch
from flocker.naming import not_admitted
from flocker.ownership import is_news
from flocker.records import (
    Copy,
    Event,
    Look,
    Move,
    NamedSnapshot,
    Node,
    Removed,
    Snapshot,
    State,
    Volume,
    now,
)

EVENTS_KEPT = 100  # of one volume
POLL_SECONDS = 0.1

Key = TypeVar("Key")
Value = TypeVar("Value")


class MemoryOwnership:
    """One table shared by all nodes of a test; leases run out when `expire` is called.

    Attributes:
        members: that decide, as if it were etcd.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._state = State()
        self._events: list[Event] = []
        self.members = 3
        self._machines: dict[str, Node] = {}  # name -> the machine it belongs to, as first told

    def state(self) -> State:
        return self._state

    def follow(self, stopping: threading.Event) -> Iterator[State]:
        told: State | None = None
        while not stopping.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._state is not told, POLL_SECONDS)  # noqa: B023
                state = self._state
            if state is not told:
                told = state
                yield state

    def volume(self, name: str) -> Volume | None:
        return self._state.volumes.get(name)

    def removed(self, volume_id: str) -> Removed | None:
        return self._state.removed.get(volume_id)

    def move(self, volume_id: str) -> Move | None:
        return self._state.moves.get(volume_id)

    def create(self, volume: Volume, event: Event) -> Volume:
        with self._changing() as state:
            if volume.name not in state.volumes:
                self._set(volumes={**state.volumes, volume.name: volume})
                self._tell(event)
            return self._state.volumes[volume.name]

    def change(self, volume: Volume, changed: Volume, event: Event) -> None:
        with self._changing() as state:
            if state.volumes.get(volume.name) != changed:
                self._check_current(volume)
                self._set(volumes={**state.volumes, volume.name: changed})
                self._tell(event)

    def advance(self, volume: Volume, newer: Volume, event: Event) -> None:
        with self._changing() as state:
            if state.volumes.get(volume.name) == newer:
                return
            self._check_current(volume)
            if state.mounts.get(volume.id, newer.owner) != newer.owner:
                self._check_unused(volume)
            self._check_unmoved(volume)
            self._set(volumes={**state.volumes, volume.name: newer})
            self._tell(event)

    def remove(self, volume: Volume, event: Event) -> None:
        removed = Removed(volume, event.at)
        with self._changing() as state:
            if state.removed.get(volume.id) == removed:
                return
            self._check_current(volume)
            self._check_unused(volume)
            self._check_unmoved(volume)
            self._set(
                volumes=_without(state.volumes, volume.name),
                removed={**state.removed, volume.id: removed},
            )
            self._tell(event)

    def undelete(self, removed: Removed, volume: Volume, event: Event) -> None:
        volume_id = removed.volume.id
        with self._changing() as state:
            if volume_id not in state.removed and state.volumes.get(volume.name) == volume:
                return
            if state.removed.get(volume_id) != removed:
                raise Refused(f"volume '{removed.volume.name}' is not removed any more")
            if volume.name in state.volumes:
                raise Refused(f"there is a volume '{volume.name}' already")
            self._set(
                volumes={**state.volumes, volume.name: volume},
                removed=_without(state.removed, volume_id),
            )
            self._tell(event)

    def purge(self, removed: Removed) -> None:
        volume_id = removed.volume.id
        with self._changing() as state:
            if state.removed.get(volume_id) == removed:
                self._set(
                    removed=_without(state.removed, volume_id),
                    copies=_without(state.copies, volume_id),
                    snapshots=_without(state.snapshots, volume_id),
                )
                self._events = [each for each in self._events if each.volume_id != volume_id]

    def mount(self, volume: Volume) -> None:
        with self._changing() as state:
            self._check_current(volume)
            if (move := state.moves.get(volume.id)) and move.is_locked:
                self._check_unmoved(volume)
            self._set(mounts={**state.mounts, volume.id: volume.owner})

    def unmount(self, volume: Volume) -> None:
        with self._changing() as state:
            if state.mounts.get(volume.id) == volume.owner:
                self._set(mounts=_without(state.mounts, volume.id))

    def begin_move(self, volume: Volume, target: str) -> Move:
        return self._reserve(volume, target, is_locked=False)

    def start_move(self, volume: Volume, target: str) -> Move:
        return self._reserve(volume, target, is_locked=True)

    def _reserve(self, volume: Volume, target: str, *, is_locked: bool) -> Move:
        token = str(uuid.uuid4())
        move = Move(volume.id, volume.owner, target, token, is_locked=is_locked)
        with self._changing() as state:
            self._check_current(volume)
            if is_locked:
                self._check_unused(volume)
            left = state.moves.get(volume.id)
            if left is None or left.target != target:
                self._check_unmoved(volume)
            self._set(moves={**state.moves, volume.id: move})
        return move

    def lock_move(self, volume: Volume, move: Move) -> Move:
        locked = replace(move, is_locked=True)
        with self._changing() as state:
            self._check_current(volume)
            if not self._is_current(move):
                raise MoveCancelled(volume.name, move.target)
            if not state.moves[volume.id].is_locked:
                self._check_unused(volume)
                self._set(moves={**state.moves, volume.id: locked})
        return locked

    def report_move(self, move: Move) -> bool:
        with self._changing() as state:
            if not self._is_current(move):
                return False
            said = replace(move, is_locked=state.moves[move.volume_id].is_locked)
            self._set(moves={**state.moves, move.volume_id: said})
        return True

    def finish_move(self, volume: Volume, move: Move, base: Snapshot, event: Event) -> Volume:
        moved = volume.owned_by(move.target, base)
        with self._changing() as state:
            there = state.volumes.get(volume.name)
            if there == moved:
                return moved
            is_current = self._is_current(move) and state.moves[volume.id].is_locked
            if there != volume or volume.id in state.mounts or not is_current:
                raise StaleEpoch(f"the move of volume '{volume.name}' has expired; try again")
            self._set(
                volumes={**state.volumes, volume.name: moved},
                moves=_without(state.moves, volume.id),
            )
            if volume.replicas > 0:
                for node in (move.source, move.target):
                    self._put_copy(Copy(volume.id, node, base, event.at))
            self._tell(event)
        return moved

    def abandon_move(self, move: Move) -> None:
        with self._changing() as state:
            if self._is_current(move):
                self._set(moves=_without(state.moves, move.volume_id))

    def promote(self, volume: Volume, copy: Copy, event: Event) -> Volume:
        promoted = volume.promoted_on(copy.node, copy.snapshot)
        with self._changing() as state:
            if state.volumes.get(volume.name) == promoted:
                return promoted
            self._check_current(volume)
            owner = state.nodes.get(volume.owner) if volume.owner != copy.node else None
            if owner is not None and not (owner.gives_up and volume.failover == "auto"):
                raise Refused(f"volume '{volume.name}' is owned by {volume.owner}, which is there")
            if owner is not None or state.mounts.get(volume.id) != volume.owner:
                self._check_unused(volume)
            self._set(
                volumes={**state.volumes, volume.name: promoted},
                mounts=_without(state.mounts, volume.id),
                moves=_without(state.moves, volume.id),
            )
            if volume.replicas > 0:
                self._put_copy(copy)
            self._tell(event)
        return promoted

    def publish(self, told: Sequence[tuple[Volume, Copy]], look: Look | None = None) -> None:
        with self._changing() as state:
            for volume, copy in told:
                held = state.copies.get(copy.volume_id, {}).get(copy.node)
                if is_news(volume, copy, state.volumes.get(volume.name), held):
                    self._put_copy(copy)
            if look is not None:
                self._set(looks={**state.looks, look.node: look})

    def withdraw(self, copies: Sequence[Copy]) -> None:
        with self._changing():
            for copy in copies:
                here = self._state.copies.get(copy.volume_id, {})
                if here.get(copy.node) == copy:
                    held = _without(here, copy.node)
                    others = _without(self._state.copies, copy.volume_id)
                    self._set(copies={**others, copy.volume_id: held} if held else others)

    def keep_snapshot(self, snapshot: NamedSnapshot, event: Event) -> None:
        number = snapshot.snapshot.number
        with self._changing() as state:
            kept = {**state.snapshots.get(snapshot.volume_id, {}), number: snapshot}
            self._set(snapshots={**state.snapshots, snapshot.volume_id: kept})
            self._tell(event)

    def drop_snapshot(self, snapshot: NamedSnapshot, event: Event) -> None:
        with self._changing() as state:
            kept = dict(state.snapshots.get(snapshot.volume_id, {}))
            kept.pop(snapshot.snapshot.number, None)
            others = {
                id_: each for id_, each in state.snapshots.items() if id_ != snapshot.volume_id
            }
            self._set(snapshots={**others, snapshot.volume_id: kept} if kept else others)
            self._tell(event)

    def voters(self) -> int:
        return self.members

    def history(self, volume_id: str | None) -> list[Event]:
        return sorted(
            (event for event in self._events if volume_id in (None, event.volume_id)),
            key=lambda event: event.at,
        )

    def record(self, event: Event) -> None:
        with self._changing():
            self._tell(event)

    def forget_volume(self, volume: Volume, event: Event) -> None:
        with self._changing() as state:
            if volume.id not in state.volume_ids():
                return
            self._check_current(volume)
            if volume.owner in state.seen or state.copies.get(volume.id, {}).keys() - {
                volume.owner
            }:
                raise Refused(f"volume '{volume.name}' may still be had")
            self._set(
                volumes=_without(state.volumes, volume.name),
                mounts=_without(state.mounts, volume.id),
                moves=_without(state.moves, volume.id),
                copies=_without(state.copies, volume.id),
                snapshots=_without(state.snapshots, volume.id),
            )
            self._tell(event)

    def forget_node(self, name: str) -> None:
        with self._changing() as state:
            if name in state.nodes:
                raise Refused(f"{name} is up")
            self._machines.pop(name, None)
            copies = {id_: _without(held, name) for id_, held in state.copies.items()}
            self._set(
                seen=_without(state.seen, name),
                looks=_without(state.looks, name),
                copies={id_: held for id_, held in copies.items() if held},
            )

    def announce(self, node: Node, look: Look | None = None, *, may_replace: bool = False) -> bool:
        with self._changing() as state:
            there = self._machines.get(node.name)
            if there is None or there.machine != node.machine:
                is_up = node.name in state.nodes
                if is_up or (there is not None and not may_replace):
                    raise not_admitted(node, (there or node).address, is_up=is_up)
                self._machines[node.name] = node
            self._set(nodes={**state.nodes, node.name: node}, seen={**state.seen, node.name: now()})
            if look is not None:
                self._set(looks={**state.looks, look.node: look})
            return node.name not in state.nodes

    def expire(self, node: str) -> None:
        """Let a node's lease run out: what it held by lease is gone."""
        with self._changing() as state:
            self._set(
                nodes=_without(state.nodes, node),
                mounts={key: at for key, at in state.mounts.items() if at != node},
                moves={key: move for key, move in state.moves.items() if move.target != node},
            )

    @contextmanager
    def _changing(self) -> Iterator[State]:
        with self._changed:
            yield self._state
            self._changed.notify_all()

    def _set(self, **changed: Any) -> None:
        self._state = replace(self._state, **changed)

    def _put_copy(self, copy: Copy) -> None:
        held = {**self._state.copies.get(copy.volume_id, {}), copy.node: copy}
        self._set(copies={**self._state.copies, copy.volume_id: held})

    def _tell(self, event: Event) -> None:
        if event not in self._events:
            self._events.append(event)
            of_volume = [each for each in self._events if each.volume_id == event.volume_id]
            for old in of_volume[:-EVENTS_KEPT]:
                self._events.remove(old)

    def _is_current(self, move: Move) -> bool:
        current = self._state.moves.get(move.volume_id)
        return current is not None and current.token == move.token

    def _check_current(self, volume: Volume) -> None:
        if self._state.volumes.get(volume.name) != volume:
            raise StaleEpoch(f"volume '{volume.name}' has changed; try again")

    def _check_unused(self, volume: Volume) -> None:
        if volume.id in self._state.mounts:
            raise InUse(volume.name, self._state.mounts[volume.id], [])

    def _check_unmoved(self, volume: Volume) -> None:
        if volume.id in self._state.moves:
            raise MoveUnderWay(volume.name, self._state.moves[volume.id].target)


def _without(table: Mapping[Key, Value], key: Key) -> dict[Key, Value]:
    return {each: value for each, value in table.items() if each != key}
