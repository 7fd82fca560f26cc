"""The parts that all subjects of a shared pool work with."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flocker.base import private
from flocker.base.errors import HoldsMore, PoolError, StillWanted
from flocker.base.records import Claim
from flocker.base.volume_id import check_id
from flocker.ceph import folders
from flocker.ceph.folders import failure
from flocker.pool.references import Names
from flocker.pool.shared_folder import SharedFolder
from flocker.pool.shared_sessions import Sessions
from flocker.pool.shared_trash import SharedTrash, delete

EMPTY_MODE = 0o755  # of a new volume, as the engine's own have it: its containers may be anybody
TRASH = ".trash"


class SharedParts:
    """The folders, the trash and the sessions of one pool; shared_pool.py makes the pool of it."""

    def __init__(
        self,
        root: Callable[[], Path],
        sessions: Sessions,
        is_mounted: Callable[[str], bool] = lambda _: False,
        names: Names | None = None,
    ) -> None:
        self._root = root
        self._names = names or Names()
        self._sessions = sessions
        self._is_mounted = is_mounted
        self._trash = SharedTrash(lambda: root() / TRASH)
        self._locks: dict[str, threading.RLock] = {}

    @property
    def root(self) -> Path:
        """The folder that all volumes are in, as the node has it mounted."""
        return self._root()

    def _folder(self, volume_id: str) -> SharedFolder:
        # Ids come from etcd and from peers; only a UUID may become part of a path.
        return SharedFolder(self.root / check_id(volume_id))

    @contextmanager
    def _locked(self, volume_id: str) -> Iterator[SharedFolder]:
        """One at a time changes what is here of a volume."""
        folder = self._folder(volume_id)
        with self._locks.setdefault(volume_id, threading.RLock()):
            folder.finish()
            yield folder

    def _make(self, claim: Claim, source: Path | None, size_bytes: int | None) -> None:
        """A volume that is new to this pool, empty or as `source`; nothing is left of a failure."""
        with self._locked(claim.volume_id) as folder:
            if folder.epoch() is not None:
                raise PoolError(f"volume {claim.volume_id} is here already")
            try:
                folder.path.mkdir(mode=private.FOLDER_MODE, exist_ok=True)
                self._build(folder, source, size_bytes)
                folder.next.rename(folder.live(claim.epoch))
            except OSError as error:
                delete(folder.path)
                raise failure(f"volume {claim.volume_id} could not be made", error) from error
            except BaseException:
                delete(folder.path)
                raise

    def _build(self, folder: SharedFolder, source: Path | None, size_bytes: int | None) -> None:
        """Have `next` with a content, all of it in the storage, and with its limit."""
        delete(folder.next)
        if source is None:
            folder.next.mkdir()
            folder.next.chmod(EMPTY_MODE)
        else:
            refuse_if_larger(content_bytes(source), size_bytes)
            copy(source, folder.next)
        folders.limit(folder.next, size_bytes)

    def _refuse_if_wanted(self, folder: SharedFolder, epoch: int | None) -> None:
        """Take nothing away that is mounted here, or at a later epoch than the caller knows."""
        volume_id = folder.path.name
        stored = folder.epoch()
        if epoch is not None and stored is not None and stored > epoch:
            raise StillWanted(
                f"volume {volume_id} is at epoch {stored} in the shared pool, later than {epoch}: "
                "nothing of it is taken away"
            )
        if self._is_mounted(volume_id):
            raise StillWanted(
                f"processes have volume {volume_id} mounted, which "
                f"`grep -l {volume_id} /proc/[0-9]*/mountinfo` lists: nothing of it is taken away"
            )


def copy(source: Path, target: Path) -> None:
    """Copy a folder through this node, with owners, links and times; it is in the storage then.

    Raises:
        PoolError: not all could be copied; some of it is at `target`.
    """
    done = subprocess.run(
        ["cp", "--archive", str(source), str(target)], check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise PoolError(f"{source} could not be copied: {done.stderr.strip()}")
    try:
        for each in (target, *target.rglob("*")):
            _flush(each)
    except OSError as error:
        raise failure(f"{target} could not be flushed", error) from error


def _flush(path: Path) -> None:
    """Have one file or folder in the storage: ceph-fuse does nothing when asked for all."""
    if path.is_symlink() or not (path.is_file() or path.is_dir()):
        return
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def content_bytes(folder: Path) -> int:
    """The bytes of all files below a folder: of a snapshot Ceph only tells what is there now."""
    return sum(each.lstat().st_size for each in folder.rglob("*") if not each.is_dir())


def refuse_if_larger(held_bytes: int, size_bytes: int | None) -> None:
    """Refuse a size that is less than what is held.

    Raises:
        HoldsMore: it holds more.
    """
    if size_bytes is not None and held_bytes > size_bytes:
        raise HoldsMore(held_bytes, size_bytes)
