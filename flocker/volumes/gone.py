"""The belief by which data is taken away: that its volume has no record any more."""

from __future__ import annotations

from flocker.base.belief import Belief
from flocker.base.errors import PoolError
from flocker.base.records import Volume
from flocker.node.context import NodeContext


def belief_that_gone(context: NodeContext, volume: Volume) -> Belief:
    """The belief that a volume has no record any more, for whoever takes its data away."""

    def confirm() -> None:
        there = context.ownership.volume(volume.name)
        if there is not None and there.id == volume.id:
            raise PoolError(f"volume '{volume.name}' is there again")

    return Belief(confirm, volume.epoch)
