"""A pool on CephFS, which all nodes reach: one copy of each volume, and nothing is shipped.

    <id>/       one volume: see shared_folder.py
    .trash/     what was removed or replaced: see shared_trash.py

The node changes all of that through a mount of its own. Containers write through mounts that reach
one volume each (shared_sessions.py).

A takeover needs the new owner's record first. Then the former owner's client is stopped by its key,
its address and its folder's name (docs/decisions/0047-a-pool-on-cephfs.md), and the volume is
there as it was flushed last.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable

from flocker.base import private
from flocker.base.belief import Belief
from flocker.base.records import Claim, Snapshot, now
from flocker.ceph.folders import failure
from flocker.pool.protocol import Aside, Usage
from flocker.pool.shared_folder import SharedFolder
from flocker.pool.shared_parts import SharedParts
from flocker.pool.shared_trash import delete
from flocker.pool.shared_volumes import SharedVolumes


class SharedSnapshots(SharedParts):
    """See PoolSnapshots, and RemotePool."""

    def snapshots(self, volume_id: str) -> list[Snapshot]:
        return self._folder(volume_id).snapshots()

    def take_snapshot(self, claim: Claim, *, is_whole: bool = False) -> Snapshot:  # noqa: ARG002
        with self._locked(claim.volume_id) as folder:
            folder.live_of(claim)
            known = folder.snapshots()
            number = known[-1].number + 1 if known else 1
            taken = Snapshot(number, str(uuid.uuid4()), claim.epoch)
            folder.take_snapshot(taken)
            self._sessions.hear_of_snapshots(claim.volume_id)
            return taken

    def restore(self, claim: Claim, snapshot: Snapshot, size_bytes: int | None) -> None:
        with self._locked(claim.volume_id) as folder:
            live = folder.live_of(claim)
            folder.drop_unused()
            source = folder.content_of(snapshot)
            self._refuse_if_wanted(folder, claim.epoch)
            self._sessions.end(claim.volume_id)
            self._build(folder, source, size_bytes)
            volume_id = claim.volume_id
            volume, node = self._names.of(volume_id), self._names.node
            with self._trash.place(volume_id, volume, node, "restored") as entry:
                try:
                    folder.next.rename(folder.ready(claim.epoch))
                    live.rename(entry.content)
                    folder.finish()
                except OSError as error:
                    raise failure(f"volume {volume_id} was not restored", error) from error

    def drop_snapshot(self, volume_id: str, snapshot: Snapshot) -> None:
        with self._locked(volume_id) as folder:
            if snapshot in folder.snapshots():
                folder.drop_snapshot(snapshot)

    def clone(
        self, source_id: str, snapshot: Snapshot, claim: Claim, size_bytes: int | None
    ) -> None:
        self._make(claim, self._folder(source_id).content_of(snapshot), size_bytes)


class SharedAsides(SharedParts):
    """See PoolAsides."""

    def asides(self) -> list[Aside]:
        return [entry.aside for entry in self._trash.entries()]

    def clone_aside(self, reference: str, claim: Claim, size_bytes: int | None) -> None:
        entry = self._trash.find(reference)
        is_whole = entry.aside.why == "removed"
        source = SharedFolder(entry.content).newest_content() if is_whole else entry.content
        self._make(claim, source, size_bytes)

    def discard(
        self,
        volume_id: str,
        volume: str,
        node: str,
        belief: Belief,
        *,
        unless_writable: bool = False,
    ) -> None:
        with self._locked(volume_id) as folder:
            if folder.epoch() is None or unless_writable:
                return
            self._refuse_if_wanted(folder, belief.epoch)
            belief.confirm()
            self._sessions.end(volume_id)
            with self._trash.place(volume_id, volume, node, "removed") as entry:
                try:
                    folder.path.rename(entry.content)
                except OSError as error:
                    raise failure(f"volume {volume_id} was not removed", error) from error

    def reclaim(self, volume_id: str, confirm: Callable[[], None]) -> bool:
        with self._locked(volume_id) as folder:
            if folder.epoch() is not None or not (removed := self._trash.removed(volume_id)):
                return False
            confirm()
            try:
                removed[-1].content.rename(folder.path)
            except OSError as error:
                raise failure(f"volume {volume_id} was not brought back", error) from error
            self._trash.drop(removed[-1])
            return True

    def purge_aside(self, reference: str) -> None:
        volume_id = self._trash.find(reference).aside.volume_id
        with self._locked(volume_id):  # not while a removed volume is taken back
            self._trash.drop(self._trash.find(reference))

    def drop_if_empty(self, volume_id: str, confirm: Callable[[], None]) -> bool:
        with self._locked(volume_id) as folder:
            stored = folder.epoch()
            if stored is not None and any(folder.live(stored).iterdir()):
                return False
            if folder.snapshots():
                return False
            self._refuse_if_wanted(folder, None)
            confirm()
            self._sessions.end(volume_id)
            delete(folder.path)
            return True


class SharedPool(SharedVolumes, SharedSnapshots, SharedAsides):
    """The volumes of a storage; safe for several threads.

    Args:
        root: the node's own mount of the folder that all volumes are in. It is asked for at each
            call, and made by the first one.
        sessions: of this node.
        is_mounted: tells whether a process on this node has the volume of that id mounted.
    """

    def usage(self) -> Usage:
        usage = shutil.disk_usage(self.root)
        return Usage(usage.used, usage.total, usage.free)

    def await_deletions(self, seconds: float) -> None:
        pass  # Ceph frees the room by itself, and its other users want it, too

    def make_reserve(self) -> None:
        pass  # the room is Ceph's: a full one is made larger there

    def check_writable(self) -> None:
        private.write(self.root / f".written-{os.uname().nodename}", now(), is_flushed=True)

    def trouble(self) -> str | None:
        return None
