"""The kernel's view of one directory at this moment: is it mounted, and in which processes."""

from __future__ import annotations

from pathlib import Path

from flocker.engine.mount_table import MountTable, users_of


def processes_with(path: Path) -> list[int]:
    """As users_of, for one directory, which may have symbolic links in its path."""
    resolved = path.resolve()
    return users_of([resolved]).get(resolved, [])


def is_mounted(path: Path) -> bool:
    """As MountTable.mounted, for one directory, which may have symbolic links in its path."""
    return bool(MountTable().mounted([path.resolve()]))
