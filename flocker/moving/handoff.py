"""Bringing a volume to this node: the steps of a planned move, and waiting for it.

This is the target's side: `Handoff` takes the steps, `Arrivals` has callers wait for them. The
owner answers in peer_requests.py.

The invariant: until `finish_move` the old owner has the volume and all of its data, so everything
before it can be thrown away. After it this node has both, so everything after it can be done later.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import Protocol

from flocker.base.errors import (
    ControlPlaneAway,
    FlockerError,
    MoveCancelled,
    PoolError,
    Refused,
    StillCopying,
    TransferFailed,
)
from flocker.base.records import Move, Snapshot, Volume
from flocker.consensus.ownership import Ownership
from flocker.moving.demotion import Demotion
from flocker.moving.progress import Progress, Report
from flocker.moving.takeover import Takeover
from flocker.moving.transfer import Transfers
from flocker.node.context import NodeContext

log = logging.getLogger(__name__)

REPORT_SECONDS = 1.0  # between two publications of a copy's progress


class PeerOwners(Protocol):
    """Requests of this node to a volume's owner. Every call may raise OwnerAway.

    api/peer_client.py sends them, api/peer_api.py takes them there, peer_requests.py answers.
    """

    def check_unused(self, volume: Volume) -> None:
        """Ask the owner whether anything uses the volume there.

        Raises:
            Refused: something does; the message names the containers.
        """

    def prepare(self, volume: Volume) -> Snapshot:
        """Have the owner take a snapshot to be fetched before the volume is locked."""

    def release(self, volume: Volume, move: Move) -> Snapshot:
        """Have the owner take the last snapshot."""

    def tell_moved(self, volume: Volume, source: str) -> None:
        """Tell the old owner to put its writable copy away; it looks for itself when it starts."""


class Handoff:
    """Moves volumes to this node from owners that are alive and do not use them."""

    def __init__(
        self,
        context: NodeContext,
        *,
        owners: PeerOwners,
        transfers: Transfers,
        takeover: Takeover,
        demotion: Demotion,
        count_move: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._node = context.node
        self._ownership = context.ownership
        self._mirror = context.mirror
        self._owners = owners
        self._transfers = transfers
        self._takeover = takeover
        self._demotion = demotion
        self._count_move = count_move

    def bring(self, volume: Volume, why: str) -> Volume:
        """Move a volume here and return its new record.

        A failure leaves the owner as it was and the volume free to be moved again.

        Raises:
            Refused: it is in use, on its way elsewhere, or its owner is away.
            TransferFailed: the copy broke off.
        """
        try:
            moved = self._bring(volume, why)
        except Refused:
            self._count_move("refused")
            raise
        except (PoolError, TransferFailed) as error:
            self._count_move("failed")
            raise TransferFailed(
                f"volume '{volume.name}' did not come from {volume.owner} to {self._node}: "
                f"{error}; try again"
            ) from error
        except BaseException:
            self._count_move("failed")
            raise
        self._count_move("done")
        return moved

    def _bring(self, volume: Volume, why: str) -> Volume:
        started = time.monotonic()
        self._owners.check_unused(volume)
        move = self._ownership.begin_move(volume, self._node)
        try:
            self._demotion.demote(volume)
            publish = _Publisher(volume, move, self._ownership)
            # Most of it, for as long as that takes, while the volume can still be mounted there.
            received = self._fetch(volume, self._owners.prepare(volume), publish)
            move = self._ownership.lock_move(volume, move)
            last = self._owners.release(volume, move)
            received += self._fetch(volume, last, publish)
            seconds = time.monotonic() - started
            event = volume.event(
                self._node,
                "moved",
                f"from {volume.owner}: {why}; {received} bytes in {seconds:.1f} s",
            )
            return self._takeover.complete(
                volume,
                volume.owned_by(self._node, last),
                lambda: self._ownership.finish_move(volume, move, last, event),
            )
        except BaseException:
            self._abandon(move)
            raise

    def _fetch(self, volume: Volume, snapshot: Snapshot, report: Report) -> int:
        """Fetch a snapshot, and those that people keep: from now on they are restored here."""
        kept = [each.snapshot for each in self._mirror.state.named(volume)]
        return self._transfers.fetch(volume.id, volume.owner, [*kept, snapshot], report)

    def tell_old_owner(self, moved: Volume, source: str) -> None:
        """Let the old owner put its copy away; not needed for the move itself."""
        self._owners.tell_moved(moved, source)

    def progress(self, volume_id: str) -> Progress | None:
        """The progress of the stream that a move waits for."""
        return self._transfers.progress(volume_id)

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

    def bring(self, volume: Volume, why: str, within: float | None = None) -> Volume:
        """Start moving a volume here, or join the move that goes on; return its new record.

        Args:
            why: for the volume's history.
            within: seconds to wait; None for as long as it takes.

        Raises:
            StillCopying: it takes longer than that; it goes on.
            FlockerError: what Handoff.bring raises.
        """
        with self._lock:
            job = self._jobs.get(volume.id)
            if job is None:
                job = self._jobs[volume.id] = _Job(volume, why)
                # With who asks for it (audit.py): the history names that.
                run = partial(copy_context().run, self._run, job)
                threading.Thread(target=run, daemon=True).start()
        try:
            return job.result.result(timeout=within)
        except NotYet:
            raise StillCopying(job.describe(self._handoff.progress(volume.id))) from None

    def is_bringing(self, volume_id: str) -> bool:
        """True if a move of that volume to this node is under way."""
        with self._lock:
            return volume_id in self._jobs

    def _run(self, job: _Job) -> None:
        try:
            moved = self._handoff.bring(job.volume, job.why)
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
    def __init__(self, volume: Volume, why: str) -> None:
        self.volume = volume
        self.why = why
        self.result: Future[Volume] = Future()
        self._started = time.monotonic()

    def describe(self, progress: Progress | None) -> str:
        """The progress of the copy, for the person who has to type the command again."""
        text = f"copying volume '{self.volume.name}' from {self.volume.owner}"
        if progress is not None and progress.waits_for:
            text += f", as soon as the copy from {progress.waits_for} that is under way has come"
        if progress is not None and progress.percent:
            elapsed = time.monotonic() - self._started
            left = elapsed * (100 - progress.percent) / progress.percent
            text += f": {progress.percent} %, about {_duration(left)} left"
        return (
            f"{text}; it continues in the background, run the command again "
            f"(`flocker move --cancel {self.volume.name}` ends it)"
        )


class _Publisher:
    """Writes the progress of a move into its record, and ends one that was cancelled.

    publisher.py is about something else: it publishes copies of volumes.
    """

    def __init__(self, volume: Volume, move: Move, ownership: Ownership) -> None:
        self._volume = volume
        self._move = move
        self._ownership = ownership
        self._published = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        if time.monotonic() - self._published < REPORT_SECONDS:
            return
        self._published = time.monotonic()
        try:
            is_current = self._ownership.report_move(
                replace(
                    self._move,
                    bytes_done=progress.bytes_done,
                    bytes_total=progress.bytes_total,
                    waits_for=progress.waits_for,
                )
            )
        except ControlPlaneAway as error:
            # The copy may go on; whether it counts is decided when the move is finished.
            log.warning("progress of the copy not published: %s", error)
        else:
            if not is_current:
                raise MoveCancelled(self._volume.name, self._move.target)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
