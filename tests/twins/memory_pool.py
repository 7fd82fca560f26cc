"""A Pool in memory, for tests only: the same promises, the same contract suite.

A volume is a real directory, so that what reads and writes it is the same.
The size of a volume is known, but no write is ever stopped. A folder whose name
ends with `.subvolume` counts as a subvolume inside the volume.

A test may have it fail:

    refuses_increments   as the program does that finds an unchangeable file in the parent
    refuses_all          as a program would that does not know the stream's format
    loses_writes         the disk refuses what is written: the next flush tells of it, once

Longer than 300 lines because it implements the whole interface of protocol.py.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import threading
import uuid
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from flocker.base.belief import Belief
from flocker.base.errors import (
    FlockerError,
    HoldsMore,
    LeavesBehind,
    LostWrites,
    PoolError,
    PoolFull,
    StaleEpoch,
    StillWanted,
    StreamRefused,
    TransferFailed,
)
from flocker.base.records import Claim, Snapshot, Volume
from flocker.pool.digest import Digest
from flocker.pool.divergence import divergence
from flocker.pool.protocol import Aside, Staged, Usage

SNAPSHOTS_KEPT = 3


@dataclass
class _Volume:
    """The pool's data of one volume besides its directory."""

    epoch: int = 0
    snapshots: dict[int, tuple[Snapshot, bytes]] = field(default_factory=dict)

    def known(self) -> list[Snapshot]:
        return [snapshot for _, (snapshot, _) in sorted(self.snapshots.items())]


@dataclass
class _Entry:
    aside: Aside
    content: bytes | None  # of the directory, as a tar file
    volume: _Volume | None  # of a removed one


