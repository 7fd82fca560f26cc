"""Open the writable copy of a volume, or say why that cannot be."""

from __future__ import annotations

from pathlib import Path

from flocker.base.errors import PoolError
from flocker.base.records import Volume
from flocker.moving.replica_choice import copy_missing
from flocker.node.context import NodeContext


def open_here(context: NodeContext, volume: Volume) -> Path:
    """Where a volume that this node owns can be written to; a shared one is mounted for that.

    Raises:
        Refused: this node came back without its disk.
        PoolError: the copy cannot be opened.
    """
    try:
        return context.pools.owned(volume).writable_path(volume.claim)
    except PoolError as error:
        if not volume.is_shared and not context.pool.has_writable(volume.id):
            raise copy_missing(volume, context.mirror.state) from error
        raise PoolError(
            f"volume '{volume.name}' cannot be opened on {context.node}: {error}"
        ) from error
