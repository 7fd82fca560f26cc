"""Find what a former owner holds that the volume's history no longer contains."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from flocker.base.records import Snapshot, Volume


@dataclass(frozen=True)
class Divergence:
    """The consequence for the copy.

    Attributes:
        keeps_live: put the writable copy aside.
        newest: else put this snapshot aside, if any.
        snapshots: to be deleted, oldest first; `newest` is one of them.
        kept: those of them to be put aside as well, because people keep them.
    """

    keeps_live: bool
    newest: Snapshot | None
    snapshots: list[Snapshot]
    kept: list[Snapshot] = field(default_factory=list)


def divergence(
    here: Sequence[Snapshot],
    volume: Volume,
    holders: Collection[Snapshot] | None,
    kept: Collection[Snapshot] = (),
) -> Divergence:
    """Compare what is here with what the owner has.

    Args:
        here: the snapshots on this node, oldest first.
        volume: its present record.
        holders: those of `here` that hold all of the writable copy; None: there is no such copy.
        kept: those that people keep.
    """
    part = [snapshot for snapshot in here if volume.includes(snapshot)]
    others = [snapshot for snapshot in here if snapshot not in part]
    keeps_live = holders is not None and not any(each in holders for each in (*part, *others[-1:]))
    newest = others[-1] if others and not keeps_live else None
    also_kept = [each for each in others if each in kept and each != newest]
    return Divergence(keeps_live, newest, others, also_kept)
