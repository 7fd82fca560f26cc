"""Keeps this node part of the cluster: its lease alive, and what got lost on the way tidied."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from flocker import VERSION
from flocker.background import attempt
from flocker.catalog import Catalog
from flocker.config import Config
from flocker.custody import Custody
from flocker.errors import ControlPlaneAway
from flocker.lease_file import LeaseFile
from flocker.ownership import Ownership
from flocker.pool import Pool
from flocker.records import Node

log = logging.getLogger(__name__)

RETRY_SECONDS = 1  # while etcd is away, which is also how a cluster begins
PURGE_SECONDS = 3600
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
        catalog: Catalog,
        pool: Pool,
        custody: Custody,
        lease_file: LeaseFile,
        tell_fence: Callable[[], object],
        resume: Callable[[], object],
        purge: Callable[[], object],
    ) -> None:
        """Args:
        tell_fence: writes down what must be stopped when this node falls silent; also now and
            then, for uses that only the kernel knew of.
        resume: has containers go on that were left paused.
        purge: deletes what was put aside longer ago than the retention.
        """
        self._config = config
        self._ownership = ownership
        self._catalog = catalog
        self._pool = pool
        self._custody = custody
        self._lease_file = lease_file
        self._tell_fence = tell_fence
        self._resume = resume
        self._purge = purge
        self._purged = time.monotonic()
        self._is_caught_up = threading.Event()
        self._is_away = False

    def start(self, stopping: threading.Event) -> None:
        """Run in the background until `stopping` is set."""
        # Apart from each other: putting a copy away waits for the disk, and the lease must not.
        for task in (self._announce_for_ever, self._tidy_for_ever):
            threading.Thread(target=task, args=(stopping,), daemon=True).start()

    def _announce_for_ever(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
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
        node = Node(config.node, config.address, VERSION, usage.used_bytes, usage.total_bytes)
        # Taken before: etcd counts from later on, so the fence is never late.
        asked_at = time.clock_gettime(time.CLOCK_BOOTTIME)
        is_new = self._ownership.announce(node)
        self._tell_fence()
        self._lease_file.write_renewed(asked_at, config.lease_seconds)
        if is_new:
            self._is_caught_up.clear()
            log.info("joined the cluster")
        self._is_away = False

    def _tidy_for_ever(self, stopping: threading.Event) -> None:
        failure = "this node could not be brought into line with the cluster"
        while not stopping.wait(self._tidy_seconds()):
            # A copy not put away today is still there tomorrow.
            if not attempt(log, failure, self._tidy):
                self._is_caught_up.clear()

    def _tidy(self) -> None:
        self._resume()
        if not self._catalog.is_connected:
            self._is_caught_up.clear()
            return
        try:
            if not self._is_caught_up.is_set():
                self._is_caught_up.set()
                self._custody.catch_up()
            self._custody.tidy()
            if time.monotonic() - self._purged > PURGE_SECONDS:
                self._purged = time.monotonic()
                self._purge()
        except ControlPlaneAway:
            self._is_caught_up.clear()  # said by the announcements already

    def _tidy_seconds(self) -> float:
        return self._config.lease_seconds / 3 if self._is_caught_up.is_set() else RETRY_SECONDS
