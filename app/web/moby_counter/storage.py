"""The interface between the web app and the storage of its whales."""

from __future__ import annotations

from typing import Protocol

from moby_counter.whales import Whale

# Less than the page waits for (its READ_TIMEOUT_MS). Where a machine is emulated or busy, entering
# Postgres alone takes a second: an app that counts as away then loses clicks for nothing.
PING_SECONDS = 3.0
# Every page draws all of them, and asks for all of them once a second.
MAX_WHALES = 10_000


class StorageAway(Exception):
    """The storage cannot be reached or refused; the message says why."""


class SeaFull(Exception):
    """There are MAX_WHALES whales; the message says so."""

    def __init__(self) -> None:
        super().__init__(f"the sea is full: there are {MAX_WHALES} whales in it")


class Storage(Protocol):
    """Keeps whales in the order in which they came."""

    async def add(self, whale: Whale) -> None:
        """Return once the whale is on disk.

        Raises:
            SeaFull: there are MAX_WHALES already, and this one is not kept.
            StorageAway: it is not known to be there. It may still turn up later, when the
                storage was lost between writing and answering.
        """

    async def all(self) -> list[str]:
        """All whales as `x:y`, oldest first.

        Raises:
            StorageAway: they cannot be read now.
        """

    async def is_connected(self) -> bool:
        """True if the storage answers, known within PING_SECONDS."""
