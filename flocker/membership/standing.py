"""Asks the other nodes whether this one was retired, while etcd does not answer.

etcd refuses a retired node (refusals.py), so it cannot read there that it was. One that was only
cut off would otherwise go on using volumes that others have taken over.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from flocker.base.asking import ask_all
from flocker.base.background import attempt
from flocker.base.errors import NotAdmitted
from flocker.consensus.naming import was_retired
from flocker.node.context import NodeContext

log = logging.getLogger(__name__)

CHECK_SECONDS = 5


class PeerStanding(Protocol):
    """Other nodes. The call may raise OwnerAway."""

    def retired_at(self, node: str) -> str | None:
        """When this node was retired, by what that one knows; None if it was not."""


class Standing:
    """The standing of one node with the others.

    Args:
        refuse: has nothing use a volume here any more.
    """

    def __init__(
        self,
        context: NodeContext,
        peers: PeerStanding,
        refuse: Callable[[NotAdmitted], object],
    ) -> None:
        self._node = context.node
        self._mirror = context.mirror
        self._peers = peers
        self._refuse = refuse

    def start(self, stopping: threading.Event) -> None:
        """Run in the background until `stopping` is set."""
        threading.Thread(target=self._run, args=(stopping,), daemon=True).start()

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(CHECK_SECONDS):
            attempt(log, "the others could not be asked about this node", self.look)

    def look(self) -> None:
        """Ask those that were last known, unless etcd tells all there is to know."""
        if self._mirror.is_connected:
            return
        others = self._mirror.state.nodes.keys() - {self._node}
        told, _ = ask_all(others, self._peers.retired_at)
        if at := next(filter(None, told.values()), None):
            self._refuse(was_retired(self._node, at))
