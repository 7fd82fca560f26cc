"""Find what a former owner holds that the volume's history no longer contains."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from flocker.base.records import Snapshot, Volume


@dataclass(frozen=True)
class Divergence:
    """The consequence for the copy.

    Attributes:
        keeps_live: put the writable copy aside.
        newest: else put this snapshot aside, if any.
        snapshots: to be deleted, oldest first; `newest` is one of them.
    """

    keeps_live: bool
    newest: Snapshot | None
    snapshots: list[Snapshot]


def divergence(
    here: Sequence[Snapshot], volume: Volume, holders: Collection[Snapshot] | None
) -> Divergence:
    """Compare what is here with what the owner has.

    Args:
        here: the snapshots on this node, oldest first.
        volume: its present record.
        holders: those of `here` that hold all of the writable copy; None: there is no such copy.
    """
    part = [snapshot for snapshot in here if volume.includes(snapshot)]
    others = [snapshot for snapshot in here if snapshot not in part]
    if holders is not None and not any(each in holders for each in (*part, *others[-1:])):
        return Divergence(keeps_live=True, newest=None, snapshots=others)
    return Divergence(keeps_live=False, newest=others[-1] if others else None, snapshots=others)
