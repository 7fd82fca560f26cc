"""Two nodes' clients of one folder, as they follow each other from epoch to epoch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import TracebackType

from flocker.ceph.monitors import Monitors
from flocker.ceph.mount import Mounted, Ticket
from tests.contract.flocker.ceph.small_ceph import FILESYSTEM, SmallCeph

# Told "write TEXT" or "flush" line by line, it answers 0 or the errno.
WRITER = """
import os, sys
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for line in sys.stdin:
    asked, _, text = line.partition(" ")
    try:
        os.write(file, text.encode()) if asked == "write" else os.fsync(file)
        print(0, flush=True)
    except OSError as error:
        print(error.errno, flush=True)
"""


def identity(volume: Path, epoch: int) -> str:
    return f"client.flocker.{volume.name}.{epoch}"


def ticket(ceph: SmallCeph, monitors: Monitors, volume: Path, epoch: int) -> Ticket:
    """The right to a volume at an epoch; the folder of that epoch is there already."""
    folder = f"/{volume.name}/live.{epoch}"
    name = identity(volume, epoch)
    key = monitors.authorize(FILESYSTEM, name, folder)
    return Ticket(ceph.conf, FILESYSTEM, folder, name, key)


class Writer:
    """A container's process: it appends to one file of a mount.

    It is no thread of the tests' process: whatever that starts closes its files, and to close a
    file waits for the mount's client, which a test may have stopped.
    """

    def __init__(self, mountpoint: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(mountpoint / "lines")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """End the process. Safe to repeat."""
        self._process.kill()
        self._process.wait()

    def write(self, text: str) -> int:
        """Write a line, which the client may keep for a while; return 0 or the errno."""
        return self._ask(f"write {text}")

    def flush(self) -> int:
        """Have the storage take what was written; return 0 or the errno."""
        return self._ask("flush")

    def _ask(self, what: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def lines(mounted: Mounted) -> list[str]:
    return (mounted.mountpoint / "lines").read_text().splitlines()
