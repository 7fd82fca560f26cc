"""Files and folders that only root can read, whatever the umask.

All that the driver writes beside the volumes' own content is written here: lists of volumes, their
names and nodes are nobody else's business, and a new file must not depend on how the process was
started.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

FILE_MODE = 0o600
FOLDER_MODE = 0o700
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def write(file: Path, text: str, *, is_flushed: bool = False) -> None:
    """Replace a file as a whole.

    Args:
        is_flushed: the content is on disk before it takes the place of what was there.

    Raises:
        OSError: it could not be written; what was there is still there.
    """
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)  # a crash left it, perhaps with another mode
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)
        if is_flushed:
            opened.flush()
            os.fsync(descriptor)
    fresh.replace(file)


def write_together(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files of their folder's owner, for nobody else to read.

    They appear at nearly the same time: who reads a key between the two, with the certificate of
    another, has to read again. The folder may be another user's, who could put links in the way:
    nothing here follows one.
    """
    owner = folder.stat()
    with ExitStack() as stack:
        written = {}
        for name, content in files.items():
            handle, written[name] = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
            stack.callback(Path(written[name]).unlink, missing_ok=True)
            with os.fdopen(handle, "wb") as opened:
                os.fchown(opened.fileno(), owner.st_uid, owner.st_gid)
                opened.write(content.encode() if isinstance(content, str) else content)
                opened.flush()
                os.fsync(opened.fileno())
        for name, temporary in written.items():
            Path(temporary).rename(folder / name)


def make_folder(path: Path) -> None:
    """Have a folder; one that is there is closed to others, with the files right in it."""
    path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    _close(path)
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):  # replaced meanwhile, by a file that is closed
                    _close(Path(entry.path))


def _close(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & OTHERS:
        path.chmod(mode & ~OTHERS)
