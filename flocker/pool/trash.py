"""Data put aside in a btrfs pool, until a person wants it back or its retention ends.

    trash/<volume id>-<any>/note        what it is, why and since when (note.py)
    trash/<volume id>-<any>/copy        a subvolume: a writable copy that lost, or
    trash/<volume id>-<any>/volume      the whole folder of a removed volume

The note is made before the content is moved in, in one step: so nothing is ever
here without its note, and an entry without content is none.
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flocker.base import private
from flocker.base.errors import PoolError
from flocker.btrfs import nested, subvolume
from flocker.pool import note
from flocker.pool.protocol import Aside
from flocker.pool.references import unused

log = logging.getLogger(__name__)

_NAME = re.compile(r"(?P<volume_id>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})-(?P<rest>.+)")
_NOTE = "note"


@dataclass(frozen=True)
class Entry:
    """One thing put aside: its note, and the path of its content."""

    aside: Aside
    folder: Path
    content: Path


class Trash:
    """The entries below `root`; safe for several threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        private.make_folder(root)
        # Known by heart: with hundreds of entries, reading their notes takes longer than the rest
        # of a removal.
        self._references = {entry.aside.reference for entry in self._all()}
        self._drop_leftovers()

    def prepare(self, volume_id: str, volume: str, node: str, why: str) -> Entry:
        """A place for something: moving it to `content` is what puts it aside."""
        at = datetime.now(UTC)
        with self._lock:
            reference = unused(f"{volume}@{node}-{at:%Y%m%dT%H%M%SZ}", self._references)
            self._references.add(reference)
            folder = self._root / f"{volume_id}-{uuid.uuid4().hex}"
            folder.mkdir(mode=private.FOLDER_MODE)
            aside = Aside(reference, volume_id, volume, why, at.isoformat(timespec="milliseconds"))
            note.write(folder / _NOTE, json.dumps(aside.to_json()))
        return Entry(aside, folder, folder / ("volume" if why == "removed" else "copy"))

    @contextmanager
    def place(self, volume_id: str, volume: str, node: str, why: str) -> Iterator[Entry]:
        """As `prepare`, for a block that moves something there; if it does not, nothing is left.

        A disk that is full has it tried again every few seconds.
        """
        entry = self.prepare(volume_id, volume, node, why)
        try:
            yield entry
        except Exception:  # whatever the block raised, it goes on to the caller
            with suppress(OSError):  # the next start clears it away
                if not entry.content.is_dir():
                    self.drop(entry)
            raise

    def entries(self, volume_id: str = "") -> list[Entry]:
        """All that is here, or all of one volume, oldest first."""
        there = [entry for entry in self._all(volume_id) if entry.content.is_dir()]
        return sorted(there, key=lambda entry: _time(entry.aside.at))

    def find(self, reference: str) -> Entry:
        """Find the entry that a reference means.

        Raises:
            PoolError: there is no such entry here.
        """
        for entry in self.entries():
            if entry.aside.reference == reference:
                return entry
        raise PoolError(f"no copy {reference} was put aside in this node's pool")

    def removed(self, volume_id: str) -> list[Entry]:
        """The removed folders of one volume, oldest first."""
        return [entry for entry in self.entries(volume_id) if entry.aside.why == "removed"]

    def drop(self, entry: Entry) -> None:
        """Delete an entry for good, with what is in it.

        Raises:
            PoolError: not all of it could be deleted; what is left is still an entry.
        """
        if entry.content.is_dir():
            _delete(entry.content)
        (entry.folder / _NOTE).unlink(missing_ok=True)
        entry.folder.rmdir()
        with self._lock:
            self._references.discard(entry.aside.reference)

    def _drop_leftovers(self) -> None:
        """Delete entries that a crash left without content."""
        for entry in self._all():
            if not entry.content.is_dir():
                try:
                    self.drop(entry)
                except OSError as error:
                    log.warning("%s cannot be cleared away: %s", entry.folder, error)

    def _all(self, volume_id: str = "") -> Iterator[Entry]:
        for folder in sorted(self._root.glob(f"{volume_id}*")):
            if _NAME.fullmatch(folder.name) and (folder / _NOTE).is_symlink():
                yield self._noted(folder)

    def _noted(self, folder: Path) -> Entry:
        copy, volume = folder / "copy", folder / "volume"
        try:
            noted = json.loads(note.read(folder / _NOTE))
            if not _is_time(noted.get("at")):
                noted["at"] = _changed_at(folder)
            aside = Aside.from_json(noted)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            log.warning("the note of %s cannot be read: %s", folder, error)
            aside = _without_note(folder, "removed" if volume.is_dir() else "conflict")
        return Entry(aside, folder, volume if aside.why == "removed" else copy)


def _without_note(folder: Path, why: str) -> Aside:
    """Describe an entry whose note is damaged."""
    name = _NAME.fullmatch(folder.name)
    assert name is not None
    return Aside(
        reference=f"{name['volume_id']}@{os.uname().nodename}-{name['rest']}",
        volume_id=name["volume_id"],
        volume=name["volume_id"],
        why=why,
        at=_changed_at(folder),
    )


def _changed_at(folder: Path) -> str:
    changed = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
    return changed.isoformat(timespec="milliseconds")


def _is_time(text: object) -> bool:
    """Tell whether it names a moment, which takes a zone."""
    try:
        return isinstance(text, str) and _time(text).tzinfo is not None
    except ValueError:
        return False


def _delete(path: Path) -> None:
    """Delete a folder with the subvolumes in it, and those inside of them."""
    if subvolume.exists(path):
        nested.delete(path)
        return
    for child in path.iterdir():
        # A note is a link to a text, which may be longer than any file name: it is not followed.
        if not child.is_symlink() and child.is_dir():
            _delete(child)
        else:
            child.unlink()
    path.rmdir()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
