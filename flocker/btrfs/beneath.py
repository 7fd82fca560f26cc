"""Names that are looked up beneath an open folder, and never lead out of it."""

from __future__ import annotations

import os

from flocker.base.errors import StreamRefused

# A stream names the same few folders again and again.
MOST_OPEN = 8
_NO_NAMES = (b"", b".", b"..")


class Beneath:
    """The folders beneath an open one. No symbolic link is followed. Nobody else may change them.

    Args:
        top: its descriptor, which stays the caller's.
    """

    def __init__(self, top: int) -> None:
        self.top = top
        self._open: dict[bytes, int] = {}  # by path; the last one was used last

    def find(self, path: bytes) -> tuple[int, bytes]:
        """The open folder that something is in, and its name there; `.` for the top folder itself.

        The folder stays open while the next few are found.

        Raises:
            StreamRefused: the path might lead out.
            OSError: a folder of it is none.
        """
        if not path:
            return self.top, b"."
        folder, is_inside, name = path.rpartition(b"/")
        if name in _NO_NAMES or (is_inside and not folder):
            raise _refusal(path)
        return (self._enter(folder) if folder else self.top), name

    def forget(self, path: bytes) -> None:
        """Know that something else may have this path from now on."""
        for each in list(self._open):
            if each == path or each.startswith(path + b"/"):
                os.close(self._open.pop(each))

    def close(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    def _enter(self, path: bytes) -> int:
        folder = self._open.pop(path, None)
        if folder is None:
            folder = self._walk(path)
        self._open[path] = folder
        if len(self._open) > MOST_OPEN:
            os.close(self._open.pop(next(iter(self._open))))
        return folder

    def _walk(self, path: bytes) -> int:
        folder = self.top
        for name in path.split(b"/"):
            try:
                if name in _NO_NAMES:
                    raise _refusal(path)
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            finally:
                if folder != self.top:
                    os.close(folder)
            folder = inner
        return folder


def _refusal(path: bytes) -> StreamRefused:
    return StreamRefused(f"the stream has the path {os.fsdecode(path)!r}")
