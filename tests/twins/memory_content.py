"""Content of volumes of the pool in memory: directories, and tar files of them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

from flocker.base.errors import HoldsMore


def subvolumes(live: Path) -> list[str]:
    return sorted(str(path.relative_to(live)) for path in live.rglob("*.subvolume"))


def frozen(live: Path) -> bytes:
    """The content of a snapshot."""
    return archived(live, lambda member: None if ".subvolume" in member.name else member)


def archived(
    folder: Path, only: Callable[[tarfile.TarInfo], tarfile.TarInfo | None] | None = None
) -> bytes:
    """All that is in a folder, or what `only` gives back."""
    archive_file = io.BytesIO()
    with tarfile.open(fileobj=archive_file, mode="w") as archive:
        archive.add(folder, arcname=".", filter=only)
    return archive_file.getvalue()


def thaw(content: bytes, folder: Path) -> None:
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(folder)  # noqa: S202 - made here; `filter` came with Python 3.11.4


def held_bytes(content: bytes) -> int:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return sum(member.size for member in archive)


def refuse_if_larger(held_bytes: int, size_bytes: int | None) -> None:
    if size_bytes is not None and held_bytes > size_bytes:
        raise HoldsMore(held_bytes, size_bytes)
