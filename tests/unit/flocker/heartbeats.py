"""A fence that does no more than show that it is at work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flocker.fence.lease_file import Heartbeat, LeaseFile, boottime


@contextmanager
def beating(files: LeaseFile, every_seconds: float) -> Iterator[None]:
    """A fence that reads its list again and again."""
    ending = threading.Event()

    def look() -> None:
        while not ending.wait(every_seconds):
            files.write_heartbeat(Heartbeat(boottime(), files.read_auto().version))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
