"""What of a node's copy is not part of a volume any more, once another node owns it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from flocker.records import Snapshot


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


def divergence(
    here: Sequence[Snapshot],
    base: Snapshot | None,
    holders: Collection[Snapshot] | None,
    *,
    is_as_adopted: bool,
) -> Divergence:
    """Compare what is here with what the new owner began with.

    Args:
        here: the snapshots on this node, oldest first.
        base: what the new owner began with; None: not known.
        holders: those of `here` that hold all of the writable copy; None: there is no such copy.
        is_as_adopted: the writable copy was made from the newest snapshot and never written to.
    """
    nothing_written = holders is None or is_as_adopted
    if base is not None and base in here:
        others = [snapshot for snapshot in here if snapshot.number > base.number]
    elif base is not None and nothing_written and all(each.number < base.number for each in here):
        others = []  # a replica that has only fallen behind
    else:
        others = list(here)
    part = [snapshot for snapshot in here if snapshot not in others]
    if holders is not None and not any(each in holders for each in (*part, *others[-1:])):
        return Divergence(keeps_live=True, newest=None, snapshots=others)
    return Divergence(keeps_live=False, newest=others[-1] if others else None, snapshots=others)
