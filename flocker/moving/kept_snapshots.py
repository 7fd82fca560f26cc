"""Fetch the snapshots that people keep of a volume, once this node has taken it over.

After the promotion, so that none can make it fail.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from flocker.base.errors import FlockerError
from flocker.base.records import ClusterState, Volume
from flocker.moving.succession import copies_to_go_on_from
from flocker.moving.transfer import Transfers
from flocker.node.context import NodeContext

log = logging.getLogger(__name__)


class KeptSnapshots:
    """Brings kept snapshots to this node, where they can be restored from then on."""

    def __init__(self, context: NodeContext, transfers: Transfers) -> None:
        self._node = context.node
        self._pool = context.pool
        self._transfers = transfers
        # By source: one that hangs delays no volume that another one has.
        self._workers: dict[str, ThreadPoolExecutor] = {}

    def fetch(self, volume: Volume, state: ClusterState) -> None:
        """Have all that can be had here."""
        for source in self._sources(volume, state):
            self._fetch(volume, source, state)

    def begin(self, volume: Volume, state: ClusterState) -> None:
        """As `fetch`, and return at once; each source is asked for one volume at a time."""
        self._begin(volume, self._sources(volume, state), state)

    def _begin(self, volume: Volume, sources: Sequence[str], state: ClusterState) -> None:
        if not sources:
            return
        first, *others = sources

        def work() -> None:
            self._fetch(volume, first, state)
            self._begin(volume, others, state)

        new = ThreadPoolExecutor(1, f"kept-snapshots-{first}")  # without a thread yet
        self._workers.setdefault(first, new).submit(work)

    def _sources(self, volume: Volume, state: ClusterState) -> list[str]:
        if volume.is_shared or volume.base is None:
            return []
        copies = copies_to_go_on_from(volume, state)
        return [copy.node for copy in copies if copy.node != self._node]

    def _fetch(self, volume: Volume, source: str, state: ClusterState) -> None:
        assert volume.base is not None
        try:
            here = set(self._pool.snapshots(volume.id))
            if missing := {each.snapshot for each in state.named(volume)} - here:
                self._transfers.fetch(volume.id, source, [*missing, volume.base])
        except FlockerError as error:
            log.warning(
                "snapshots of volume '%s' are not fetched from %s: %s", volume.name, source, error
            )