class MemoryPool:
    """Volumes as directories below `root`; snapshots as tar files in memory.

    A daemon that starts again is given the same object.

    Attributes:
        room: a test sets it to "none", and nothing can be added any more, or to "not even a
            reserve", and nothing can be changed either. Deleting always works.
        is_read_only: a test sets it, and nothing can be changed.
    """

    def __init__(self, root: Path, is_mounted: Callable[[str], bool] = lambda _: False) -> None:
        self.root = root
        self._is_mounted = is_mounted
        self._lock = threading.RLock()
        self._volumes: dict[str, _Volume] = {}
        self._trash: list[_Entry] = []
        self._staged: dict[tuple[str, int], bytes] = {}
        self._counts = False
        self._records: dict[str, Volume] = {}
        self.room: Literal["plenty", "none", "not even a reserve"] = "plenty"
        self.refuses_increments = False
        self.refuses_all = False
        self.loses_writes = False
        self.is_read_only = False

    def create(self, claim: Claim, size_bytes: int | None = None) -> None:
        with self._lock:
            self._make(claim, None, size_bytes)

    def writable_path(self, claim: Claim) -> Path:
        volume = self._volumes.get(claim.volume_id)
        if volume is None or not volume.epoch:
            raise PoolError(f"the pool has no copy of volume {claim.volume_id}")
        if volume.epoch != claim.epoch:
            raise StaleEpoch(f"volume {claim.volume_id} is at another epoch")
        if not self.has_writable(claim.volume_id):
            raise PoolError(f"the pool has no writable copy of volume {claim.volume_id}")
        return self._live(claim.volume_id)

    def has_writable(self, volume_id: str) -> bool:
        return self._live(volume_id).is_dir()

    def changed_volumes(self, claims: Collection[Claim]) -> list[Claim]:
        with self._lock:
            return [claim for claim in claims if self._has_changed(claim.volume_id)]

    def is_held_back(self, volume_id: str) -> bool:  # noqa: ARG002 - no deletion takes time here
        return False

    def holder(self, volume_id: str) -> str | None:
        with self._lock:
            known = self.snapshots(volume_id)
            if not known or not self.has_writable(volume_id) or self._has_changed(volume_id):
                return None
            return known[-1].identity

    def snapshots(self, volume_id: str) -> list[Snapshot]:
        with self._lock:
            return self._volume(volume_id).known()

    def problem(self, volume_id: str) -> str | None:
        inside = _subvolumes(self._live(volume_id))
        return str(LeavesBehind(inside)) if inside else None

    def take_snapshot(self, claim: Claim, *, is_whole: bool = False) -> Snapshot:
        self._change()
        with self._lock:
            inside = _subvolumes(self.writable_path(claim))
            if is_whole and inside:
                raise LeavesBehind(inside)
            volume = self._volumes[claim.volume_id]
            self._flush()
            if not self._has_changed(claim.volume_id):
                return volume.known()[-1]
            number = max(volume.snapshots, default=0) + 1
            snapshot = Snapshot(number, str(uuid.uuid4()), claim.epoch)
            frozen = _frozen(self._live(claim.volume_id))
            volume.snapshots[number] = (snapshot, frozen)
            return snapshot

    def stream_bytes(self, volume_id: str, number: int, parent: int | None) -> int:
        against = len(self._content(volume_id, parent)[1]) if parent is not None else 0
        return abs(len(self._content(volume_id, number)[1]) - against)

    def send(self, volume_id: str, number: int, parent: int | None) -> Generator[bytes, None, None]:
        sent, content = self._content(volume_id, number)
        against = "-" if parent is None else self._content(volume_id, parent)[0].identity
        yield f"{sent.identity} {against} {len(content)}\n".encode()
        yield content

    def receive(
        self, volume_id: str, snapshot: Snapshot, parent: Snapshot | None, stream: Iterable[bytes]
    ) -> None:
        [error] = self.settle([self.stage(volume_id, snapshot, parent, b"".join(stream))])
        if error is not None:
            raise error

    def small_stream(
        self, volume_id: str, number: int, parent: int, most_bytes: int
    ) -> bytes | None:
        stream = b"".join(self.send(volume_id, number, parent))
        return stream if len(stream) <= most_bytes else None

    def stage(
        self, volume_id: str, snapshot: Snapshot, parent: Snapshot | None, stream: bytes
    ) -> Staged:
        self._add()
        here = self.snapshots(volume_id)
        if parent is not None and parent not in here:
            raise TransferFailed(f"snapshot {snapshot.number} cannot be built: no such parent")
        if any(each.number == snapshot.number for each in here):
            raise TransferFailed(f"another snapshot {snapshot.number} is here already")
        head, _, content = stream.partition(b"\n")
        expected = f"{snapshot.identity} {parent.identity if parent else '-'} {len(content)}"
        if head.decode(errors="replace") != expected:
            raise TransferFailed(f"the stream is not snapshot {snapshot.number}")
        if self.refuses_all or (self.refuses_increments and parent is not None):
            raise StreamRefused(f"snapshot {snapshot.number} cannot be applied here")
        staged = Staged(volume_id, snapshot)
        self._staged[volume_id, snapshot.number] = content
        return staged

    def settle(self, staged: Sequence[Staged]) -> list[FlockerError | None]:
        arrived = [
            (each, self._staged.pop((each.volume_id, each.snapshot.number))) for each in staged
        ]
        try:
            self._flush()
        except LostWrites as error:
            return [error] * len(arrived)
        with self._lock:
            for each, content in arrived:
                volume = self._volumes.setdefault(each.volume_id, _Volume())
                volume.snapshots[each.snapshot.number] = (each.snapshot, content)
        return [None] * len(arrived)

    def digest(self, volume_id: str, number: int, bytes_per_second: int) -> Digest:  # noqa: ARG002
        content = self._content(volume_id, number)[1]
        return Digest(hashlib.sha256(content).hexdigest(), 1, len(content))

    def damage(self, volume_id: str, content: bytes = b"damaged") -> None:
        """Have the newest snapshot hold something else, as a disk that lies does."""
        known = self._volumes[volume_id].snapshots
        known[max(known)] = (known[max(known)][0], content)

    def prune(self, volume_id: str, keep: Callable[[], Collection[int]]) -> None:
        with self._lock:
            kept = keep()
            for snapshot in self.snapshots(volume_id)[:-SNAPSHOTS_KEPT]:
                if snapshot.number not in kept:
                    del self._volumes[volume_id].snapshots[snapshot.number]

    def adopt(self, claim: Claim, snapshot: Snapshot, size_bytes: int | None = None) -> None:  # noqa: ARG002
        self._change()
        with self._lock:
            self._refuse_if_wanted(claim.volume_id, claim.epoch)
            self._replace_live(claim.volume_id, snapshot, "conflict")
            self._volumes[claim.volume_id].epoch = claim.epoch

    def put_away(self, volume: Volume, node: str, confirm: Callable[[], None]) -> Aside | None:
        self._change()
        with self._lock:
            known = self._volumes.setdefault(volume.id, _Volume())
            is_part = all(volume.includes(snapshot) for snapshot in known.known())
            is_there = known.epoch == volume.epoch and not self.has_writable(volume.id) and is_part
            if known.epoch > volume.epoch or is_there:
                return None
            self._refuse_if_wanted(volume.id, None)
            confirm()
            self._flush()
            aside = self._step_back(volume, node)
            known.epoch = volume.epoch
            return aside

    def set_size(self, claim: Claim, size_bytes: int | None) -> None:
        with self._lock:
            _refuse_if_larger(_held_bytes(_frozen(self.writable_path(claim))), size_bytes)

    def used_bytes(self, volume_id: str) -> int | None:
        with self._lock:
            if not self._counts:
                return None
            if self.has_writable(volume_id):
                return _held_bytes(_frozen(self._live(volume_id)))
            known = self.snapshots(volume_id)
            return _held_bytes(self._content(volume_id, known[-1].number)[1]) if known else None

    def contain(self, claim: Claim) -> None:
        self.writable_path(claim)

    def prepare_sizes(self) -> None:
        self._counts = True

    def restore(self, claim: Claim, snapshot: Snapshot, size_bytes: int | None) -> None:
        self._change()
        with self._lock:
            self.writable_path(claim)
            _refuse_if_larger(_held_bytes(self._find(claim.volume_id, snapshot)), size_bytes)
            self._replace_live(claim.volume_id, snapshot, "restored")

    def clone(
        self, source_id: str, snapshot: Snapshot, claim: Claim, size_bytes: int | None
    ) -> None:
        with self._lock:
            self._make(claim, self._find(source_id, snapshot), size_bytes)

    def asides(self) -> list[Aside]:
        with self._lock:
            return [entry.aside for entry in self._trash]

    def clone_aside(self, reference: str, claim: Claim, size_bytes: int | None) -> None:
        with self._lock:
            self._make(claim, _newest_of(self._entry(reference)), size_bytes)

    def discard(
        self,
        volume_id: str,
        volume: str,
        node: str,
        belief: Belief,
        *,
        unless_writable: bool = False,
    ) -> None:
        self._change()
        with self._lock:
            if unless_writable and self.has_writable(volume_id):
                return
            if volume_id in self._volumes:
                self._refuse_if_wanted(volume_id, belief.epoch)
                belief.confirm()
            removed = self._volumes.pop(volume_id, None)
            if removed is not None and (removed.snapshots or self.has_writable(volume_id)):
                content = self._take_live(volume_id) if self.has_writable(volume_id) else None
                self._put_aside(volume_id, volume, node, "removed", content, removed)

    def reclaim(self, volume_id: str, confirm: Callable[[], None]) -> bool:
        self._change()
        with self._lock:
            here = self._volumes.get(volume_id)
            removed = [
                entry
                for entry in self._trash
                if entry.aside.volume_id == volume_id and entry.volume is not None
            ]
            if not removed or self.has_writable(volume_id) or (here and here.snapshots):
                return False
            confirm()
            entry = max(removed, key=lambda each: each.volume.epoch if each.volume else 0)
            self._trash.remove(entry)
            assert entry.volume is not None
            self._volumes[volume_id] = entry.volume
            if entry.content is not None:
                _thaw(entry.content, self._live(volume_id))
            return True

    def readmit(self, claim: Claim) -> None:
        self._change()
        with self._lock:
            volume = self._volumes.get(claim.volume_id)
            if volume is None or not self.has_writable(claim.volume_id):
                raise PoolError(f"the pool has no writable copy of volume {claim.volume_id}")
            if volume.epoch > claim.epoch:
                raise PoolError(f"volume {claim.volume_id} is at a later epoch")
            volume.epoch = claim.epoch

    def unpack_aside(self, reference: str, folder: Path) -> None:
        """Have a test look into what was put aside."""
        with self._lock:
            _thaw(_newest_of(self._entry(reference)), folder)

    def purge_aside(self, reference: str) -> None:
        with self._lock:
            self._trash.remove(self._entry(reference))

    def keep_record(self, volume: Volume) -> None:
        self._change()
        with self._lock:
            self._records[volume.id] = volume

    def record(self, volume_id: str) -> Volume | None:
        return self._records.get(volume_id)

    def drop_if_empty(self, volume_id: str, confirm: Callable[[], None]) -> bool:
        with self._lock:
            live = self._live(volume_id)
            if self.snapshots(volume_id) or (live.is_dir() and any(live.iterdir())):
                return False
            self._refuse_if_wanted(volume_id, None)
            confirm()
            if live.is_dir():
                live.rmdir()
            self._volumes.pop(volume_id, None)
            return True

    def await_deletions(self, seconds: float) -> None:
        pass

    def make_reserve(self) -> None:
        pass

    def volume_ids(self) -> list[str]:
        with self._lock:
            return sorted(self._volumes)

    def writable_ids(self) -> set[str]:
        return {each for each in self.volume_ids() if self.has_writable(each)}

    def usage(self) -> Usage:
        total = 1 << 30
        free = total if self.room == "plenty" else 0
        return Usage(used_bytes=total - free, total_bytes=total, free_bytes=free)

    def check_writable(self) -> None:
        if self.is_read_only:
            raise PoolError("the pool is read-only")

    def trouble(self) -> str | None:
        return None

    def _add(self) -> None:
        self.check_writable()
        if self.room != "plenty":
            raise PoolFull("there is no room for more")

    def _change(self) -> None:
        self.check_writable()
        if self.room == "not even a reserve":
            raise PoolFull("there is no room for a change")

    def _entry(self, reference: str) -> _Entry:
        for entry in self._trash:
            if entry.aside.reference == reference:
                return entry
        raise PoolError(f"no copy {reference} was put aside in this node's pool")

    def _refuse_if_wanted(self, volume_id: str, epoch: int | None) -> None:
        if epoch is not None and self._volume(volume_id).epoch > epoch:
            raise StillWanted(f"volume {volume_id} is at a later epoch than {epoch}")
        if self.has_writable(volume_id) and self._is_mounted(volume_id):
            raise StillWanted(f"processes have volume {volume_id} mounted")

    def _flush(self) -> None:
        if self.loses_writes:
            self.loses_writes = False
            raise LostWrites(str(self.root), "No space left on device")

    def _volume(self, volume_id: str) -> _Volume:
        return self._volumes.get(volume_id, _Volume())

    def _live(self, volume_id: str) -> Path:
        return self.root / volume_id / "live"

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
        return [] if _subvolumes(self._live(volume_id)) else self._alike(volume_id)

    def _alike(self, volume_id: str) -> list[Snapshot]:
        frozen = _frozen(self._live(volume_id))
        volume = self._volume(volume_id)
        return [each for each in volume.known() if volume.snapshots[each.number][1] == frozen]

    def _make(self, claim: Claim, content: bytes | None, size_bytes: int | None) -> None:
        self._add()
        if self.has_writable(claim.volume_id) or self.snapshots(claim.volume_id):
            raise PoolError(f"volume {claim.volume_id} is here already")
        if content is None:
            self._live(claim.volume_id).mkdir(parents=True)
        else:
            _refuse_if_larger(_held_bytes(content), size_bytes)
            _thaw(content, self._live(claim.volume_id))
        self._volumes[claim.volume_id] = _Volume(claim.epoch)

    def _replace_live(self, volume_id: str, snapshot: Snapshot, why: str) -> None:
        content = self._find(volume_id, snapshot)
        if self.has_writable(volume_id):
            if self._holders(volume_id):
                shutil.rmtree(self._live(volume_id))
            else:
                node = os.uname().nodename
                self._put_aside(volume_id, volume_id, node, why, self._take_live(volume_id), None)
        _thaw(content, self._live(volume_id))

    def _step_back(self, volume: Volume, node: str) -> Aside | None:
        is_writable = self.has_writable(volume.id)
        known = self._volumes[volume.id]
        here = known.known()
        holders = self._holders(volume.id) if is_writable else None
        found = divergence(here, volume, holders)
        content = None
        if found.newest is not None:
            content = known.snapshots[found.newest.number][1]
        if is_writable:
            live = self._take_live(volume.id)
            content = live if found.keeps_live else content
        for snapshot in found.snapshots:
            del known.snapshots[snapshot.number]
        if content is None:
            return None
        return self._put_aside(volume.id, volume.name, node, "conflict", content, None)

    def _take_live(self, volume_id: str) -> bytes:
        content = _archived(self._live(volume_id))
        shutil.rmtree(self._live(volume_id))
        return content

    def _put_aside(
        self,
        volume_id: str,
        volume: str,
        node: str,
        why: str,
        content: bytes | None,
        whole: _Volume | None,
    ) -> Aside:
        at = datetime.now(UTC)
        first = reference = f"{volume}@{node}-{at:%Y%m%dT%H%M%SZ}"
        number = 1
        while any(entry.aside.reference == reference for entry in self._trash):
            number += 1
            reference = f"{first}-{number}"
        aside = Aside(reference, volume_id, volume, why, at.isoformat(timespec="milliseconds"))
        self._trash.append(_Entry(aside, content, whole))
        return aside


