"""One build at a time: Vagrant starts its nodes in parallel, and each asks for the images first."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from host import BUILD


@contextmanager
def only_one() -> Iterator[None]:
    """Wait for other builds of this checkout, and keep them waiting."""
    folder = BUILD / "box"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
