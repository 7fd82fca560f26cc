"""Have callers wait for volumes that move to this node: one move per volume, whoever asks for it.

handoff.py has the steps of a move.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from contextvars import copy_context
from functools import partial

from flocker.base.errors import FlockerError, StillCopying
from flocker.base.records import Volume
from flocker.moving.handoff import Handoff
from flocker.moving.progress import Progress

log = logging.getLogger(__name__)


class Arrivals:
    """Moves under way to this node, one per volume; callers may wait for them."""

    def __init__(self, handoff: Handoff) -> None:
        self._handoff = handoff
        self._lock = threading.Lock()
        self._jobs: dict[str, _Job] = {}

    def bring(self, volume: Volume, why: str, within: float | None = None) -> Volume:
        """Start moving a volume here, or join a move that is under way; return its new record.

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
                job = _Job(volume, why)
                # With who asks for it (audit.py): the history names that.
                run = partial(copy_context().run, self._run, job)
                # Before it is noted: there may be no room for a thread, and others would wait.
                threading.Thread(target=run, daemon=True).start()
                self._jobs[volume.id] = job
        try:
            return job.result.result(timeout=within)
        except NotYet:
            if job.result.done():  # it was the move that raised it, or has just ended
                return job.result.result()
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
        does = "taking" if self.volume.is_shared else "copying"
        text = f"{does} volume '{self.volume.name}' from {self.volume.owner}"
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


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