def _subvolumes(live: Path) -> list[str]:
    return sorted(str(path.relative_to(live)) for path in live.rglob("*.subvolume"))


def _frozen(live: Path) -> bytes:
    """The content of a snapshot."""
    return _archived(live, lambda member: None if ".subvolume" in member.name else member)


def _archived(
    folder: Path, only: Callable[[tarfile.TarInfo], tarfile.TarInfo | None] | None = None
) -> bytes:
    """All that is in a folder, or what `only` gives back."""
    archive_file = io.BytesIO()
    with tarfile.open(fileobj=archive_file, mode="w") as archive:
        archive.add(folder, arcname=".", filter=only)
    return archive_file.getvalue()


def _thaw(content: bytes, folder: Path) -> None:
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(folder)  # noqa: S202 - made here; `filter` came with Python 3.11.4


def _held_bytes(content: bytes) -> int:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return sum(member.size for member in archive)


def _newest_of(entry: _Entry) -> bytes:
    """The writable copy, or else the newest snapshot."""
    if entry.content is not None:
        return entry.content
    assert entry.volume is not None
    return entry.volume.snapshots[max(entry.volume.snapshots)][1]


def _refuse_if_larger(held_bytes: int, size_bytes: int | None) -> None:
    if size_bytes is not None and held_bytes > size_bytes:
        raise HoldsMore(held_bytes, size_bytes)
