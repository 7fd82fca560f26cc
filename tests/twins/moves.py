"""A move up to the point from which its target alone may have the volume."""

from __future__ import annotations

from flocker.base.records import Move, Volume
from flocker.consensus.ownership import Ownership


def start_move(ownership: Ownership, volume: Volume, target: str) -> Move:
    """Begin a move and lock it, as a target does that has nothing to fetch first."""
    return ownership.lock_move(volume, ownership.begin_move(volume, target))
