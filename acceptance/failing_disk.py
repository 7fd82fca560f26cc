"""A disk that fails on command, for a pool on a file; runs on a node, as root.

    python3 failing_disk.py FOLDER CONTROL

Mounts itself over FOLDER, and passes on all that is done with the files there. What the file
CONTROL says decides about each write, and each flush of what was written:

    late SECONDS                the write is done after so long a time
    refuse                      it fails with an error of the disk (EIO)
    hang                        it is done when CONTROL says something else
    anything else, or no file   it is done at once

It ends when FOLDER is unmounted. Needs python3-fusepy.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path

from fusepy import FUSE, FuseOSError, Operations

LOOK_SECONDS = 0.05


class FailingDisk(Operations):
    """Passes on calls to the files of a folder, whatever is mounted over it since.

    Args:
        folder: an open file of it.
        control: what to do; it may change at any time.
    """

    def __init__(self, folder: int, control: Path) -> None:
        self._below = f"/proc/self/fd/{folder}"
        self._control = control

    def __call__(self, op: str, path: str, *args: object) -> object:
        return super().__call__(op, self._below + path, *args)

    def getattr(self, path: str, fh: int | None = None) -> dict[str, object]:
        found = os.lstat(path)
        return {name: getattr(found, name) for name in dir(found) if name.startswith("st_")}

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *(each.name for each in Path(path).iterdir())]

    def statfs(self, path: str) -> dict[str, object]:
        found = os.statvfs(path)
        return {name: getattr(found, name) for name in dir(found) if name.startswith("f_")}

    def open(self, path: str, flags: int) -> int:
        return os.open(path, flags & ~os.O_DIRECT)  # Python's buffers are not aligned

    def create(self, path: str, mode: int, fi: None = None) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT, mode)

    def unlink(self, path: str) -> None:
        Path(path).unlink()

    def rename(self, old: str, new: str) -> None:
        Path(old).rename(self._below + new)

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        os.truncate(path, length)

    def chmod(self, path: str, mode: int) -> None:
        Path(path).chmod(mode)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self._fail()
        return os.pwrite(fh, data, offset)

    def fsync(self, path: str, datasync: int, fh: int) -> None:
        self._fail()
        os.fdatasync(fh)

    def release(self, path: str, fh: int) -> None:
        os.close(fh)

    def _fail(self) -> None:
        """Do what is commanded."""
        while (command := self._read_command()) == ["hang"]:
            time.sleep(LOOK_SECONDS)  # a disk that hangs: nobody else is to be waited for
        match command:
            case ["late", seconds]:
                time.sleep(float(seconds))  # the slowness is what was asked for
            case ["refuse"]:
                raise FuseOSError(errno.EIO)

    def _read_command(self) -> list[str]:
        try:
            return self._control.read_text().split()
        except FileNotFoundError:
            return []


def main() -> None:
    """Serve the folder until it is unmounted."""
    folder, control = sys.argv[1:]
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    FUSE(
        FailingDisk(opened, Path(control)), folder, foreground=True, nonempty=True, big_writes=True
    )


if __name__ == "__main__":
    main()
