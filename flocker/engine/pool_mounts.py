"""Find the processes that have a pool's volumes mounted, and end them if nothing else helps."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flocker.base.errors import PoolError
from flocker.engine.mount_table import MountTable, users_of

KILL_POLL_SECONDS = 0.02
KILL_SECONDS = 5.0

Look = Callable[[Collection[Path]], dict[Path, list[int]]]
Kill = Callable[[int, int], object]


class PoolMounts:
    """The kernel's view of one node's volumes.

    Args:
        live: where the writable copy of a volume id is, on this node's disk; without symbolic
            links, because to follow one may hang, too.
        clients: the folder in which shared volumes are mounted by their ids, without symbolic
            links. The driver's own mount there is no use of a volume. Nothing looks at such a
            path itself, as that may hang.
    """

    def __init__(self, live: Callable[[str], Path], clients: Path | None = None) -> None:
        self._live = live
        self._clients = clients

    def mounted(self, volume_ids: Collection[str]) -> set[str]:
        """Select the volumes that any process on this node has mounted at this moment."""
        table = MountTable()
        remote = self._remote(volume_ids, table)
        others = set(volume_ids) - set(remote.values())
        local = {self._live(each): each for each in others}
        return {local[path] for path in table.mounted(local.keys())} | {
            remote[path] for path in table.users_of(remote.keys())
        }

    def is_mounted(self, volume_id: str) -> bool:
        """Tell whether any process on this node has the volume mounted at this moment."""
        return bool(self.mounted([volume_id]))

    def kill_users(self, volume_ids: Collection[str]) -> None:
        """End every process that has any of them mounted.

        Raises:
            PoolError: one does not end.
        """
        paths = self._remote(volume_ids, MountTable())
        others = set(volume_ids) - set(paths.values())
        paths |= {self._live(each): each for each in others}
        killed = kill_users(paths.keys(), time.monotonic() + KILL_SECONDS)
        if killed.left:
            raise PoolError(
                "; ".join(
                    f"cannot end {', '.join(left)}, which uses volume {paths[path]}"
                    for path, left in killed.left.items()
                )
            )

    def _remote(self, volume_ids: Collection[str], table: MountTable) -> dict[Path, str]:
        """The mountpoints of the shared volumes that have one now, and the volumes' ids."""
        if self._clients is None:
            return {}
        points = {self._clients / each: each for each in volume_ids}
        return {path: each for path, each in points.items() if table.is_point(path)}


@dataclass(frozen=True)
class Killed:
    """The processes that had volumes mounted, in words, by path.

    Attributes:
        ended: those that are gone.
        left: those that do not end.
    """

    ended: dict[Path, list[str]]
    left: dict[Path, list[str]]


def kill_users(
    paths: Collection[Path],
    until: float,
    clock: Callable[[], float] = time.monotonic,
    look: Look = users_of,
    kill: Kill = os.kill,
) -> Killed:
    """Kill the processes that have any of the volumes mounted, and those that appear meanwhile.

    All are killed after one look, so hundreds of volumes take hardly longer than one.

    Args:
        paths: without symbolic links.
        until: of `clock`, when to give up.
        look: tells who uses the paths, as `flocker.engine.mount_table.users_of`.
    """
    named: dict[Path, dict[int, str]] = {}
    waiting = threading.Event()
    while left := look(paths):
        for path, processes in left.items():
            names = named.setdefault(path, {})
            # All before the first is killed: others may end with it.
            names.update({each: _named(each) for each in processes if each not in names})
        for process in {process for processes in left.values() for process in processes}:
            with suppress(ProcessLookupError):
                kill(process, signal.SIGKILL)
        if clock() > until:
            break
        waiting.wait(KILL_POLL_SECONDS)
    return Killed(
        _words(named, lambda path, process: process not in left.get(path, ())),
        _words(named, lambda path, process: process in left.get(path, ())),
    )


def _words(
    named: dict[Path, dict[int, str]], is_meant: Callable[[Path, int], bool]
) -> dict[Path, list[str]]:
    chosen = {
        path: [name for process, name in names.items() if is_meant(path, process)]
        for path, names in named.items()
    }
    return {path: names for path, names in chosen.items() if names}


def _named(process: int) -> str:
    try:
        return f"process {process} ('{Path(f'/proc/{process}/comm').read_text().strip()}')"
    except OSError:
        return f"process {process}"
