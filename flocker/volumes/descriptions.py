"""Describe volumes as this node sees them, and say what keeps one from being used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from flocker.base.errors import (
    PoolError,
    PoolHangs,
    Refused,
    VolumeNotFound,
)
from flocker.base.options import (
    format_size,
)
from flocker.base.records import ClusterState, PoolKind, Volume
from flocker.engine.typed_options import TypedOptions
from flocker.moving.replica_choice import complete_until, is_current, owner_lost
from flocker.node.context import NodeContext
from flocker.pool.glance import Glance
from flocker.volumes.opening import open_here


@dataclass(frozen=True)
class Description:
    """A volume as this node sees it; `mountpoint` only where the volume can be written."""

    volume: Volume
    mountpoint: Path | None


@dataclass(frozen=True)
class Here:
    """A volume as the pool of its owner sees it.

    Attributes:
        used_bytes: what it holds; None if that is not known.
        problem: the reason why it cannot be used, in words; None if there is none.
    """

    used_bytes: int | None = None
    problem: str | None = None


class Descriptions:
    """The descriptions of the cluster's volumes, from one node.

    Args:
        typed_options: what the engine was told when volumes were created on this node.
        glances: at the pools that this node reaches.
    """

    def __init__(
        self,
        context: NodeContext,
        typed_options: TypedOptions,
        glances: Mapping[PoolKind, Glance],
    ) -> None:
        self._context = context
        self._node = context.node
        self._mirror = context.mirror
        self._pools = context.pools
        self._typed_options = typed_options
        self._glances = glances

    def describe(self, name: str) -> Description:
        """Describe one volume.

        Raises:
            VolumeNotFound: etcd says there is none. Never only because etcd is away.
        """
        volume = self._mirror.volume(name)
        if volume is None:
            raise VolumeNotFound(name)
        return self._describe([volume])[0]

    def describe_all(self) -> list[Description]:
        """All volumes of the cluster, by name."""
        return self._describe(self._mirror.volumes())

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
        here = self.here([volume])[volume.id]
        if here.used_bytes is not None:
            status["used_bytes"] = here.used_bytes
        if move := state.moves.get(volume.id):
            percent = "" if move.percent is None else f", {move.percent} %"
            status["move"] = f"to {move.target}{percent}"
        if asked_for := self._typed_options.differences(volume):
            status["asked for here"] = "; ".join(asked_for)
        if problem := here.problem or self.problem_elsewhere(volume):
            status["problem"] = problem
        self._typed_options.look_later(volume)
        return status

    def here(self, volumes: Sequence[Volume]) -> dict[str, Here]:
        """The view that its pool gives of each volume, by id; empty for those of other nodes."""
        found = {volume.id: Here() for volume in volumes}
        own = [volume for volume in volumes if volume.owner == self._node]
        for kind, glance in self._glances.items():
            if there := [volume for volume in own if volume.pool == kind]:
                try:
                    found |= glance.read(partial(self._look_at, there))
                except PoolHangs as error:
                    found |= {volume.id: Here(problem=str(error)) for volume in there}
        return found

    def problem_elsewhere(self, volume: Volume) -> str | None:
        """The reason beyond its pool why a volume cannot be used; None if there is none."""
        state = self._mirror.state
        if not self._mirror.is_connected:
            return "etcd does not answer; this is what was known last"
        if volume.owner not in state.nodes:
            return str(owner_lost(volume, state))
        return None

    def _look_at(self, volumes: Sequence[Volume]) -> dict[str, Here]:
        return {volume.id: self._look(volume) for volume in volumes}

    def _look(self, volume: Volume) -> Here:
        used_bytes = None
        try:
            pool = self._pools.of(volume)
            used_bytes = pool.used_bytes(volume.id)
            if not volume.is_shared:  # that would mount it
                open_here(self._context, volume)
            return Here(used_bytes, pool.problem(volume.id))
        except (PoolError, Refused) as error:
            return Here(used_bytes, str(error))

    def _describe(self, volumes: list[Volume]) -> list[Description]:
        own = [volume for volume in volumes if volume.owner == self._node]
        # Of those on the storage nobody is asked.
        paths = {volume.id: self._path(volume) for volume in own if volume.is_shared}
        if local := [volume for volume in own if not volume.is_shared]:
            with suppress(PoolHangs):
                glance = self._glances["btrfs"]
                paths |= glance.read(lambda: {each.id: self._path(each) for each in local})
        return [Description(volume, paths.get(volume.id)) for volume in volumes]

    def _path(self, volume: Volume) -> Path | None:
        # To the engine an error here would mean that the volume is gone. `here` tells it.
        with suppress(PoolError, Refused):
            if volume.is_shared:
                return self._pools.sharing(volume).mountpoint(volume.id)
            return self._pools.of(volume).writable_path(volume.claim)
        return None


def _age(volume: Volume, node: str, state: ClusterState) -> str:
    """The age of a replica, in words."""
    copy = state.copies_of(volume)[node]
    if is_current(volume, copy, state) and volume.owner in state.nodes:
        return "current"
    return f"complete up to {complete_until(volume, copy, state)}"
