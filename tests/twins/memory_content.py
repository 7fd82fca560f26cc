"""The writable copies of a pool in memory, and the content of its snapshots.

They are directories and tar files, unless a pool is made with another kind of `Contents`.
"""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from flocker.base.errors import HoldsMore


class Contents(Protocol):
    """The writable copies, by volume id; the content of one, frozen, is bytes."""

    def path(self, volume_id: str) -> Path:
        """Where a writable copy is, or would be."""

    def is_there(self, volume_id: str) -> bool:
        """Tell whether there is a writable copy."""

    def is_empty(self, volume_id: str) -> bool:
        """Tell whether there is nothing in it, or no copy."""

    def subvolumes(self, volume_id: str) -> list[str]:
        """The subvolumes inside, which no snapshot holds."""

    def make(self, volume_id: str, content: bytes | None) -> None:
        """Have a writable copy; empty without content."""

    def frozen(self, volume_id: str) -> bytes:
        """The content, as a snapshot holds it."""

    def take(self, volume_id: str) -> bytes:
        """Take the writable copy away; the content, with all subvolumes."""

    def held_bytes(self, content: bytes) -> int:
        """How much a content counts against a volume's size."""


class Folders:
    """Real directories below `root`, frozen as tar files."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, volume_id: str) -> Path:
        return self._root / volume_id / "live"

    def is_there(self, volume_id: str) -> bool:
        return self.path(volume_id).is_dir()

    def is_empty(self, volume_id: str) -> bool:
        return not self.is_there(volume_id) or not any(self.path(volume_id).iterdir())

    def subvolumes(self, volume_id: str) -> list[str]:
        live = self.path(volume_id)
        return sorted(str(path.relative_to(live)) for path in live.rglob("*.subvolume"))

    def make(self, volume_id: str, content: bytes | None) -> None:
        if content is None:
            self.path(volume_id).mkdir(parents=True)
        else:
            thaw(content, self.path(volume_id))

    def frozen(self, volume_id: str) -> bytes:
        return _archived(
            self.path(volume_id), lambda member: None if ".subvolume" in member.name else member
        )

    def take(self, volume_id: str) -> bytes:
        content = _archived(self.path(volume_id))
        shutil.rmtree(self.path(volume_id))
        return content

    def held_bytes(self, content: bytes) -> int:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            return sum(member.size for member in archive)


def thaw(content: bytes, folder: Path) -> None:
    """Unpack what Folders froze."""
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(folder)  # noqa: S202 - made here; `filter` came with Python 3.11.4


def _archived(
    folder: Path, only: Callable[[tarfile.TarInfo], tarfile.TarInfo | None] | None = None
) -> bytes:
    """All that is in a folder, or what `only` gives back."""
    archive_file = io.BytesIO()
    with tarfile.open(fileobj=archive_file, mode="w") as archive:
        archive.add(folder, arcname=".", filter=only)
    return archive_file.getvalue()


def refuse_if_larger(held_bytes: int, size_bytes: int | None) -> None:
    if size_bytes is not None and held_bytes > size_bytes:
        raise HoldsMore(held_bytes, size_bytes)
