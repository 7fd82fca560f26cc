"""Hashes what something is made from: the same hash means there is nothing to build."""

from __future__ import annotations

import hashlib
from pathlib import Path

_IGNORED = ("__pycache__", "README.md")  # neither changes what is made
_MADE = ".box"  # lies in box/, beside what it was made from


def files_below(directory: Path) -> list[Path]:
    """Files that count as input, sorted by path."""
    return sorted(
        path
        for path in directory.rglob("*")
        if path.is_file()
        and path.suffix != _MADE
        and not any(part in _IGNORED for part in path.parts)
    )


def hash_of(root: Path, *directories: str, without: str | None = None) -> str:
    """Hash of the names, modes and contents of all input files in `directories` below `root`.

    Args:
        without: a directory below one of these, whose files do not count.
    """
    digest = hashlib.sha256()
    for directory in directories:
        for path in files_below(root / directory):
            if without is not None and path.is_relative_to(root / without):
                continue
            content = path.read_bytes()
            executable = bool(path.stat().st_mode & 0o100)
            digest.update(f"{path.relative_to(root)}\0{executable}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()
