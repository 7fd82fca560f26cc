"""Puts aside and purges what is left of shared volumes, in its own thread.

To delete much data takes minutes, and each call may wait for a Ceph that is away. Nobody waits for
any of this, and clients that others wait for (shared_clients.py) are looked after meanwhile.
"""

from __future__ import annotations

import logging
import threading
import time
from functools import partial

from flocker.base.background import attempt
from flocker.base.records import Volume
from flocker.care.purging import Purging
from flocker.care.removed_copies import RemovedCopies, is_in_charge
from flocker.node.context import NodeContext
from flocker.pool.remote_pool import RemotePool

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
PURGE_SECONDS = 3600.0


class SharedLeftovers:
    """The data on a storage that this node has to put aside or to purge."""

    def __init__(
        self,
        context: NodeContext,
        remote: RemotePool,
        *,
        removed_copies: RemovedCopies,
        purging: Purging,
    ) -> None:
        self._node = context.node
        self._mirror = context.mirror
        self._troubles = context.troubles
        self._remote = remote
        self._removed_copies = removed_copies
        self._purging = purging
        self._purge_due = time.monotonic()  # at once: a daemon may never run for an hour

    def start(self, stopping: threading.Event) -> None:
        """Run in the background until `stopping` is set."""
        threading.Thread(target=self._run, args=(stopping,), daemon=True).start()

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(LOOK_SECONDS):
            attempt(log, "what is left of shared volumes could not be put aside", self.look)

    def look(self) -> None:
        """Put aside what was removed; once an hour, purge what the retention is over for."""
        if not self._mirror.is_connected:
            return
        state = self._mirror.state
        with self._troubles.round("putting shared volumes aside") as round_:
            for removed in state.removed.values():
                volume = removed.volume
                if volume.is_shared and is_in_charge(self._node, volume, state):
                    finish = partial(self._finish_removal, volume)
                    round_.attempt(f"removed volume '{volume.name}'", finish)
        if time.monotonic() >= self._purge_due:
            self._purging.purge_asides(self._remote, "shared aside")
            self._purge_due = time.monotonic() + PURGE_SECONDS

    def _finish_removal(self, volume: Volume) -> None:
        if self._remote.has_writable(volume.id):
            self._removed_copies.discard(volume.id)
