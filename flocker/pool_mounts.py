"""Find the processes that have a pool's volumes mounted, and end them if nothing else helps."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from flocker.errors import PoolError
from flocker.kernel import MountTable, processes_with

KILL_POLL_SECONDS = 0.02
KILL_SECONDS = 5.0


class PoolMounts:
    """The kernel's view of one pool.

    Args:
        live: where the writable copy of a volume id is.
    """

    def __init__(self, live: Callable[[str], Path]) -> None:
        self._live = live

    def mounted(self, volume_ids: Collection[str]) -> set[str]:
        """Select the volumes that any process on this node has mounted at this moment."""
        table = MountTable()
        return {each for each in volume_ids if table.is_mounted(self._live(each))}

    def kill_users(self, volume_id: str) -> None:
        """End every process that has it mounted.

        Raises:
            PoolError: one does not end.
        """
        _, left = kill_users(self._live(volume_id), time.monotonic() + KILL_SECONDS)
        if left:
            raise PoolError(f"cannot end {', '.join(left)}, which uses volume {volume_id}")


def kill_users(
    path: Path, until: float, clock: Callable[[], float] = time.monotonic
) -> tuple[list[str], list[str]]:
    """Kill the processes that have a volume mounted, and those that appear meanwhile.

    Args:
        until: of `clock`, when to give up.

    Returns:
        Those that ended, and those that do not.
    """
    named: dict[int, str] = {}
    waiting = threading.Event()
    while left := processes_with(path):
        for process in left:
            named.setdefault(process, _named(process))
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        if clock() > until:
            break
        waiting.wait(KILL_POLL_SECONDS)
    return (
        [name for process, name in named.items() if process not in left],
        [named[process] for process in left],
    )


def _named(process: int) -> str:
    try:
        return f"process {process} ('{Path(f'/proc/{process}/comm').read_text().strip()}')"
    except OSError:
        return f"process {process}"
