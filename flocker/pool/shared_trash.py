"""Data of a shared pool that was put aside, until a person wants it back or its retention ends.

    <any>/note      what it is, why and since when
    <any>/copy      what was replaced, or
    <any>/volume    the whole folder of a removed volume

The note is written before the content is moved in, in one step; an entry without content is none.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flocker.base import private
from flocker.base.errors import PoolError
from flocker.ceph import folders
from flocker.ceph.folders import failure
from flocker.pool.protocol import Aside
from flocker.pool.references import unused


@dataclass(frozen=True)
class Entry:
    """One thing put aside: its note, and the folder that has its content."""

    aside: Aside
    folder: Path

    @property
    def content(self) -> Path:
        return self.folder / ("volume" if self.aside.why == "removed" else "copy")


class SharedTrash:
    """The entries below a folder that every node sees."""

    def __init__(self, root: Callable[[], Path]) -> None:
        self._root = root

    @contextmanager
    def place(self, volume_id: str, volume: str, node: str, why: str) -> Iterator[Entry]:
        """A place for something: moving it to `content` in the block is what puts it aside.

        If the block fails to, nothing is left of the place. It is tried again every few seconds.

        Raises:
            PoolError: it could not be made.
        """
        entry = self._prepare(volume_id, volume, node, why)
        try:
            yield entry
        except Exception:  # whatever the block raised, it goes on to the caller
            with suppress(PoolError, OSError):  # a node that Ceph has stopped cannot even look
                if not entry.content.is_dir():
                    self.drop(entry)
            raise

    def _prepare(self, volume_id: str, volume: str, node: str, why: str) -> Entry:
        at = datetime.now(UTC)
        taken = {each.aside.reference for each in self.entries()}
        reference = unused(f"{volume}@{node}-{at:%Y%m%dT%H%M%SZ}", taken)
        aside = Aside(reference, volume_id, volume, why, at.isoformat(timespec="milliseconds"))
        root = self._root()
        folder = root / uuid.uuid4().hex
        try:
            private.make_folder(root)
            folder.mkdir(mode=private.FOLDER_MODE)
            private.write(folder / "note", json.dumps(aside.to_json()), is_flushed=True)
        except OSError as error:
            raise failure("nothing could be put aside", error) from error
        return Entry(aside, folder)

    def entries(self) -> list[Entry]:
        """All that is here, oldest first.

        Raises:
            PoolError: the trash cannot be read.
        """
        found = []
        try:
            for folder in self._folders():
                try:
                    aside = Aside.from_json(json.loads((folder / "note").read_text()))
                except (FileNotFoundError, ValueError):
                    continue  # another node is just making or deleting it
                if (entry := Entry(aside, folder)).content.is_dir():
                    found.append(entry)
        except OSError as error:
            raise failure("the trash of the shared pool cannot be read", error) from error
        return sorted(found, key=lambda each: each.aside.at)

    def _folders(self) -> list[Path]:
        try:
            return list(self._root().iterdir())
        except FileNotFoundError:  # nothing was put aside yet
            return []

    def find(self, reference: str) -> Entry:
        """Find the entry that a reference means.

        Raises:
            PoolError: there is no such entry.
        """
        for entry in self.entries():
            if entry.aside.reference == reference:
                return entry
        raise PoolError(f"no copy {reference} was put aside in the shared pool")

    def removed(self, volume_id: str) -> list[Entry]:
        """The removed folders of one volume, oldest first."""
        return [
            each
            for each in self.entries()
            if (each.aside.volume_id, each.aside.why) == (volume_id, "removed")
        ]

    def drop(self, entry: Entry) -> None:
        """Delete an entry for good.

        Raises:
            PoolError: not all of it could be deleted; what is left is still an entry.
        """
        delete(entry.content)
        try:
            (entry.folder / "note").unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                entry.folder.rmdir()
        except OSError as error:
            raise failure(f"{entry.aside.reference} could not be deleted", error) from error


def delete(folder: Path) -> None:
    """Delete a folder with its snapshots, without which it would not go. Safe to repeat.

    Several nodes may do that at once: what the retention is over for is purged by all of them.

    Raises:
        PoolError: not all of it could be deleted.
    """
    if not folder.is_dir():
        return
    for name in folders.snapshots(folder):
        _delete_snapshot(folder, name)
    try:
        shutil.rmtree(folder, onerror=_unless_gone)
    except OSError as error:
        raise failure(f"{folder} could not be deleted", error) from error


def _delete_snapshot(folder: Path, name: str) -> None:
    try:
        folders.delete_snapshot(folder, name)
    except PoolError:
        if name in folders.snapshots(folder):
            raise


def _unless_gone(
    _: object, __: str, why: tuple[type[BaseException], BaseException, object]
) -> None:
    if not isinstance(why[1], FileNotFoundError):
        raise why[1]
