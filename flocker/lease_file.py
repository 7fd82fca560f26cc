"""A file from the daemon to the fence, which must not depend on it: see flocker/fence.py.

Two small files, each replaced as a whole: how long the node's lease is good for,
and which volumes others take over once it is not.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class AutoVolume:
    """A volume with failover=auto that is mounted on this node.

    `path` is where it is: its absolute mountpoint.
    """

    name: str
    id: str
    path: str


@dataclass(frozen=True)
class Lease:
    """The node's lease as last renewed.

    Attributes:
        renewed_at: CLOCK_BOOTTIME in seconds, taken before the renewal was sent: etcd counts
            from later on. Goes on while the machine sleeps, as etcd's clock does.
        lease_seconds: how long it lasts from then.
        auto: the volumes that are mounted here now.
    """

    renewed_at: float
    lease_seconds: float
    auto: tuple[AutoVolume, ...]


class LeaseFile:
    """The two files, in `folder` (/run/flocker)."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._renewed = folder / "lease.json"
        self._auto = folder / "auto.json"
        self._writing = threading.Lock()

    def write_renewed(self, renewed_at: float, lease_seconds: float) -> None:
        """Note a successful renewal; see Lease."""
        self._replace(self._renewed, {"renewed_at": renewed_at, "lease_seconds": lease_seconds})

    def write_auto(self, volumes: Collection[AutoVolume]) -> None:
        """Note which volumes with failover=auto are mounted here.

        To be called before the engine hears that a volume is mounted. One too many does no
        harm: the fence looks which are mounted. The last call counts, so whoever collects the
        volumes in several threads has to let them take turns.
        """
        self._replace(self._auto, [asdict(volume) for volume in volumes])

    def read(self) -> Lease | None:
        """What was written last; None when this node never had a lease since it started.

        Raises:
            ValueError: what is there was not written by this module.
        """
        try:
            renewed = json.loads(self._renewed.read_text())
        except FileNotFoundError:
            return None
        try:
            auto = json.loads(self._auto.read_text())
        except FileNotFoundError:
            auto = []
        try:
            return Lease(**renewed, auto=tuple(AutoVolume(**volume) for volume in auto))
        except TypeError as error:
            raise ValueError(f"{self._renewed.parent} holds no lease: {error}") from error

    def _replace(self, file: Path, content: Any) -> None:
        with self._writing:
            fresh = file.with_suffix(".new")
            fresh.write_text(json.dumps(content))
            fresh.replace(file)
