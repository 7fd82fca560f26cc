"""A folder of this process in a directory that several runs share.

A process that is killed removes nothing. So each locks its folder, and whoever comes next removes
those that nobody has locked any more. A lock also shows across namespaces of process ids.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

PREFIX = "flocker-unit-"


@contextmanager
def own_folder(shared: Path) -> Iterator[Path]:
    """Have a folder in `shared` for the block; those that killed processes left are removed."""
    with ExitStack() as cleanup:
        with _locked(shared):  # or another process takes the folder for a left one, not locked yet
            for left in shared.glob(f"{PREFIX}*"):
                with suppress(OSError), _locked(left, fcntl.LOCK_NB):
                    shutil.rmtree(left)
            folder = TemporaryDirectory(prefix=PREFIX, dir=shared, ignore_cleanup_errors=True)
            path = Path(cleanup.enter_context(folder))
            cleanup.enter_context(_locked(path))
        yield path


@contextmanager
def _locked(folder: Path, how: int = 0) -> Iterator[None]:
    """Hold a folder's lock, which ends with the process.

    Raises:
        OSError: another process holds it, and `how` says not to wait.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | how)
        yield
    finally:
        os.close(descriptor)
