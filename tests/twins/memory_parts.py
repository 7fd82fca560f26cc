"""The parts that all subjects of the pool in memory work with."""

from __future__ import annotations

import threading
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from flocker.base.errors import (
    LostWrites,
    PoolError,
    PoolFull,
    StaleEpoch,
    StillWanted,
)
from flocker.base.records import Claim, Snapshot, Volume
from flocker.pool.protocol import Aside
from flocker.pool.references import Names
from tests.twins.memory_content import Contents, Folders, refuse_if_larger


@dataclass
class StoredVolume:
    """The pool's data of one volume besides its directory."""

    epoch: int = 0
    snapshots: dict[int, tuple[Snapshot, bytes]] = field(default_factory=dict)

    def known(self) -> list[Snapshot]:
        return [snapshot for _, (snapshot, _) in sorted(self.snapshots.items())]


@dataclass
class Entry:
    """A copy put aside."""

    aside: Aside
    content: bytes | None  # of the writable copy
    volume: StoredVolume | None  # of a removed one


class MemoryParts:
    """The copies, the snapshots and the trash of one pool; memory_pool.py makes it of them."""

    def __init__(
        self,
        root: Path,
        is_mounted: Callable[[str], bool] = lambda _: False,
        contents: Contents | None = None,
        names: Names | None = None,
    ) -> None:
        self.root = root
        self._names = names or Names()
        self._contents = contents or Folders(root)
        self._is_mounted = is_mounted
        self._lock = threading.RLock()
        self._volumes: dict[str, StoredVolume] = {}
        self._trash: list[Entry] = []
        self._staged: dict[tuple[str, int], bytes] = {}
        self._counts = False
        self._records: dict[str, Volume] = {}
        self.limits: dict[str, int | None] = {}  # bytes, by volume id
        self.room: Literal["plenty", "none", "not even a reserve"] = "plenty"
        self.refuses_increments = False
        self.refuses_all = False
        self.loses_writes = False
        self.is_read_only = False

    def copy_from(self, other: MemoryParts) -> None:
        """Have all that is in another pool, as a copy of its disk does; this one is empty."""
        with other._lock:
            self._volumes = deepcopy(other._volumes)
            self._trash = deepcopy(other._trash)
            self._records = dict(other._records)
            self.limits = dict(other.limits)
            for volume_id in filter(other.has_writable, other._volumes):
                self._contents.make(volume_id, other._contents.frozen(volume_id))

    def writable_path(self, claim: Claim) -> Path:
        volume = self._volumes.get(claim.volume_id)
        if volume is None or not volume.epoch:
            raise PoolError(f"the pool has no copy of volume {claim.volume_id}")
        if volume.epoch != claim.epoch:
            raise StaleEpoch(f"volume {claim.volume_id} is at another epoch")
        if not self.has_writable(claim.volume_id):
            raise PoolError(f"the pool has no writable copy of volume {claim.volume_id}")
        return self._contents.path(claim.volume_id)

    def has_writable(self, volume_id: str) -> bool:
        return self._contents.is_there(volume_id)

    def snapshots(self, volume_id: str) -> list[Snapshot]:
        with self._lock:
            return self._volume(volume_id).known()

    def check_writable(self) -> None:
        if self.is_read_only:
            raise PoolError("the pool is read-only")

    def _add(self) -> None:
        self.check_writable()
        if self.room != "plenty":
            raise PoolFull("there is no room for more")

    def _change(self) -> None:
        self.check_writable()
        if self.room == "not even a reserve":
            raise PoolFull("there is no room for a change")

    def _flush(self) -> None:
        if self.loses_writes:
            self.loses_writes = False
            raise LostWrites(str(self.root), "No space left on device")

    def _refuse_if_wanted(self, volume_id: str, epoch: int | None) -> None:
        if epoch is not None and self._volume(volume_id).epoch > epoch:
            raise StillWanted(f"volume {volume_id} is at a later epoch than {epoch}")
        if self.has_writable(volume_id) and self._is_mounted(volume_id):
            raise StillWanted(f"processes have volume {volume_id} mounted")

    def _volume(self, volume_id: str) -> StoredVolume:
        return self._volumes.get(volume_id) or StoredVolume()

    def _content(self, volume_id: str, number: int) -> tuple[Snapshot, bytes]:
        try:
            return self._volume(volume_id).snapshots[number]
        except KeyError:
            raise PoolError(f"no snapshot {number} of volume {volume_id}") from None

    def _find(self, volume_id: str, snapshot: Snapshot) -> bytes:
        found, content = self._content(volume_id, snapshot.number)
        if found != snapshot:
            raise PoolError(f"no snapshot {snapshot.number} of volume {volume_id}")
        return content

    def _has_changed(self, volume_id: str) -> bool:
        if not self.has_writable(volume_id):
            return False
        known = self.snapshots(volume_id)
        return not known or known[-1] not in self._alike(volume_id)

    def _holders(self, volume_id: str) -> list[Snapshot]:
        """The snapshots that hold all of the writable copy."""
        return [] if self._contents.subvolumes(volume_id) else self._alike(volume_id)

    def _alike(self, volume_id: str) -> list[Snapshot]:
        now = self._contents.frozen(volume_id)
        volume = self._volume(volume_id)
        return [each for each in volume.known() if volume.snapshots[each.number][1] == now]

    def _make(self, claim: Claim, content: bytes | None, size_bytes: int | None) -> None:
        self._add()
        if self.has_writable(claim.volume_id) or self.snapshots(claim.volume_id):
            raise PoolError(f"volume {claim.volume_id} is here already")
        if content is not None:
            refuse_if_larger(self._contents.held_bytes(content), size_bytes)
        self._contents.make(claim.volume_id, content)
        self._volumes[claim.volume_id] = StoredVolume(claim.epoch)
        self.limits[claim.volume_id] = size_bytes

    def _replace_live(self, volume_id: str, snapshot: Snapshot, why: str) -> None:
        content = self._find(volume_id, snapshot)
        if self.has_writable(volume_id):
            if self._holders(volume_id):
                self._contents.take(volume_id)
            else:
                taken, name = self._contents.take(volume_id), self._names.of(volume_id)
                self._put_aside(volume_id, name, self._names.node, why, taken, None)
        self._contents.make(volume_id, content)

    def _put_aside(
        self,
        volume_id: str,
        volume: str,
        node: str,
        why: str,
        content: bytes | None,
        whole: StoredVolume | None,
    ) -> Aside:
        at = datetime.now(UTC)
        first = reference = f"{volume}@{node}-{at:%Y%m%dT%H%M%SZ}"
        number = 1
        while any(entry.aside.reference == reference for entry in self._trash):
            number += 1
            reference = f"{first}-{number}"
        aside = Aside(reference, volume_id, volume, why, at.isoformat(timespec="milliseconds"))
        self._trash.append(Entry(aside, content, whole))
        return aside
