"""The engine's mounts of this node's volumes, counted, and kept across restarts of the daemon.

Only `VolumeUse` asks these: what they say is not the whole truth.

The engine's mount IDs are counted, not collected: `docker cp` from a running
container mounts and unmounts with the ID the container already holds
(moby/moby#37314). The file lies on /run, so a reboot, which ends every
container, also empties it.

A mount is counted, and the file written, before the engine has the answer.

A count can be wrong in four ways, each with an answer:
- The engine dies and never asks for the unmounts it owes. What was counted
  before it came back is `former`, and good only while a process has the volume
  mounted. An engine with live-restore asks for those unmounts later.
- The daemon dies between counting a mount and answering it. Nobody can tell whether
  the engine has the answer, so the use counts until nothing backs it (see below).
- The file is lost. Then the kernel tells that the volume is in use, and it counts as
  used by someone.
- The Unmount never comes. So each use has a time, and who knows that nothing needs the volume
  any more can `end` those that were counted before some time.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flocker.base import private

log = logging.getLogger(__name__)

SOMEONE = "someone"  # in place of a mount ID: a use that only the kernel knows of

_Counts = dict[str, Counter[str]]


@dataclass(frozen=True)
class _Uses:
    """Volume id -> mount ID -> how often; a use of the engine that runs, or of one before it."""

    present: _Counts = field(default_factory=dict)
    former: _Counts = field(default_factory=dict)
    # Volume id -> mount ID -> when it was last mounted; of each that is counted.
    added: dict[str, dict[str, float]] = field(default_factory=dict)

    def counts(self) -> tuple[_Counts, _Counts]:
        return self.present, self.former

    def forget_times(self) -> None:
        """Of uses that are not counted any more."""
        for volume_id in list(self.added):
            counted = set().union(*(counts.get(volume_id, {}) for counts in self.counts()))
            left = {each: at for each, at in self.added[volume_id].items() if each in counted}
            if left:
                self.added[volume_id] = left
            else:
                del self.added[volume_id]


def boottime() -> float:
    """Seconds since the machine was started, which is also how old /run is."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class MountCounts:
    """Counts of mount IDs per volume id, written to `file` at every change.

    Args:
        clock: seconds that go on across restarts of the daemon, as `boottime`.
    """

    def __init__(self, file: Path, clock: Callable[[], float] = boottime) -> None:
        self._clock = clock
        self._file = file
        private.make_folder(self._file.parent)
        self._uses = _load(file)
        self._locks: dict[str, threading.Lock] = {}
        self._writing = threading.Lock()

    @contextmanager
    def locked(self, volume_id: str, within: float = -1) -> Iterator[None]:
        """Let no other thread change what this node does with the volume meanwhile.

        Args:
            within: seconds to wait for the others; without end if negative.

        Raises:
            TimeoutError: another thread was not done in time.
        """
        lock = self._locks.setdefault(volume_id, threading.Lock())
        if not lock.acquire(timeout=within):
            raise TimeoutError
        try:
            yield
        finally:
            lock.release()

    def any(self, volume_id: str) -> bool:
        """True if anything here uses the volume."""
        return volume_id in self.volumes()

    def volumes(self) -> set[str]:
        """Ids of the volumes that anything here uses."""
        return set().union(*self._uses.counts())

    def now(self) -> float:
        """The time that uses are given, in seconds of the clock."""
        return self._clock()

    def added(self, volume_id: str) -> list[float]:
        """When each use of the volume was counted, oldest first."""
        return sorted(self._uses.added.get(volume_id, {}).values())

    def former(self) -> set[str]:
        """Ids of the volumes with uses that only the kernel can confirm: to be reconciled."""
        return set(self._uses.former)

    def add(self, volume_id: str, mount_id: str) -> None:
        """Count one more use; it outlives this daemon from now on."""

        def change(uses: _Uses) -> None:
            _put(uses.present, volume_id, mount_id)
            uses.added.setdefault(volume_id, {})[mount_id] = self._clock()

        self._change(change)

    def remove(self, volume_id: str, mount_id: str) -> None:
        """Count one use less; an ID that is not known changes nothing."""

        def change(uses: _Uses) -> None:
            for counts in uses.counts():
                if _take(counts, volume_id, mount_id):
                    return

        self._change(change)

    def end(self, volume_id: str, added_before: float) -> bool:
        """Drop the uses of a volume that were counted until a time; whether there were any."""

        def change(uses: _Uses) -> None:
            for mount_id, added in uses.added.get(volume_id, {}).items():
                if added <= added_before:
                    for counts in uses.counts():
                        _drop(counts, volume_id, mount_id)

        return self._change(change)

    def new_engine(self) -> None:
        """Note that the engine was started anew: what it does not know of any more is former."""

        def change(uses: _Uses) -> None:
            for volume_id, ids in uses.present.items():
                uses.former[volume_id] = uses.former.get(volume_id, Counter()) + ids
            uses.present.clear()

        self._change(change)

    def reconcile(self, volume_id: str, is_mounted: bool) -> None:
        """Bring the counts of one volume into line with the kernel's mount table.

        A use of the engine that runs now stays counted though nothing has the volume mounted:
        its container may just be starting, or be filled from its image.

        Args:
            is_mounted: whether it is mounted, found out while the volume was `locked`.
        """

        def change(uses: _Uses) -> None:
            if not is_mounted:
                uses.former.pop(volume_id, None)
            elif not self.any(volume_id):
                _put(uses.former, volume_id, SOMEONE)
                uses.added[volume_id] = {SOMEONE: self._clock()}

        self._change(change)

    def _change(self, change: Callable[[_Uses], None]) -> bool:
        with self._writing:
            uses = deepcopy(self._uses)
            change(uses)
            uses.forget_times()
            if uses == self._uses:
                return False
            # Written first: a count that cannot be kept must not be in force either.
            private.write(self._file, json.dumps(vars(uses)))
            self._uses = uses
            return True


def _put(counts: _Counts, volume_id: str, mount_id: str) -> None:
    counts.setdefault(volume_id, Counter())[mount_id] += 1


def _drop(counts: _Counts, volume_id: str, mount_id: str) -> None:
    while _take(counts, volume_id, mount_id):
        pass


def _take(counts: _Counts, volume_id: str, mount_id: str) -> bool:
    ids = counts.get(volume_id, Counter())
    if mount_id not in ids:
        return False
    counts[volume_id] = ids - Counter([mount_id])
    if not counts[volume_id]:
        del counts[volume_id]
    return True


def _load(file: Path) -> _Uses:
    """The counts that the previous daemon wrote; none if they cannot be read."""
    if not file.exists():
        return _Uses()
    try:
        stored = json.loads(file.read_text())
        uses = _Uses(present=_counts(stored["present"]), former=_counts(stored["former"]))
        for volume_id, times in stored["added"].items():
            uses.added[volume_id] = {mount_id: float(at) for mount_id, at in times.items()}
        return uses
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        log.error("%s cannot be read, so only the kernel tells what is used: %r", file, error)
        return _Uses()


def _counts(stored: dict[str, Any]) -> _Counts:
    return {
        volume_id: Counter({mount_id: int(count) for mount_id, count in ids.items()})
        for volume_id, ids in stored.items()
    }
