"""Files that a run leaves: written whole, and removed as they were made."""

import shutil
from collections.abc import Collection
from pathlib import Path

MADE = (
    "build",
    ".venv",
    ".vagrant",
    "report/node_modules",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
)
"""Made in a checkout, from its root; Python's caches and *.egg-info are looked for instead."""


def write_whole(file: Path, text: str) -> None:
    """Replace a file's content; a full disk or a killed process leaves the former one.

    Raises:
        OSError: it could not be written.
    """
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(file)


def remove_made(checkout: Path, keep: Collection[Path]) -> None:
    """Leave a checkout as after a fresh clone.

    Args:
        keep: files that stay, and the folders that they are in.

    Raises:
        OSError: something could not be removed.
    """
    for name in MADE:
        remove(checkout / name, keep)
    for pattern in ("**/__pycache__", "*.egg-info", "box/vagrant*.box"):
        for path in list(checkout.glob(pattern)):
            remove(path, keep)


def remove(path: Path, keep: Collection[Path] = ()) -> None:
    """Remove a file, a link or a folder, if it is there; what a link leads to stays.

    Raises:
        OSError: it could not be removed.
    """
    if path in keep:
        return
    if any(each.is_relative_to(path) for each in keep):
        for inner in path.iterdir():
            remove(inner, keep)
    elif path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
