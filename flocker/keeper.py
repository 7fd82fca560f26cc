"""Keeps this node part of the cluster: its lease alive, and what got lost on the way tidied."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from flocker import VERSION
from flocker.background import attempt
from flocker.config import Config
from flocker.custody import Custody
from flocker.errors import ControlPlaneAway
from flocker.lease_file import LeaseFile
from flocker.mirror import Mirror
from flocker.ownership import Ownership
from flocker.pool import Pool
from flocker.pulse import ANNOUNCE_SECONDS, DISK_SECONDS, Pulse
from flocker.records import Look, Node

log = logging.getLogger(__name__)

RETRY_SECONDS = 1  # while etcd is away
PURGE_SECONDS = 3600
PROBLEMS_TOLD = 10  # to other nodes, every few seconds; `/health` has all of them
USES_SECONDS = 15  # with volume_use.START_SECONDS: what nothing backs ends within a minute
# Within a lease. When etcd's leader is lost, finding another may take 4 s (its election timeout is
# 2 s): renewed every 3 s of 15, the lease is not yet at the two thirds where the fence acts.
RENEWALS = 5


class Keeper:
    """Announces the node several times in its lease; catches up whenever the lease is a new one."""

    def __init__(
        self,
        config: Config,
        *,
        ownership: Ownership,
        mirror: Mirror,
        pool: Pool,
        custody: Custody,
        lease_file: LeaseFile,
        stop_taken: Callable[[], object],
        tell_fence: Callable[[], object],
        resume: Callable[[], object],
        purge: Callable[[], object],
        see_time_pass: Callable[[], object],
        look_for_strays: Callable[[], object],
        problems: Callable[[], list[str]],
        stuck: Callable[[], dict[str, str]],
        last_look: Callable[[], Look | None],
        gives_up: Callable[[], bool],
    ) -> None:
        """Args:
        stop_taken: stops what others may have taken over while the lease had lapsed.
        tell_fence: writes down what must be stopped when this node falls silent; also now and
            then, for uses that only the kernel knew of.
        resume: has containers go on that were left paused.
        purge: deletes what was put aside longer ago than the retention.
        see_time_pass: counts the time that retentions are measured in.
        look_for_strays: frees or shows data without a record.
        problems, stuck: what does not work on this node, and the volumes whose copies
            here are stuck; announced with it.
        last_look: up to when the volumes here were looked at; announced with it.
        gives_up: whether this node's auto volumes are left to others; likewise.
        """
        self._config = config
        self._ownership = ownership
        self._mirror = mirror
        self._pool = pool
        self._custody = custody
        self._lease_file = lease_file
        self._stop_taken = stop_taken
        self._tell_fence = tell_fence
        self._resume = resume
        self._purge = purge
        self._see_time_pass = see_time_pass
        self._look_for_strays = look_for_strays
        self._problems = problems
        self._stuck = stuck
        self._last_look = last_look
        self._gives_up = gives_up
        self._pause_seconds: float = RETRY_SECONDS  # before the next round of tidying
        self._purge_due = time.monotonic()  # at once: a daemon may never run for an hour
        self._is_caught_up = threading.Event()
        self._is_away = False
        self._has_lapsed = False

    def start(self, stopping: threading.Event, pulse: Pulse) -> None:
        """Run in the background until `stopping` is set, and show in the pulse that it does."""
        # Apart from each other: putting a copy away waits for the disk, and the lease must not.
        tasks: dict[Callable[..., None], tuple[object, ...]] = {
            self._announce_for_ever: (stopping, pulse.expect("announcing", ANNOUNCE_SECONDS)),
            self._tidy_for_ever: (stopping, pulse.expect("tidying", DISK_SECONDS)),
            self._end_uses_for_ever: (stopping,),
        }
        for task, arguments in tasks.items():
            threading.Thread(target=task, args=arguments, daemon=True).start()

    def _announce_for_ever(self, stopping: threading.Event, beat: Callable[[], object]) -> None:
        while not stopping.is_set():
            beat()
            began = time.monotonic()
            # Without its lease all of this node's volumes would count as away.
            went_well = attempt(log, "this node could not be announced", self._announce_or_say)
            is_heard = went_well and not self._is_away
            pause = self._config.lease_seconds / RENEWALS if is_heard else RETRY_SECONDS
            # Counted as the fence counts: an answer that took long is followed up at once.
            stopping.wait(max(0, began + pause - time.monotonic()))

    def _announce_or_say(self) -> None:
        """Once that etcd is away, not every second."""
        try:
            self._announce()
        except ControlPlaneAway as error:
            if not self._is_away:
                log.warning("%s", error)
            self._is_away = True

    def _announce(self) -> None:
        usage = self._pool.usage()
        config = self._config
        node = Node(
            config.node,
            config.address,
            VERSION,
            usage.used_bytes,
            usage.total_bytes,
            usage.free_bytes,
            problems=tuple(self._problems()[:PROBLEMS_TOLD]),
            stuck=self._stuck(),
            gives_up=self._gives_up(),
        )
        # Taken before: etcd counts from later on, so the fence is never late.
        asked_at = time.clock_gettime(time.CLOCK_BOOTTIME)
        is_new = self._ownership.announce(node, self._last_look())
        self._has_lapsed |= is_new
        if self._has_lapsed:
            # First: from the renewal on the fence has no reason to stop anything.
            self._stop_taken()
            self._has_lapsed = False
        self._tell_fence()
        self._lease_file.write_renewed(asked_at, config.lease_seconds)
        if is_new:
            self._is_caught_up.clear()
            log.info("joined the cluster")
        self._is_away = False

    def _tidy_for_ever(self, stopping: threading.Event, beat: Callable[[], object]) -> None:
        # Each on its own: trouble with one must not keep the others from being done.
        tasks: dict[str, Callable[[], object]] = {
            "containers could not be resumed": self._resume,
            "room to work on a full pool could not be kept": self._pool.make_reserve,
            "time could not be counted": self._see_time_pass,
            "what was put aside could not be purged": partial(self._if_connected, self._purge_old),
            "this node could not catch up": partial(self._if_connected, self._catch_up),
            "strays could not be looked for": partial(self._if_connected, self._look_for_strays),
            "this node could not be tidied": partial(self._if_connected, self._custody.tidy),
        }
        while not stopping.wait(self._pause_seconds):
            self._pause_seconds = self._config.lease_seconds / 3
            for failure, task in tasks.items():
                beat()
                if not attempt(log, failure, task):
                    self._is_caught_up.clear()  # what was not done today is still there tomorrow

    def _if_connected(self, task: Callable[[], object]) -> None:
        """Do what needs etcd, or come back soon while that is away, as when a cluster begins."""
        try:
            if self._mirror.is_connected:
                task()
                return
        except ControlPlaneAway:
            pass  # said by the announcements already
        self._is_caught_up.clear()
        self._pause_seconds = RETRY_SECONDS

    def _purge_old(self) -> None:
        if time.monotonic() >= self._purge_due:
            self._purge()
            self._purge_due = time.monotonic() + PURGE_SECONDS

    def _catch_up(self) -> None:
        if self._is_caught_up.is_set():
            return
        self._is_caught_up.set()  # first: a new lease meanwhile clears it again
        if not self._custody.catch_up():
            self._is_caught_up.clear()

    def _end_uses_for_ever(self, stopping: threading.Event) -> None:
        failure = "uses that nothing backs any more could not be looked for"
        while not stopping.wait(USES_SECONDS):
            attempt(log, failure, self._custody.end_unbacked_uses)
