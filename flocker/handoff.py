"""Bringing a volume to this node: the steps of a planned move, and waiting for it.

The invariant: until `finish_move` the old owner has the volume and all of its
data, so everything before it can be thrown away; after it this node has both,
so everything after it can be done later.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import replace
from typing import Protocol

from flocker.errors import ControlPlaneAway, FlockerError, StillCopying
from flocker.ownership import Move, Ownership, Volume
from flocker.pool import Pool, Snapshot

log = logging.getLogger(__name__)

REPORT_SECONDS = 1.0  # between two publications of a copy's progress

Report = Callable[[Move], None]


class Peers(Protocol):
    """What this node asks of the others. Every call may raise OwnerAway."""

    def check_unused(self, volume: Volume) -> None:
        """Ask the owner whether anything uses the volume there.

        Raises:
            Refused: something does; the message names the containers.
        """

    def release(self, volume: Volume, move: Move) -> list[Snapshot]:
        """Have the owner take the last snapshot; its snapshots, that one last."""

    def stream_bytes(self, move: Move, wanted: Snapshot, parent: Snapshot | None) -> int:
        """How much data the stream of `wanted` will carry."""

    def stream(self, move: Move, wanted: Snapshot, parent: Snapshot | None) -> Iterator[bytes]:
        """The stream itself.

        Raises:
            TransferFailed: while iterating, when it breaks off.
        """

    def tell_moved(self, volume: Volume, source: str) -> None:
        """Tell the old owner to put its writable copy away; it looks for itself when it starts."""

    def remove(self, volume: Volume) -> None:
        """Have the owner remove the volume."""

    def forget(self, volume: Volume) -> None:
        """Tell all other nodes that the volume was removed; nobody waits for their answers."""


class Handoff:
    """Moves volumes to `node` from owners that are alive and do not use them."""

    def __init__(self, node: str, ownership: Ownership, pool: Pool, peers: Peers) -> None:
        self._node = node
        self._ownership = ownership
        self._pool = pool
        self._peers = peers

    def bring(self, volume: Volume, report: Report) -> Volume:
        """Move a volume here and return its new record.

        `report` is called with the move as it goes on. A failure leaves the
        owner as it was and the volume free to be moved again.

        Raises:
            Refused: it is in use, on its way elsewhere, or its owner is away.
            TransferFailed: the copy broke off.
        """
        self._peers.check_unused(volume)
        move = self._ownership.start_move(volume, self._node)
        report(move)
        try:
            offered = self._peers.release(volume, move)
            self._fetch(move, offered, report)
            self._pool.adopt(volume.owned_by(self._node).claim, offered[-1])
            moved = self._ownership.finish_move(volume, move)
        except BaseException:
            self._abandon(move)
            raise
        return moved

    def tell_old_owner(self, moved: Volume, source: str) -> None:
        """Let the old owner put its copy away; not needed for the move itself."""
        self._peers.tell_moved(moved, source)

    def _fetch(self, move: Move, offered: list[Snapshot], report: Report) -> None:
        """Receive the newest snapshot offered, against the newest one both sides have."""
        here = self._pool.snapshots(move.volume_id)
        wanted = offered[-1]
        if wanted in here:
            return
        common = [snapshot for snapshot in offered if snapshot in here]
        parent = common[-1] if common else None
        progress = _Progress(move, self._ownership, report)
        counting = threading.Thread(
            target=progress.count_total,
            args=(lambda: self._peers.stream_bytes(move, wanted, parent),),
            daemon=True,
        )
        counting.start()
        stream = progress.counted(self._peers.stream(move, wanted, parent))
        self._pool.receive(move.volume_id, wanted, parent, stream)

    def _abandon(self, move: Move) -> None:
        try:
            self._ownership.abandon_move(move)
        except ControlPlaneAway as error:
            # It ends when this node looks for moves it left behind, or with its lease.
            log.warning("move of volume %s not ended: %s", move.volume_id, error)


class Arrivals:
    """Moves under way to this node, one per volume; callers may wait for them."""

    def __init__(self, handoff: Handoff) -> None:
        self._handoff = handoff
        self._lock = threading.Lock()
        self._jobs: dict[str, _Job] = {}

    def bring(self, volume: Volume, within: float) -> Volume:
        """Start moving a volume here, or join the move that goes on; return its new record.

        Raises:
            StillCopying: it takes longer than `within` seconds; it goes on.
            FlockerError: what Handoff.bring raises.
        """
        with self._lock:
            job = self._jobs.get(volume.id)
            if job is None:
                job = self._jobs[volume.id] = _Job(volume)
                threading.Thread(target=self._run, args=(job,), daemon=True).start()
        try:
            return job.result.result(timeout=within)
        except NotYet:
            raise StillCopying(job.describe()) from None

    def is_bringing(self, volume_id: str) -> bool:
        """Whether a move of that volume to this node is under way."""
        with self._lock:
            return volume_id in self._jobs

    def _run(self, job: _Job) -> None:
        try:
            moved = self._handoff.bring(job.volume, job.report)
        except BaseException as error:
            self._log_failure(job, error)
            self._forget(job)
            job.result.set_exception(error)
            return
        log.info("volume '%s' moved from %s, epoch %d", moved.name, job.volume.owner, moved.epoch)
        self._forget(job)
        job.result.set_result(moved)
        self._handoff.tell_old_owner(moved, job.volume.owner)

    def _forget(self, job: _Job) -> None:
        """Before its result is known: who asks after the end starts anew."""
        with self._lock:
            del self._jobs[job.volume.id]

    def _log_failure(self, job: _Job, error: BaseException) -> None:
        is_defect = not isinstance(error, FlockerError)
        log.log(
            logging.ERROR if is_defect else logging.WARNING,
            "volume '%s' not moved from %s: %s",
            job.volume.name,
            job.volume.owner,
            error,
            exc_info=error if is_defect else None,
        )


class _Job:
    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        self.result: Future[Volume] = Future()
        self._move: Move | None = None
        self._started = time.monotonic()

    def report(self, move: Move) -> None:
        self._move = move

    def describe(self) -> str:
        """How far the copy is, for the person who has to type the command again."""
        text = f"copying volume '{self.volume.name}' from {self.volume.owner}"
        if self._move is not None and self._move.percent:
            elapsed = time.monotonic() - self._started
            left = elapsed * (100 - self._move.percent) / self._move.percent
            text += f": {self._move.percent} %, about {_duration(left)} left"
        return f"{text}; it goes on, run the command again"


class _Progress:
    """Counts the bytes of one stream, and publishes the count now and then."""

    def __init__(self, move: Move, ownership: Ownership, report: Report) -> None:
        self._move = move
        self._ownership = ownership
        self._report = report
        self._total: int | None = None
        self._published = time.monotonic()

    def count_total(self, ask: Callable[[], int]) -> None:
        try:
            self._total = ask()
        except FlockerError as error:
            log.info("progress of the copy cannot be told: %s", error)

    def counted(self, stream: Iterable[bytes]) -> Iterator[bytes]:
        done = 0
        for chunk in stream:
            yield chunk
            done += len(chunk)
            now = replace(self._move, bytes_done=done, bytes_total=self._total)
            self._report(now)
            if time.monotonic() - self._published >= REPORT_SECONDS:
                self._publish(now)

    def _publish(self, move: Move) -> None:
        self._published = time.monotonic()
        try:
            self._ownership.report_move(move)
        except ControlPlaneAway as error:
            # The copy may go on; whether it counts is decided when the move is finished.
            log.warning("progress of the copy not published: %s", error)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
