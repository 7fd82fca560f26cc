"""Choose the copy to go on from, and say how old it is: the same answer on every node.

Pure functions of the cluster's state.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from flocker.base.errors import OwnerLost, Refused
from flocker.base.records import ClusterState, Copy, Volume
from flocker.moving.succession import copies_to_go_on_from

CURRENT_WITHIN = timedelta(seconds=10)
AHEAD = timedelta(minutes=1)  # clocks that differ less count as agreeing, see node/observed.py


def newest_copy(volume: Volume, state: ClusterState) -> Copy | None:
    """The copy to go on from: the newest one on a node that is up, the same answer everywhere."""
    return next(iter(copies_to_go_on_from(volume, state)), None)


def is_current(volume: Volume, copy: Copy, state: ClusterState) -> bool:
    """Tell whether a copy holds all that the owner wrote until shortly before it was lost.

    That is CURRENT_WITHIN before the owner was last heard of; both times are by the owner's clock.
    """
    seen = state.seen.get(volume.owner)
    if not _is_newest(volume, copy, state) or seen is None:
        return False
    until = datetime.fromisoformat(complete_until(volume, copy, state))
    return datetime.fromisoformat(seen) - until <= CURRENT_WITHIN


def _is_newest(volume: Volume, copy: Copy, state: ClusterState) -> bool:
    """Tell whether a copy holds what the owner has published.

    Of a volume without replicas it publishes nothing.
    """
    published = state.copies_of(volume).get(volume.owner)
    return volume.replicas > 0 and published is not None and published.snapshot == copy.snapshot


def complete_until(volume: Volume, copy: Copy, state: ClusterState) -> str:
    """Up to when a copy holds everything the owner wrote; RFC 3339.

    The newest one holds all there was when the owner last looked at the volume.
    """
    look = state.looks.get(volume.owner)
    seen = state.seen.get(volume.owner)
    # A promotion may have left its snapshot behind: how much of the volume it holds is not known.
    is_known = volume.includes(copy.snapshot) and not _is_of_the_future(copy.taken_at, seen)
    taken_at = copy.taken_at if is_known else volume.created_at
    if look is None or not _is_newest(volume, copy, state):
        return taken_at
    covered = look.covers(volume)
    return taken_at if _is_of_the_future(covered, seen) else max(covered, taken_at)


def _is_of_the_future(time: str, seen: str | None) -> bool:
    """Tell whether a time is from while an owner's clock was ahead, which was set back since.

    It would promise writes that are still to come.

    Args:
        seen: when the owner was last heard of.
    """
    if seen is None or time <= seen:
        return False
    return datetime.fromisoformat(time) - datetime.fromisoformat(seen) > AHEAD


def owner_lost(volume: Volume, state: ClusterState) -> OwnerLost:
    """The error that says why a volume whose owner is away cannot be had, and what to do."""
    copy = newest_copy(volume, state)
    if volume.is_shared:
        way_on = _way_on_from_shared(volume)
    elif copy is None:
        way_on = f"no replica of it is on a node that is up; bring {volume.owner} back"
    elif volume.failover == "auto":
        way_on = (
            f"failover=auto: {copy.node}, whose replica is complete up to "
            f"{complete_until(volume, copy, state)}, takes over within seconds, or two "
            "minutes after its own start if that was later; if it cannot, the node with the next "
            "copy does ten seconds later; try again then"
        )
    else:
        way_on = (
            f"the newest replica is on {copy.node}, complete up to "
            f"{complete_until(volume, copy, state)}; to go on from it type "
            f"`flocker promote {volume.name}` on {copy.node}, or bring {volume.owner} back"
        )
    return OwnerLost(volume.name, volume.owner, state.seen.get(volume.owner), way_on)


def _way_on_from_shared(volume: Volume) -> str:
    if volume.failover == "auto":
        return (
            "failover=auto: another node that reaches Ceph takes over within seconds, or two "
            "minutes after its own start if that was later; try again then"
        )
    return (
        "all that it had flushed is on Ceph; to go on from it type "
        f"`flocker promote {volume.name}` on a node that reaches Ceph, or bring {volume.owner} back"
    )


def copy_missing(volume: Volume, state: ClusterState) -> Refused:
    """The error that says why a volume cannot be had whose owner is there without its data."""
    copy = newest_copy(volume, state)
    if copy is None:
        way_on = "and no replica of it is on a node that is up"
    else:
        way_on = (
            f"the newest replica is on {copy.node}, complete up to {copy.taken_at}; to go on from "
            f"it type `flocker promote {volume.name}` on {volume.owner}"
        )
    return Refused(
        f"volume '{volume.name}' is owned by {volume.owner}, whose pool does not have it "
        f"(was its disk replaced?); {way_on}"
    )


def is_behind(node: str, volume: Volume, state: ClusterState) -> bool:
    """Tell whether the owner, who is there, has published what that node does not have."""
    copies = state.copies_of(volume)
    if node == volume.owner or volume.owner not in copies:
        return False
    mine = copies.get(node)
    is_here = mine is not None and mine.snapshot == copies[volume.owner].snapshot
    return volume.owner in state.nodes and not is_here


def taken_at(node: str, volume: Volume, state: ClusterState) -> str:
    """When the copy on a node was taken; empty if it has none."""
    mine = state.copies_of(volume).get(node)
    return mine.taken_at if mine else ""
