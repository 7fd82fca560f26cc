"""The nodes, the volumes and what happened to them, for people and for who watches a node."""

from __future__ import annotations

from collections.abc import Callable

from flocker.base.answered_records import move_status
from flocker.base.answers import (
    CertificateEnd,
    CopyStatus,
    History,
    HistoryEvent,
    NodeStatus,
    Status,
    VolumeStatus,
)
from flocker.base.errors import VolumeNotFound
from flocker.base.records import ClusterState, Copy, Event, Volume
from flocker.moving.replica_choice import complete_until, is_current
from flocker.node.context import NodeContext
from flocker.volumes.descriptions import Descriptions, Here
from flocker.volumes.recovery import by_time


class Overview:
    """A node's view of the cluster. Each call returns what can be JSON.

    Args:
        problems: what does not work on this node, one sentence each.
        certificates: of this node, and when each ends.
    """

    def __init__(
        self,
        context: NodeContext,
        descriptions: Descriptions,
        problems: Callable[[], list[str]],
        certificates: Callable[[], list[CertificateEnd]],
    ) -> None:
        self._node = context.node
        self._ownership = context.ownership
        self._mirror = context.mirror
        self._pool = context.pool
        self._descriptions = descriptions
        self._problems = problems
        self._certificates = certificates

    def status(self) -> Status:
        """The nodes and the volumes, as this node knows them."""
        state, volumes = self._mirror.state, self._mirror.volumes()
        here = self._descriptions.here(volumes)
        return {
            "node": self._node,
            "is_connected": self._mirror.is_connected,
            "pool_problem": self._pool.trouble(),
            "problems": self._problems(),
            "certificates": self._certificates(),
            "nodes": [_node(name, state) for name in sorted(state.seen.keys() | state.nodes)],
            "volumes": [self._volume(volume, here[volume.id], state) for volume in volumes],
        }

    def history(self, volume: str | None) -> History:
        """The history of one volume or of all, oldest first; also of removed ones."""
        if volume is None:
            return {"events": [_event(each) for each in self._ownership.history(None)]}
        state = self._ownership.state()
        ids = [each.volume.id for each in by_time(state) if each.volume.name == volume]
        if record := state.volumes.get(volume):
            ids.append(record.id)
        if not ids:
            raise VolumeNotFound(volume)
        events = [event for each in ids for event in self._ownership.history(each)]
        return {"events": [_event(each) for each in events]}

    def _volume(self, volume: Volume, here: Here, state: ClusterState) -> VolumeStatus:
        move = state.moves.get(volume.id)
        others = [copy for node, copy in state.copies_of(volume).items() if node != volume.owner]
        return {
            "name": volume.name,
            "id": volume.id,
            "owner": volume.owner,
            "epoch": volume.epoch,
            "created_at": volume.created_at,
            "size_bytes": volume.size_bytes,
            "used_bytes": here.used_bytes,
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
            "move": None if move is None else move_status(move),
            "problem": here.problem or self._descriptions.problem_elsewhere(volume),
            "pool": volume.pool,
        }


def _node(name: str, state: ClusterState) -> NodeStatus:
    node = state.nodes.get(name)
    return {
        "name": name,
        "address": node.address if node else None,
        "version": node.version if node else None,
        "pool_used_bytes": node.pool_used_bytes if node else None,
        "pool_total_bytes": node.pool_total_bytes if node else None,
        "pool_free_bytes": node.pool_free_bytes if node else None,
        "problems": list(node.problems) if node else [],
        "is_alive": node is not None,
        "seen": state.seen.get(name),
    }


def _copy(volume: Volume, copy: Copy, state: ClusterState) -> CopyStatus:
    return {
        "node": copy.node,
        "number": copy.snapshot.number,
        "taken_at": copy.taken_at,
        "is_current": is_current(volume, copy, state),
        "complete_until": complete_until(volume, copy, state),
    }


def _event(event: Event) -> HistoryEvent:
    return {
        "volume": event.volume,
        "at": event.at,
        "node": event.node,
        "what": event.what,
        "why": event.why,
        "by": event.by,
    }
