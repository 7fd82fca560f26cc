"""A pool kept in one btrfs file system.

    volumes/<id>/   one volume: see volume_folder.py
    trash/          what was removed or put aside: see trash.py
    reserve/        room for that when the pool is full: see reserve.py
    written         the small write by which health.py tells whether the disk still takes any

Other parts of the node keep files beside these: catalog.json is of consensus/mirror.py,
observed.json of node/observed.py, verified.json of care/verification.py.

A received snapshot is never made writable: that would drop the identity which
increments are matched by (kdave/btrfs-progs#419). `live` is a snapshot of it.

A replacement is made beside the original, flushed, and then renamed;
the file system keeps the order of renames. So a crash leaves the one or the
other, whole, and what it left over is cleared away when the pool is opened.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from flocker.base.errors import PoolError
from flocker.base.records import now
from flocker.btrfs import subvolume
from flocker.btrfs.backing import free_outside
from flocker.btrfs.space import metadata
from flocker.pool.btrfs_asides import BtrfsAsides
from flocker.pool.btrfs_handover import BtrfsHandover
from flocker.pool.btrfs_shipping import BtrfsShipping
from flocker.pool.btrfs_snapshots import BtrfsSnapshots
from flocker.pool.btrfs_volumes import BtrfsVolumes
from flocker.pool.protocol import Usage
from flocker.pool.references import Names

log = logging.getLogger(__name__)


class BtrfsPool(BtrfsVolumes, BtrfsSnapshots, BtrfsShipping, BtrfsHandover, BtrfsAsides):
    """The pool below `root`, which must be a directory on a mounted btrfs.

    Safe for several threads. Each volume has a lock, which is never held while a
    stream is sent or received.

    Args:
        is_mounted: tells whether any process has the writable copy of a volume id mounted.
        names: of what the pool puts aside.
    """

    def __init__(
        self,
        root: Path,
        is_mounted: Callable[[str], bool] = lambda _: False,
        names: Names | None = None,
    ) -> None:
        super().__init__(root, is_mounted, names)
        self._recover()

    def usage(self) -> Usage:
        usage = shutil.disk_usage(self._folders.top)
        room = metadata(self._folders.top)
        outside = free_outside(self.root, usage.used)
        free = usage.free if outside is None else min(usage.free, outside)
        return Usage(usage.used, usage.total, free, room.used_bytes, room.free_bytes)

    def await_deletions(self, seconds: float) -> None:
        subvolume.await_deletions(self.root, seconds)

    def make_reserve(self) -> None:
        self.reserve.make()

    def check_writable(self) -> None:
        descriptor = os.open(self.root / "written", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, now().encode(), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def trouble(self) -> str | None:
        loss = self._writeback.last_loss
        if loss is None:
            return None
        return (
            f"at {loss.at} the disk below the pool refused writes ({loss.reason}): files written "
            "then may be incomplete; it is forgotten when the daemon starts again"
        )

    def _recover(self) -> None:
        """Clear away what a crash left."""
        for folder in self._folders.all():
            try:
                self._live.finish(folder)
                folder.close()
            except (PoolError, OSError) as error:  # must not keep the other volumes away
                log.warning("volume %s: %s", folder.path.name, error)
