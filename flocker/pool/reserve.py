"""Room of a btrfs pool that is kept for making room: a full pool could not be emptied without it.

Moving a copy to the trash changes metadata, and when there is none left the kernel
refuses even a rename. Deleting always works, so some metadata is held by links that
are deleted when something else must be done. Room for data is not needed: see note.py.
"""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from flocker.base import private
from flocker.base.errors import PoolFull
from flocker.btrfs import subvolume
from flocker.btrfs.space import metadata
from flocker.pool import note

log = logging.getLogger(__name__)

LINKS = 2048  # of note.BYTES_AT_MOST each: 8 MiB, what a few operations at once reserve
BYTES = LINKS * (note.BYTES_AT_MOST + 200)
_TEXT = "." * note.BYTES_AT_MOST

Method = TypeVar("Method", bound=Callable[..., Any])


class Reserve:
    """The links in the folder `root`; safe for several threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._is_whole = False
        private.make_folder(root)

    def make(self) -> None:
        """Have the reserve, unless there is too little room for it. Safe to repeat."""
        with self._lock:
            if self._is_whole:
                return
            there = {path.name for path in self._root.iterdir()}
            missing = [name for name in map(str, range(LINKS)) if name not in there]
            if missing and metadata(self._root).free_bytes < 2 * BYTES:
                return
            for name in missing:
                (self._root / name).symlink_to(_TEXT)
            self._is_whole = True

    def spend(self) -> bool:
        """Give the room away, on disk; return False if there was none."""
        with self._lock:
            self._is_whole = False
            links = list(self._root.iterdir())
            for link in links:
                link.unlink()
            subvolume.sync(self._root)
        if links:
            log.warning("the pool is full: the room that is kept for removing is used")
        return bool(links)


class _HasReserve(Protocol):
    @property
    def reserve(self) -> Reserve: ...


def works_when_full(method: Method) -> Method:
    """Have a pool's method done with the reserve if there is no room; it must be safe to repeat.

    Raises:
        PoolFull: not even that was enough.
        PoolError: the disk refuses changes.
    """

    @wraps(method)
    def with_reserve(pool: _HasReserve, *arguments: Any, **named: Any) -> Any:
        for is_last in (False, True):
            try:
                return method(pool, *arguments, **named)
            except PoolFull:
                if is_last or not pool.reserve.spend():
                    raise
            except OSError as error:
                is_full = error.errno == errno.ENOSPC
                if is_last or not is_full or not pool.reserve.spend():
                    raise subvolume.failure("the pool could not be changed", error) from error
        raise AssertionError("unreachable")

    return cast(Method, with_reserve)
