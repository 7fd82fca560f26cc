"""The one way data comes to a node: snapshots fetched from a peer.

Replication, planned moves and promotions all fetch here, so what is true of one is true of all:
the newest snapshot both sides have is the parent, and nothing half-received is ever seen. One
stream at a time brings a volume, and one that makes no progress is given up. A snapshot that
cannot be applied as an increment is fetched whole.

Small increments of many volumes come in one stream (increments.py).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import Protocol

from flocker.base.errors import FlockerError, PoolError, StreamRefused, TransferFailed
from flocker.base.records import Snapshot
from flocker.moving.increments import Increment, Wanted
from flocker.moving.progress import Counted, Progress, Report
from flocker.pool.local_pool import LocalPool, Staged

log = logging.getLogger(__name__)

# Small increments taken in at the same time; they share commits. 300 of them took 6.8 s with 4
# threads, 3.8 s with 8, 2.6 s with 16 and 2.1 s with 32, on two busy cores.
STAGED_AT_ONCE = 24
# A volume's owner is told this many of the snapshots that are here. People may keep thousands, and
# the newest that both have is nearly always among the last.
HERE_TOLD = 20
WAIT_SECONDS = 1.0  # between two looks of who waits for another fetch of the same volume
Outcomes = dict[str, FlockerError | None]
"""Volume id -> why the volume was not brought up to date; None if it was."""


class PeerSnapshots(Protocol):
    """Peers as places to fetch from. Every call may raise OwnerAway."""

    def snapshots(self, volume_id: str, node: str) -> list[Snapshot]:
        """The complete snapshots that node holds, oldest first."""

    def stream_bytes(
        self, volume_id: str, node: str, wanted: Snapshot, parent: Snapshot | None
    ) -> int:
        """The bytes of data that the stream of `wanted` will carry."""

    def stream(
        self, volume_id: str, node: str, wanted: Snapshot, parent: Snapshot | None
    ) -> Generator[bytes, None, None]:
        """The stream itself; an empty chunk is a sign of life.

        Raises:
            TransferFailed: while iterating, when it breaks off or makes no progress.
        """

    def increments(self, node: str, wanted: Sequence[Wanted]) -> Iterator[Increment]:
        """The small increments among what is wanted, in one stream.

        Raises:
            TransferFailed: while iterating, when it breaks off or makes no progress.
        """


class Transfers:
    """Fetches snapshots into this node's pool."""

    def __init__(
        self, pool: LocalPool, sources: PeerSnapshots, count_received: Callable[[int], None]
    ) -> None:
        self._pool = pool
        self._sources = sources
        self._count_received = count_received
        self._locks: dict[str, threading.Lock] = {}
        self._sources_now: dict[str, str] = {}  # volume id -> where it is being fetched from
        self._progress: dict[str, Progress] = {}
        self._waiting: dict[str, Progress] = {}
        self._staging = ThreadPoolExecutor(STAGED_AT_ONCE, "stage")

    def progress(self, volume_id: str) -> Progress | None:
        """The progress of the stream of a volume, if one is under way or waited for."""
        return self._waiting.get(volume_id) or self._progress.get(volume_id)

    def fetch(
        self,
        volume_id: str,
        node: str,
        wanted: Sequence[Snapshot],
        report: Report = lambda _: None,
    ) -> int:
        """Have these snapshots here, oldest first; what is here already is not fetched again.

        Waits for another fetch of the same volume, for as long as that makes progress,
        and tells `report` so. A snapshot that the node does not have, or not any more, is
        left out, unless it is the last one of `wanted`.

        Args:
            report: called whenever something has come or is waited for; what it raises ends
                the fetch.

        Returns:
            The bytes that were received.

        Raises:
            TransferFailed: a stream broke off or did not verify; what came before it is kept.
            StreamRefused: it cannot be had here, not even whole.
            OwnerAway: the node does not answer.
        """
        with self._turn(volume_id, node, report):
            here = self._pool.snapshots(volume_id)
            missing = sorted(set(wanted) - set(here), key=lambda snapshot: snapshot.number)
            if not missing:
                return 0
            offered = self._sources.snapshots(volume_id, node)
            received = 0
            for snapshot in missing:
                if snapshot in offered or snapshot == wanted[-1]:
                    received += self._fetch_one(volume_id, node, snapshot, offered, report)
            return received

    def fetch_small(self, node: str, wanted: Mapping[str, Snapshot]) -> Outcomes:
        """Have small increments of many volumes here, flushed all at once.

        Args:
            wanted: the newest snapshot of each volume, by volume id.

        Returns:
            Those that were dealt with. What is left out has to be fetched alone: it is large,
            nothing to build on is here, it is refused as an increment, or it is being
            fetched already.
        """
        with ExitStack() as locks:
            mine = [each for each in wanted if self._takes_lock(each, node, locks)]
            here, outcomes = self._held(mine)
            outcomes |= {each: None for each, held in here.items() if wanted[each] in held}
            asked = [
                Wanted(each, wanted[each], tuple(held[-HERE_TOLD:]))
                for each, held in here.items()
                if held and each not in outcomes
            ]
            if asked:
                staged = self._stage(node, asked, outcomes)
                for each, error in zip(staged, self._pool.settle(staged), strict=True):
                    outcomes[each.volume_id] = error
        return {
            volume_id: error
            for volume_id, error in outcomes.items()
            if not isinstance(error, StreamRefused)
        }

    @contextmanager
    def _turn(self, volume_id: str, node: str, report: Report) -> Iterator[None]:
        with ExitStack() as lock:
            try:
                while not self._takes_lock(volume_id, node, lock, within=WAIT_SECONDS):
                    self._wait(volume_id, report)
            finally:
                self._waiting.pop(volume_id, None)
            yield

    def _wait(self, volume_id: str, report: Report) -> None:
        """Tell how far the fetch is that has to end first."""
        source = self._sources_now.get(volume_id)
        if source is not None:
            theirs = self._progress.get(volume_id, Progress(0, None))
            self._waiting[volume_id] = replace(theirs, waits_for=source)
            report(self._waiting[volume_id])

    def _takes_lock(
        self, volume_id: str, node: str, locks: ExitStack, within: float | None = None
    ) -> bool:
        lock = self._locks.setdefault(volume_id, threading.Lock())
        is_taken = lock.acquire(blocking=within is not None, timeout=within or -1)
        if is_taken:
            locks.callback(lock.release)
            self._sources_now[volume_id] = node
            locks.callback(self._sources_now.pop, volume_id, None)
        return is_taken

    def _held(self, volume_ids: Sequence[str]) -> tuple[dict[str, list[Snapshot]], Outcomes]:
        """The snapshots here, by volume id, and the volumes of which they cannot be read."""
        held: dict[str, list[Snapshot]] = {}
        failures: Outcomes = {}
        for volume_id in volume_ids:
            try:
                held[volume_id] = self._pool.snapshots(volume_id)
            except PoolError as error:
                failures[volume_id] = error
        return held, failures

    def _stage(self, node: str, asked: Sequence[Wanted], outcomes: Outcomes) -> list[Staged]:
        """Take the increments in as they come; note those that fail."""
        snapshots = {each.volume_id: each.snapshot for each in asked}
        staging: dict[str, Future[Staged]] = {}
        room = threading.Semaphore(2 * STAGED_AT_ONCE)  # for streams that wait in memory
        unheard = set(snapshots)
        try:
            for each in self._sources.increments(node, asked):
                if each.volume_id not in unheard:
                    continue  # not asked for, or had already
                unheard.discard(each.volume_id)
                if each.error:
                    outcomes[each.volume_id] = TransferFailed(f"{node} cannot send: {each.error}")
                elif each.stream is not None:
                    self._count_received(len(each.stream))
                    room.acquire()
                    result = self._staging.submit(
                        self._pool.stage,
                        each.volume_id,
                        snapshots[each.volume_id],
                        each.parent,
                        each.stream,
                    )
                    result.add_done_callback(lambda _: room.release())
                    staging[each.volume_id] = result
        except Exception as error:
            outcomes |= dict.fromkeys(unheard, _failure(error))
        staged = []
        for volume_id, result in staging.items():
            try:
                staged.append(result.result())
            except Exception as error:
                outcomes[volume_id] = _failure(error)
        return staged

    def _fetch_one(
        self,
        volume_id: str,
        node: str,
        wanted: Snapshot,
        offered: list[Snapshot],
        report: Report,
    ) -> int:
        here = self._pool.snapshots(volume_id)
        common = [snapshot for snapshot in offered if snapshot in here]
        # A later one serves as well as an earlier: an increment is a difference, not a sequence.
        parent = common[-1] if common else None
        try:
            return self._receive(volume_id, node, wanted, parent, report)
        except StreamRefused as error:
            if parent is None:
                raise
            # The parent here has what the sender's does not: files that may not be changed or
            # shared, on a node that wrote them. A whole copy is built on nothing.
            log.warning(
                "snapshot %d of volume %s is fetched whole: %s", wanted.number, volume_id, error
            )
            return self._receive(volume_id, node, wanted, None, report)

    def _receive(
        self,
        volume_id: str,
        node: str,
        wanted: Snapshot,
        parent: Snapshot | None,
        report: Report,
    ) -> int:
        # Closed at once when nobody reads on, or else the source would keep it ready for as long as
        # the error is known here: for example while the same snapshot comes whole.
        with closing(self._sources.stream(volume_id, node, wanted, parent)) as stream:
            counted = Counted(
                stream,
                ask_total=lambda: self._sources.stream_bytes(volume_id, node, wanted, parent),
                report=lambda progress: self._report(volume_id, progress, report),
            )
            try:
                self._pool.receive(volume_id, wanted, parent, counted)
            finally:
                self._progress.pop(volume_id, None)
                self._count_received(counted.bytes_done)
        return counted.bytes_done

    def _report(self, volume_id: str, progress: Progress, report: Report) -> None:
        self._progress[volume_id] = progress
        report(progress)


def _failure(error: Exception) -> FlockerError:
    """A failure that is told of; a defect is one of its increment only, and the others continue."""
    if isinstance(error, FlockerError):
        return error
    log.error("an increment was not taken in", exc_info=error)
    return TransferFailed(f"an increment was not taken in: {error!r}")
