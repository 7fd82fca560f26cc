"""The small files of simulated machines, in memory: `flocker.base.private` writes all of them."""

from __future__ import annotations

from pathlib import Path, PosixPath
from typing import Any, ClassVar

from flocker.base import private


class MemoryPath(PosixPath):
    """A path to a file in memory; it has just what the driver asks of its own files."""

    files: ClassVar[dict[str, str]] = {}  # of the simulation that runs

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:  # noqa: ARG002
        try:
            return self.files[str(self)]
        except KeyError:
            raise FileNotFoundError(str(self)) from None

    def exists(self, **_: Any) -> bool:
        return str(self) in self.files

    def unlink(self, missing_ok: bool = False) -> None:
        if self.files.pop(str(self), None) is None and not missing_ok:
            raise FileNotFoundError(str(self))

    def copy_to(self, target: MemoryPath) -> None:
        """Copy the files below."""
        for name, text in list(self.files.items()):
            if name.startswith(f"{self}/"):
                self.files[f"{target}{name.removeprefix(str(self))}"] = text

    def clear(self) -> None:
        """Delete the files below."""
        for name in [name for name in self.files if name.startswith(f"{self}/")]:
            del self.files[name]


def keep_in_memory() -> None:
    """Have the driver write its files to memory from now on; there are none yet."""
    MemoryPath.files.clear()
    private.write = _write
    private.make_folder = lambda _: None


def _write(file: Path, text: str, *, is_flushed: bool = False) -> None:  # noqa: ARG001
    assert isinstance(file, MemoryPath)
    file.files[str(file)] = text
