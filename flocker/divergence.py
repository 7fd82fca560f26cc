"""What of a node's copy is not part of a volume any more, once another node owns it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from flocker.records import Snapshot, Volume


@dataclass(frozen=True)
class Divergence:
    """What to do about it.

    Attributes:
        keeps_live: put the writable copy aside.
        newest: else put this snapshot aside, if any.
        snapshots: to be deleted, oldest first; `newest` is one of them.
    """

    keeps_live: bool
    newest: Snapshot | None
    snapshots: list[Snapshot]


def last_shared(volume: Volume, epoch: int) -> int | None:
    """The number of the last snapshot from that epoch or before that the owner's go on from.

    None: not known. Numbers grow from owner to owner, also after a promotion that
    left the last ones behind: only the cuts tell which of the lower ones those are.
    """
    if volume.base is None:
        return None
    cuts = [cut.number for cut in volume.cuts if cut.epoch > epoch]
    return min([volume.base.number, *cuts])


def divergence(
    here: Sequence[Snapshot], volume: Volume, epoch: int, holders: Collection[Snapshot] | None
) -> Divergence:
    """Compare what is here with what the owner has.

    Args:
        here: the snapshots on this node, oldest first.
        epoch: the last one at which these were snapshots of the volume.
        holders: those of `here` that hold all of the writable copy; None: there is no such copy.
    """
    last = last_shared(volume, epoch)
    namesakes = [each for each in here if volume.base and each.number == volume.base.number]
    if last is None or namesakes not in ([], [volume.base]):
        last = 0  # nothing can be said of any
    part = [snapshot for snapshot in here if snapshot.number <= last]
    others = [snapshot for snapshot in here if snapshot.number > last]
    if holders is not None and not any(each in holders for each in (*part, *others[-1:])):
        return Divergence(keeps_live=True, newest=None, snapshots=others)
    return Divergence(keeps_live=False, newest=others[-1] if others else None, snapshots=others)
