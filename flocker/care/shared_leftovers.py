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
from flocker.base.errors import Refused
from flocker.base.records import ClusterState, Snapshot, Volume
from flocker.care.purging import Purging
from flocker.care.removed_copies import RemovedCopies, is_in_charge
from flocker.node.context import NodeContext
from flocker.pool.remote_pool import RemotePool

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
PURGE_SECONDS = 3600.0
RETRY_SECONDS = 60.0
UNKNOWN_SECONDS = 24 * 3600.0  # longer than anything is made from a snapshot without a record


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
        self._ownership = context.ownership
        self._mirror = context.mirror
        self._observed = context.retention.observed
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
        """Put aside what was removed; once an hour, purge what nobody wants any more."""
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
            is_done = self._purge(state)
            self._purge_due = time.monotonic() + (PURGE_SECONDS if is_done else RETRY_SECONDS)

    def _purge(self, state: ClusterState) -> bool:
        """Return False if Ceph did not answer, or refused."""
        asides = partial(self._purging.purge_asides, self._remote, "shared aside")
        with self._troubles.round("purging on Ceph") as round_:
            done = round_.attempt("what was put aside", asides)
            for what, task in {
                "snapshots without a record": self._drop_unknown_snapshots,
                "volumes without a record": self._look_for_strays,
            }.items():
                done &= round_.attempt(what, partial(task, state))
        return done

    def _look_for_strays(self, state: ClusterState) -> None:
        """Free what a creation that failed half-way has left, and show other data.

        Any node does this. A daemon that makes a volume is done with that long before.
        """
        unknown = set(self._remote.volume_ids()) - state.volume_ids() - state.removed.keys()
        ages = self._observed.ages("shared volume", unknown)
        with self._troubles.round("looking for strays on Ceph") as round_:
            for volume_id, seconds in ages.items():
                if seconds >= UNKNOWN_SECONDS:
                    look = partial(self._free_or_show, volume_id)
                    round_.attempt(f"volume {volume_id}", look)

    def _free_or_show(self, volume_id: str) -> None:
        if self._remote.drop_if_empty(volume_id, partial(self._end_its_creation, volume_id)):
            log.info("volume %s on Ceph was never used and has no record: it is freed", volume_id)
            return
        raise Refused(
            "its data is on Ceph, and the cluster does not know it; copy what is needed from the "
            "folder of that name there, then delete the folder"
        )

    def _end_its_creation(self, volume_id: str) -> None:
        """Have the record never come that etcd may still be about to make."""
        self._ownership.end_creations()
        if volume_id in self._ownership.state().volume_ids():
            raise Refused(f"the record of volume {volume_id} has come this moment")

    def _drop_unknown_snapshots(self, state: ClusterState) -> None:
        """Delete snapshots without a record, which nobody can list or prune.

        Nobody could be told of them when they were taken, or Ceph did not delete them.
        """
        unknown = {
            f"{volume.id} {snapshot.identity}": (volume, snapshot)
            for volume in state.volumes.values()
            if volume.is_shared and volume.owner == self._node
            for snapshot in self._unknown(volume, state)
        }
        ages = self._observed.ages("shared snapshot", unknown)
        old = [unknown[key] for key, seconds in ages.items() if seconds >= UNKNOWN_SECONDS]
        present = self._ownership.state() if old else state
        with self._troubles.round("deleting snapshots on Ceph") as round_:
            for volume, snapshot in old:
                if snapshot in self._unknown(volume, present):
                    drop = partial(self._remote.drop_snapshot, volume.id, snapshot)
                    round_.attempt(f"snapshot {snapshot.number} of volume '{volume.name}'", drop)

    def _unknown(self, volume: Volume, state: ClusterState) -> list[Snapshot]:
        known = {each.snapshot for each in state.snapshots.get(volume.id, {}).values()}
        return [each for each in self._remote.snapshots(volume.id) if each not in known]

    def _finish_removal(self, volume: Volume) -> None:
        if self._remote.has_writable(volume.id):
            self._removed_copies.discard(volume.id)
