"""Writable copies in a btrfs pool: made beside the one there is, flushed, then put in its place.

The file system keeps the order of renames. So a crash leaves the one or the other, whole, and what
it left over is cleared away by `finish`.
"""

from __future__ import annotations

import logging
from pathlib import Path

from flocker.base.errors import (
    LostWrites,
)
from flocker.btrfs import nested, subvolume
from flocker.btrfs.writeback import Writeback
from flocker.pool.folders import Folders
from flocker.pool.incoming import Incoming
from flocker.pool.references import Names
from flocker.pool.sizes import Sizes
from flocker.pool.trash import Trash
from flocker.pool.volume_folder import VolumeFolder

log = logging.getLogger(__name__)

EMPTY_MODE = 0o755  # of a new volume, as the engine's own have it: its containers may be anybody


class LiveCopies:
    """The writable copies of one pool; to be called with the volume locked."""

    def __init__(
        self,
        folders: Folders,
        *,
        trash: Trash,
        sizes: Sizes,
        writeback: Writeback,
        incoming: Incoming,
        names: Names,
    ) -> None:
        self._folders = folders
        self._trash = trash
        self._sizes = sizes
        self._writeback = writeback
        self._incoming = incoming
        self._names = names
        # Volume id -> the mark of the writeback up to which its writes are known to be on disk.
        self._flushed: dict[str, int] = {}

    def build(self, folder: VolumeFolder, source: Path | None, size_bytes: int | None) -> None:
        """Make a writable copy beside `live`, with its limit."""
        self.finish(folder)
        if source is None:
            subvolume.create(folder.next)
            folder.next.chmod(EMPTY_MODE)
        else:
            nested.snapshot(source, folder.next)
        self._sizes.limit(folder.next, size_bytes)

    def put_in_place(self, folder: VolumeFolder, why: str) -> None:
        """Make `next` the writable copy, on disk; what it replaces is kept if need be."""
        if not folder.live.is_dir():
            subvolume.sync(self._folders.top)
            folder.next.rename(folder.live)
            subvolume.sync(self._folders.top)
            return
        self.flush(folder.path.name)
        make_ordinary(folder.live)
        subvolume.exchange(folder.next, folder.live)
        subvolume.sync(self._folders.top)
        self._retire(folder, why)

    def _retire(self, folder: VolumeFolder, why: str) -> None:
        """Delete `next`, which was replaced, if a snapshot holds all of it; else put it aside."""
        if folder.holders(folder.next):
            subvolume.delete(folder.next)
        else:
            volume_id = folder.path.name
            volume, node = self._names.of(volume_id), self._names.node
            with self._trash.place(volume_id, volume, node, why) as entry:
                folder.next.rename(entry.content)
            log.warning("what was written to '%s' is kept as %s", volume, entry.aside.reference)

    def finish(self, folder: VolumeFolder) -> None:
        """Clear away what was never finished, and what was replaced but not yet put aside.

        The draft goes, too: it may be of a stream that was not whole, and beside a writable copy it
        would keep the room of all that is deleted from now on.
        """
        for number in folder.arriving():
            if not self._incoming.is_arriving(folder.path.name, number):
                folder.drop_unfinished(number)
        folder.close_snapshots()
        self._incoming.drop_draft(folder)
        if not folder.next.is_dir():
            return
        if not folder.live.is_dir() and subvolume.look(folder.next).is_untouched:
            subvolume.delete(folder.next)  # nobody has ever seen it
        else:
            self._retire(folder, "conflict")

    def flush(self, volume_id: str) -> None:
        """Have on disk what was written to a volume.

        Raises:
            LostWrites: since the last flush the disk refused something; said once, as nothing
                can be done about it here.
        """
        try:
            self._writeback.flush(self._flushed.get(volume_id, 0))
        except LostWrites:
            self._flushed[volume_id] = self._writeback.mark
            raise

    def note_new(self, volume_id: str) -> None:
        """Note that nothing was written to a volume before this moment."""
        self._flushed[volume_id] = self._writeback.mark


def make_ordinary(live: Path) -> None:
    """Undo what somebody has made of a writable copy, so that it can be compared and sent."""
    if subvolume.make_ordinary(live):
        log.warning("%s had been made read-only, fixed or another's double; undone", live)
