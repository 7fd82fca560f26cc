"""The agreed state as keys and JSON values: below ROOT in etcd, and in a mirror's file.

    volumes/<name>        a Volume         for good
    mounts/<id>           id, node, name   while its node's lease lasts
    moves/<id>            a Move           while its target's lease lasts
    nodes/<node>          a Node           while its lease lasts
    seen/<node>           at               for good
    machines/<node>       id, address,     until the node is forgotten; not part of a ClusterState
                          authority
    looks/<node>          a Look           for good
    retired/<node>        at               for good: nobody of that name is trusted
    refused/<serial>      node, at         for good: etcd lets in nobody of that authority
    copies/<id>/<node>    a Copy           until withdrawn or purged
    snapshots/<id>/<epoch>-<n>   a NamedSnapshot   until purged
    sessions/<id>/<epoch> addresses        until ended or purged; not part of a ClusterState
    roots/<node>          addresses        for good; not part of a ClusterState
    removed/<id>          a Removed        until undeleted or purged
    history/<id>/...      an Event         until purged; not part of a ClusterState
    creations             the last one     for good; not part of a ClusterState
    format                number           for good; absent: 1. Not part of a ClusterState

Records keep what a newer version has added to them: nodes are updated one after the other. A
version that changes what is there already raises the format, once all nodes know the new one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from flocker.base.json_text import read_json
from flocker.base.records import (
    Claim,
    ClusterState,
    Copy,
    Event,
    Look,
    Move,
    NamedSnapshot,
    Node,
    Removed,
    Snapshot,
    Volume,
    check_time,
)

log = logging.getLogger(__name__)

Json = dict[str, Any]


def volume_key(name: str) -> str:
    return f"volumes/{name}"


def mount_key(volume_id: str) -> str:
    return f"mounts/{volume_id}"


def move_key(volume_id: str) -> str:
    return f"moves/{volume_id}"


NODES = "nodes/"


def node_key(node: str) -> str:
    return f"{NODES}{node}"


def seen_key(node: str) -> str:
    return f"seen/{node}"


def machine_key(node: str) -> str:
    return f"machines/{node}"


def look_key(node: str) -> str:
    return f"looks/{node}"


def retired_key(node: str) -> str:
    return f"retired/{node}"


def refused_key(serial: str) -> str:
    return f"refused/{serial}"


def copy_key(volume_id: str, node: str) -> str:
    return f"copies/{volume_id}/{node}"


def snapshot_key(volume_id: str, snapshot: Snapshot) -> str:
    """With the epoch: after a promotion numbers come again."""
    return f"snapshots/{volume_id}/{snapshot.epoch}-{snapshot.number}"


def session_key(claim: Claim) -> str:
    return f"{sessions_of(claim.volume_id)}{claim.epoch}"


def sessions_of(volume_id: str) -> str:
    """The beginning of the keys of a volume's sessions."""
    return f"sessions/{volume_id}/"


ROOTS = "roots/"  # nodes' own mounts of the folder that all shared volumes are in


def root_key(node: str) -> str:
    return f"{ROOTS}{node}"


# Each creation changes it, so that none is made that was asked for before another one.
CREATIONS = "creations"


# Of all records. No node joins that does not know it (docs/decisions/0055).
FORMAT, FORMAT_KEY = 1, "format"


def removed_key(volume_id: str) -> str:
    return f"removed/{volume_id}"


def event_key(event: Event) -> str:
    """In order of time; `what` keeps two events of one millisecond apart."""
    return f"history/{event.volume_id}/{event.at}-{event.node}-{event.what}"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


_READERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "volumes": Volume.from_json,
    "mounts": lambda value: _text(value["node"]),
    "moves": Move.from_json,
    "nodes": Node.from_json,
    "seen": lambda value: check_time(value["at"]),
    "looks": Look.from_json,
    "retired": lambda value: check_time(value["at"]),
    "refused": lambda value: _text(value["node"]),
    "copies": Copy.from_json,
    "snapshots": NamedSnapshot.from_json,
    "removed": Removed.from_json,
}
KINDS = tuple(_READERS)  # what a ClusterState is made of


@lru_cache(maxsize=4096)
def _record(kind: str, value: str) -> Any:
    """A record, which never changes and so can be shared: mostly, what is read was read before."""
    return _READERS[kind](read_json(value))


class Tables:
    """Keys and values as they come, and the ClusterState they make up."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, Any]] = {kind: {} for kind in _READERS}
        # What States hold, by kind. Made anew only when one of the kind changes: mostly only nodes
        # do, every second or so, and what is the same need not be compared.
        self._told: dict[str, dict[Any, Any]] = {}

    def put(self, key: str, value: str) -> None:
        """Take note of a key's value (JSON); one that is no part of a ClusterState is passed over.

        So is one that cannot be read, whoever wrote it: one bad record must not blind a node
        to all others.
        """
        kind, _, rest = key.partition("/")
        if kind not in _READERS:
            return
        try:
            self._tables[kind][rest] = _record(kind, value)
            self._told.pop(kind, None)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            log.warning("%s cannot be read and is passed over: %r", key, error)

    def delete(self, key: str) -> None:
        kind, _, rest = key.partition("/")
        self._tables.get(kind, {}).pop(rest, None)
        self._told.pop(kind, None)

    def state(self) -> ClusterState:
        """The present state; it does not change with later keys."""
        return ClusterState(
            copies=self._grouped("copies", lambda copy: copy.node),
            snapshots=self._grouped("snapshots", lambda named: named.key),
            **{kind: self._all(kind) for kind in KINDS if kind not in ("copies", "snapshots")},
        )

    def _all(self, kind: str) -> dict[str, Any]:
        """The records of one kind."""
        if kind not in self._told:
            self._told[kind] = dict(self._tables[kind])
        return self._told[kind]

    def _grouped(self, kind: str, key: Callable[[Any], Any]) -> dict[str, dict[Any, Any]]:
        """The records of one kind by volume id, and for each volume by `key`."""
        if kind not in self._told:
            found: dict[str, dict[Any, Any]] = {}
            for each in self._tables[kind].values():
                found.setdefault(each.volume_id, {})[key(each)] = each
            self._told[kind] = found
        return self._told[kind]


def keyed(state: ClusterState) -> dict[str, Json]:
    """The keys and values that make up a ClusterState."""
    keys: dict[str, Json] = {}
    keys |= {volume_key(name): volume.to_json() for name, volume in state.volumes.items()}
    keys |= {mount_key(volume_id): {"node": node} for volume_id, node in state.mounts.items()}
    keys |= {move_key(volume_id): move.to_json() for volume_id, move in state.moves.items()}
    keys |= {node_key(name): node.to_json() for name, node in state.nodes.items()}
    keys |= {seen_key(node): {"at": at} for node, at in state.seen.items()}
    keys |= {look_key(node): look.to_json() for node, look in state.looks.items()}
    keys |= {retired_key(node): {"at": at} for node, at in state.retired.items()}
    keys |= {refused_key(serial): {"node": node} for serial, node in state.refused.items()}
    for copies in state.copies.values():
        keys |= {copy_key(copy.volume_id, copy.node): copy.to_json() for copy in copies.values()}
    for snapshots in state.snapshots.values():
        for named in snapshots.values():
            keys[snapshot_key(named.volume_id, named.snapshot)] = named.to_json()
    keys |= {removed_key(volume_id): each.to_json() for volume_id, each in state.removed.items()}
    return keys
