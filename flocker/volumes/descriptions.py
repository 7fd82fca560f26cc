"""Describe volumes as this node sees them, and say what keeps one from being used."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flocker.base.errors import (
    PoolError,
    Refused,
    VolumeNotFound,
)
from flocker.base.options import (
    format_size,
)
from flocker.base.records import ClusterState, Volume
from flocker.engine.typed_options import TypedOptions
from flocker.moving.replica_choice import complete_until, is_current, owner_lost
from flocker.node.context import NodeContext
from flocker.volumes.opening import open_here


@dataclass(frozen=True)
class Description:
    """A volume as this node sees it; `mountpoint` only where the volume can be written."""

    volume: Volume
    mountpoint: Path | None


class Descriptions:
    """The descriptions of the cluster's volumes, from one node.

    Args:
        typed_options: what the engine was told when volumes were created on this node.
    """

    def __init__(self, context: NodeContext, typed_options: TypedOptions) -> None:
        self._context = context
        self._node = context.node
        self._mirror = context.mirror
        self._pools = context.pools
        self._typed_options = typed_options

    def describe(self, name: str) -> Description:
        """Describe one volume.

        Raises:
            VolumeNotFound: etcd says there is none. Never only because etcd is away.
        """
        volume = self._mirror.volume(name)
        if volume is None:
            raise VolumeNotFound(name)
        return self._description(volume)

    def describe_all(self) -> list[Description]:
        """All volumes of the cluster, by name."""
        return [self._description(volume) for volume in self._mirror.volumes()]

    def status(self, volume: Volume) -> dict[str, Any]:
        """The fields of `docker volume inspect` besides the engine's own."""
        state = self._mirror.state
        status: dict[str, Any] = {
            "id": volume.id,
            "owner": volume.owner,
            "epoch": volume.epoch,
            "size": "no limit" if volume.size_bytes is None else format_size(volume.size_bytes),
            "failover": volume.failover,
            "pool": volume.pool,
            "replicas": {
                node: _age(volume, node, state)
                for node in sorted(state.copies_of(volume))
                if node != volume.owner
            },
        }
        if volume.owner == self._node:
            used = self.used_bytes(volume)
            if used is not None:
                status["used_bytes"] = used
        if move := state.moves.get(volume.id):
            percent = "" if move.percent is None else f", {move.percent} %"
            status["move"] = f"to {move.target}{percent}"
        if asked_for := self._typed_options.differences(volume):
            status["asked for here"] = "; ".join(asked_for)
        if problem := self.problem(volume):
            status["problem"] = problem
        self._typed_options.look_later(volume)
        return status

    def used_bytes(self, volume: Volume) -> int | None:
        """The bytes in a volume that this node owns; None if they are not counted or not told."""
        try:
            return self._pools.glance_at(volume).used_bytes(volume.id)
        except (PoolError, Refused):
            if not volume.is_shared:
                raise
            return None  # Ceph is away, which `problem` tells

    def problem(self, volume: Volume) -> str | None:
        """The reason why a volume cannot be used, in words; None if there is none."""
        state = self._mirror.state
        if volume.owner == self._node:
            try:
                if not volume.is_shared:  # that would mount it
                    open_here(self._context, volume)
                if problem := self._pools.glance_at(volume).problem(volume.id):
                    return problem
            except (PoolError, Refused) as error:
                return str(error)
        if not self._mirror.is_connected:
            return "etcd does not answer; this is what was known last"
        if volume.owner not in state.nodes:
            return str(owner_lost(volume, state))
        return None

    def _description(self, volume: Volume) -> Description:
        mountpoint = None
        if volume.owner == self._node:
            # To the engine an error here would mean that the volume is gone. `problem` tells it.
            with suppress(PoolError, Refused):
                if volume.is_shared:
                    mountpoint = self._pools.sharing(volume).mountpoint(volume.id)
                else:
                    mountpoint = self._pools.of(volume).writable_path(volume.claim)
        return Description(volume, mountpoint)


def _age(volume: Volume, node: str, state: ClusterState) -> str:
    """The age of a replica, in words."""
    copy = state.copies_of(volume)[node]
    if is_current(volume, copy, state) and volume.owner in state.nodes:
        return "current"
    return f"complete up to {complete_until(volume, copy, state)}"
