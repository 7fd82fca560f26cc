"""The time that owners have to come back after this node was started.

The power may have failed for both, and machines take differently long to start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flocker.base.records import ClusterState

BOOT_GRACE_SECONDS = 120


class BootGrace:
    """Tells which owners may still be starting, by no clock that anybody sets.

    An owner that has announced itself since this daemon first looked is up, or was. What it said
    before that may be from before the power failed.

    Args:
        uptime: the seconds since this node was started.
    """

    def __init__(self, uptime: Callable[[], float]) -> None:
        self._uptime = uptime
        self._first_seen: Mapping[str, str] | None = None

    def look(self, state: ClusterState) -> None:
        """Note what owners have said so far; to be called with every state that is seen."""
        if self._first_seen is None:
            self._first_seen = state.seen

    def covers(self, owner: str, state: ClusterState) -> bool:
        """Tell whether this node started not long ago and has not heard of the owner since."""
        first_seen = self._first_seen or {}
        is_unheard = state.seen.get(owner) == first_seen.get(owner)
        return is_unheard and self._uptime() < BOOT_GRACE_SECONDS
