"""Checks that this machine is the node that it is named after, and limits what it may do otherwise.

Two machines of one name would both be the owner that a volume's record names, at the same epoch.
So a name belongs to one machine (identity.py). Another one of that name does not join: it has no
lease and changes nothing that is agreed, and whatever uses a volume on it is stopped.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from flocker.base.admitted import admitted
from flocker.base.errors import ControlPlaneAway, NotAdmitted
from flocker.base.records import Look, Node
from flocker.consensus.ownership import Ownership
from flocker.membership.identity import Identity

log = logging.getLogger(__name__)

READS = (
    *("state", "follow", "volume", "removed", "move", "history", "voters"),
    *("sessions", "lost_roots"),  # not `root`: a node blocks what was its own
)
JOIN_SECONDS = 5.0  # the first announcement is on its way as soon as the daemon starts


class Membership:
    """This machine's place in the cluster.

    Args:
        expel: stops everything on this machine that uses a volume.
        authority: see Node.
        patience_seconds: how long a new machine waits for the lease of the one it replaces to
            run out. One that still meets the other machine after that is a second one.
        join_seconds: how long a change waits for the first announcement.
    """

    def __init__(
        self,
        ownership: Ownership,
        identity: Identity,
        expel: Callable[[], object],
        *,
        authority: str = "",
        patience_seconds: float,
        join_seconds: float = JOIN_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shared = ownership
        self._identity = identity
        self._expel = expel
        self._authority = authority
        self._patience_seconds = patience_seconds
        self._join_seconds = join_seconds
        self._clock = clock
        self._is_known = threading.Event()
        self._refusal = ""
        self._refused_since: float | None = None

    @property
    def ownership(self) -> Ownership:
        """The agreed records, as this machine may change them."""
        # Made for whoever asks: kept here, each of the two would hold the other.
        return admitted(self._shared, self.check_known, READS, announce=self.announce)

    def announce(self, node: Node, look: Look | None = None) -> bool:
        """See Ownership.announce.

        Raises:
            NotAdmitted: this machine may not join; nothing uses a volume here any more.
        """
        mine = replace(node, machine=self._identity.machine, authority=self._authority)
        try:
            is_new = self._shared.announce(mine, look, may_replace=self._identity.is_new)
        except NotAdmitted as error:
            self.refuse(error)
            raise
        self._identity.settle()
        self._refusal, self._refused_since = "", None
        self._is_known.set()
        return is_new

    def check(self) -> None:
        """Refuse what only the node of that name may do.

        Raises:
            NotAdmitted: this machine is known not to be it.
        """
        if refusal := self._refusal:
            raise NotAdmitted(refusal)

    def problems(self) -> list[str]:
        """Why this machine may not join, for people; nothing if it has, or may."""
        return [self._refusal] if self._refusal else []

    def check_known(self) -> None:
        """Refuse also while it is not known yet: for what nobody waits for.

        Raises:
            ControlPlaneAway: nothing was announced yet.
            NotAdmitted: as `check`.
        """
        if not self._is_known.wait(self._join_seconds):
            raise ControlPlaneAway("this node has not joined the cluster yet; try again")
        self.check()

    def refuse(self, error: NotAdmitted) -> None:
        """Have nothing use a volume here, until the cluster admits this machine."""
        if self._refusal != str(error):  # once, not at every attempt
            log.error("%s", error)
        self._refusal = str(error)
        self._is_known.set()
        if self._refused_since is None:
            self._refused_since = self._clock()
        if self._clock() - self._refused_since > self._patience_seconds:
            self._identity.settle()
        self._expel()
