"""Keeps this node's lease alive, and says with it what the others have to know of the node."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from flocker import VERSION
from flocker.base.background import attempt
from flocker.base.config import Config
from flocker.base.errors import ControlPlaneAway
from flocker.base.pulse import ANNOUNCE_SECONDS, Pulse
from flocker.base.records import Node
from flocker.care.condition import Condition
from flocker.fence.lapse import Lapse
from flocker.fence.lease_file import LeaseFile
from flocker.node.context import NodeContext

log = logging.getLogger(__name__)

RETRY_SECONDS = 1  # while etcd is away
PROBLEMS_TOLD = 10  # to other nodes, every few seconds; `/health` has all of them
# Within a lease. When etcd's leader is lost, finding another may take 4 s (its election timeout is
# 2 s): renewed every 3 s of 15, the lease is not yet at the two thirds where the fence acts.
RENEWALS = 5


class FenceList(Protocol):
    """The list that this node's fence goes by; fence/guard.py keeps it."""

    def refresh(self) -> None:
        """Write down what must be stopped when this node falls silent.

        Also now and then, for uses that only the kernel knew of.
        """


class Announcer:
    """Announces the node several times in its lease.

    Args:
        lapse: stops what others may have taken over while the lease had lapsed.
        on_joined: called whenever the lease is a new one.
    """

    def __init__(
        self,
        config: Config,
        context: NodeContext,
        condition: Condition,
        *,
        fence: FenceList,
        lease_file: LeaseFile,
        lapse: Lapse,
        on_joined: Callable[[], object],
    ) -> None:
        self._config = config
        self._ownership = context.ownership
        self._reaches_shared = context.pools.remote is not None
        self._condition = condition
        self._fence = fence
        self._lease_file = lease_file
        self._lapse = lapse
        self._on_joined = on_joined
        self._is_away = False
        self._has_lapsed = False

    def start(self, stopping: threading.Event, pulse: Pulse) -> None:
        """Run in the background until `stopping` is set, and show in the pulse that it does."""
        beat = pulse.expect("announcing", ANNOUNCE_SECONDS)
        threading.Thread(target=self._announce_for_ever, args=(stopping, beat), daemon=True).start()

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
        if self._condition.is_silent():
            return
        usage = self._condition.usage()
        config = self._config
        node = Node(
            config.node,
            config.address,
            VERSION,
            usage.used_bytes,
            usage.total_bytes,
            usage.free_bytes,
            problems=tuple(self._condition.problems()[:PROBLEMS_TOLD]),
            stuck=self._condition.stuck(),
            gives_up=self._condition.gives_up(),
            reaches_shared=self._reaches_shared,
        )
        # Taken before: etcd counts from later on, so the fence is never late.
        asked_at = time.clock_gettime(time.CLOCK_BOOTTIME)
        is_new = self._ownership.announce(node, self._condition.last_look())
        self._has_lapsed |= is_new
        if self._has_lapsed:
            # First: from the renewal on the fence has no reason to stop anything.
            self._lapse.stop_taken()
            self._has_lapsed = False
        self._fence.refresh()
        self._lease_file.write_renewed(asked_at, config.lease_seconds)
        if is_new:
            self._on_joined()
            log.info("joined the cluster")
        self._is_away = False
