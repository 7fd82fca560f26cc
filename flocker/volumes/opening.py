"""Open the writable copy of a volume, or say why that cannot be."""

from __future__ import annotations

from pathlib import Path

from flocker.base.belief import Belief
from flocker.base.errors import (
    PoolError,
)
from flocker.base.records import Volume
from flocker.moving.replica_choice import copy_missing
from flocker.node.context import NodeContext


def open_here(context: NodeContext, volume: Volume) -> Path:
    """Where a volume that this node owns can be written to.

    Raises:
        Refused: this node came back without its disk.
        PoolError: the copy cannot be opened.
    """
    try:
        return context.pool.writable_path(volume.claim)
    except PoolError as error:
        if not context.pool.has_writable(volume.id):
            raise copy_missing(volume, context.mirror.state) from error
        raise PoolError(
            f"volume '{volume.name}' cannot be opened on {context.node}: {error}"
        ) from error


def belief_that_gone(context: NodeContext, volume: Volume) -> Belief:
    """The belief that a volume has no record any more, for whoever takes its data away."""

    def confirm() -> None:
        there = context.ownership.volume(volume.name)
        if there is not None and there.id == volume.id:
            raise PoolError(f"volume '{volume.name}' is there again")

    return Belief(confirm, volume.epoch)
