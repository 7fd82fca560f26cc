"""Which volumes have changed since their newest snapshot: cheap enough to ask every second."""

from __future__ import annotations

from collections.abc import Collection

from flocker.base.errors import (
    PoolError,
)
from flocker.base.records import Claim
from flocker.btrfs import subvolume
from flocker.pool.folders import Folders


class ChangeWatch:
    """The changes of one pool's volumes, by what is on disk."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        # Volume id -> `live` and its stamp when it was last found equal to the newest snapshot, and
        # the identity of that.
        self._unchanged: dict[str, tuple[str, bytes, str]] = {}
        self._held_back: set[str] = set()  # volume ids; see changed_volumes
        # The pool's generation and the volumes asked about, when none of them had changed.
        self._all_unchanged: tuple[int, frozenset[Claim]] | None = None
        # Volume id -> ids of pruned snapshots that the kernel may still be deleting; see
        # changed_volumes.
        self._pruned: dict[str, set[int]] = {}

    def changed_volumes(self, claims: Collection[Claim]) -> list[Claim]:
        """See LocalPool.changed_volumes.

        Leaves out those whose pruned snapshots are still being deleted while volumes have sizes.

        With quota groups the kernel looks at every file to delete a snapshot (45 us for
        each). New snapshots must not come faster than old ones go: the more there
        are, the longer each deletion takes.
        """
        if not claims:
            self._held_back = set()
            return []
        # Brings writes that are only in memory to disk, mapped memory's too: then the generation
        # tells of every write that was made before this call.
        generation = subvolume.pool_generation(self._folders.top)
        subvolume.sync(self._folders.top)
        # An idle pool is looked at once, not each of its volumes every second. The generation is
        # that of the last transaction which was begun: only if none was begun since before the
        # sync, all of it is on disk, and a later write needs another.
        looked_at = (subvolume.pool_generation(self._folders.top), frozenset(claims))
        if looked_at == self._all_unchanged:
            return []
        changed = [claim for claim in claims if self.has_changed(claim.volume_id)]
        is_at_rest = not changed and looked_at[0] == generation
        self._all_unchanged = looked_at if is_at_rest else None
        held_back = {each.volume_id for each in changed if self._is_pruning(each.volume_id)}
        self._held_back = held_back
        return [claim for claim in changed if claim.volume_id not in held_back]

    def is_held_back(self, volume_id: str) -> bool:
        """See LocalPool.is_held_back."""
        return volume_id in self._held_back

    def holder(self, volume_id: str) -> str | None:
        """See LocalPool.holder."""
        known = self._unchanged.get(volume_id)
        return known and known[2]

    def has_changed(self, volume_id: str) -> bool:
        """True if `live` differs from the newest snapshot, by what is on disk."""
        # A copy that equals a snapshot stays equal until a write.
        seen = self._unchanged.get(volume_id)
        if seen and subvolume.stamp(seen[0]) == seen[1]:
            return False
        folder = self._folders.folder(volume_id)
        try:
            live = subvolume.look(folder.live)
        except PoolError:
            self._unchanged.pop(volume_id, None)
            return False  # not writable here
        try:
            last = folder.last()
        except PoolError:
            return True  # the attempt to take a snapshot tells why, and of this volume alone
        if last is None or not live.is_ordinary or not live.is_held_by(last[1]):
            return True
        # Of before the comparison: a write in between only makes the next call compare again.
        self._unchanged[volume_id] = (str(folder.live), live.stamp, last[0].identity)
        return False

    def note_pruned(self, volume_id: str, ids: set[int]) -> None:
        """Remember snapshots of a volume that the kernel has begun to delete."""
        self._pruned.setdefault(volume_id, set()).update(ids)

    def _is_pruning(self, volume_id: str) -> bool:
        pruned = self._pruned.get(volume_id, set())
        for each in list(pruned):
            if subvolume.is_gone(self._folders.top, each):
                pruned.discard(each)
        return bool(pruned)
