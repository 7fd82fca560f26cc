"""Files between the daemon and the fence, which must not depend on it: see flocker/fence/fence.py.

Three small files, each replaced as a whole. The daemon says how long the node's lease is good for,
and which volumes others take over once it is not; the fence says that it looks. During an upgrade
one of them may be newer: fields that the other does not know are passed over.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from flocker.base import private

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Made = TypeVar("Made", bound="DataclassInstance")


def boottime() -> float:
    """Seconds since the machine started, those it slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True)
class AutoVolume:
    """A volume with failover=auto that may be mounted on this node.

    `path` is where it is: its absolute mountpoint, without symbolic links.
    """

    name: str
    id: str
    path: str


@dataclass(frozen=True)
class AutoList:
    """The volumes to be stopped when the lease is about to end.

    Later lists have higher versions.
    """

    version: int
    volumes: tuple[AutoVolume, ...]


@dataclass(frozen=True)
class Lease:
    """The node's lease as last renewed.

    Attributes:
        renewed_at: CLOCK_BOOTTIME in seconds, taken before the renewal was sent: etcd counts
            from later on. Goes on while the machine sleeps, as etcd's clock does.
        lease_seconds: how long it lasts from then.
    """

    renewed_at: float
    lease_seconds: float


@dataclass(frozen=True)
class Heartbeat:
    """The fence's last look.

    Attributes:
        looked_at: CLOCK_BOOTTIME in seconds.
        version: of the list that it has read; 0 for none.
    """

    looked_at: float
    version: int


NO_LIST = AutoList(0, ())


class LeaseFile:
    """The three files, in `folder` (/run/flocker): the lease, the list, the fence's last look."""

    def __init__(self, folder: Path) -> None:
        private.make_folder(folder)
        self._renewed = folder / "lease.json"
        self._auto = folder / "auto.json"
        self._heartbeat = folder / "fence.json"
        self._writing = threading.Lock()

    def write_renewed(self, renewed_at: float, lease_seconds: float) -> None:
        """Note a successful renewal; see Lease."""
        self._replace(self._renewed, {"renewed_at": renewed_at, "lease_seconds": lease_seconds})

    def write_auto(self, volumes: Collection[AutoVolume]) -> int:
        """Note which volumes with failover=auto may be mounted here; return the list's version.

        One too many does no harm: the fence looks which are mounted. The last call counts, so
        whoever collects the volumes in several threads has to let them take turns.
        """
        # Grows for as long as the file lasts, whoever writes it.
        version = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        listed = {"version": version, "volumes": [vars(volume) for volume in volumes]}
        self._replace(self._auto, listed)
        return version

    def write_heartbeat(self, heartbeat: Heartbeat) -> None:
        """Note a look of the fence."""
        self._replace(self._heartbeat, vars(heartbeat))

    def read_lease(self) -> Lease | None:
        """The lease; None when this node never had one since it started.

        Raises:
            ValueError: what is there was not written by this module.
        """
        return _read(self._renewed, _lease)

    def read_auto(self) -> AutoList:
        """The list of volumes.

        Raises:
            ValueError: what is there was not written by this module.
        """
        return _read(self._auto, _auto_list) or NO_LIST

    def read_heartbeat(self) -> Heartbeat | None:
        """The fence's last look; None if there was none since the node started.

        Raises:
            ValueError: what is there was not written by this module.
        """
        return _read(self._heartbeat, _last_look)

    def _replace(self, file: Path, content: Any) -> None:
        with self._writing:
            private.write(file, json.dumps(content))


def _read(file: Path, parse: Callable[[str], Made]) -> Made | None:
    """Read the file; None if there is no such file.

    Raises:
        ValueError: it holds something else.
    """
    try:
        text = file.read_text()
    except FileNotFoundError:
        return None
    return parse(text)


# The fence reads lease and list twice a second, and they seldom say anything new.
@lru_cache(maxsize=32)
def _lease(text: str) -> Lease:
    return _made(Lease, json.loads(text))


@lru_cache(maxsize=32)
def _auto_list(text: str) -> AutoList:
    listed = _made(AutoList, json.loads(text))
    if not isinstance(listed.volumes, list):
        raise ValueError("no list of volumes")
    return AutoList(listed.version, tuple(_made(AutoVolume, each) for each in listed.volumes))


def _last_look(text: str) -> Heartbeat:
    return _made(Heartbeat, json.loads(text))


def _made(kind: type[Made], content: Any) -> Made:
    names = [each.name for each in fields(kind)]
    try:
        return kind(**{name: content[name] for name in names if name in content})
    except TypeError as error:
        raise ValueError(f"no {kind.__name__}: {error}") from error
