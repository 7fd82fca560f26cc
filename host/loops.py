"""Loop devices: they belong to the whole machine, so a node's may outlive the node."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from host.commands import attempt
from host.nodes import Container

DELETED = " (deleted)"


@dataclass(frozen=True)
class Loop:
    """A loop device and the file behind it.

    The path is one on the node that attached it, and the kernel prints another once that node
    is gone. Device and inode number mean the same everywhere on this machine: they tell which
    file it really is.
    """

    device: str
    path: str = field(compare=False)
    file_device: str  # "major:minor"
    file_inode: int


def attached() -> tuple[Loop, ...]:
    """Every loop device of this machine that has a file."""
    columns = "NAME,BACK-FILE,BACK-MAJ:MIN,BACK-INO"
    return read(attempt("losetup", "--list", "--json", "--output", columns) or "")


def read(listed: str) -> tuple[Loop, ...]:
    """Loop devices in what `losetup --list --json` printed; it prints nothing for none."""
    entries = json.loads(listed)["loopdevices"] if listed else ()
    return tuple(
        Loop(
            device=entry["name"],
            path=(entry["back-file"] or "").removesuffix(DELETED),
            file_device=entry["back-maj:min"].strip(),
            file_inode=int(entry["back-ino"]),
        )
        for entry in entries
    )


def of(containers: tuple[Container, ...], loops: tuple[Loop, ...]) -> tuple[Loop, ...]:
    """The loop devices whose file lies in one of these containers."""
    return tuple(
        loop
        for loop in loops
        if any(_is_same(loop, file) for file in _candidates(containers, loop.path))
    )


def detach(loops: tuple[Loop, ...]) -> None:
    """Detach what is still attached to the same file; a node that ended may have done it."""
    for loop in set(attached()).intersection(loops):
        attempt("losetup", "--detach", loop.device)


def _candidates(containers: tuple[Container, ...], path: str) -> Iterator[Path]:
    for container in containers:
        if container.pid:
            yield Path(f"/proc/{container.pid}/root{path}")
        for folder in container.folders:
            # Of a stopped node's file the kernel prints the path inside the volume.
            yield Path(f"{folder}{path}")


def _is_same(loop: Loop, file: Path) -> bool:
    with suppress(OSError):
        found = file.stat()
        device = f"{os.major(found.st_dev)}:{os.minor(found.st_dev)}"
        return (loop.file_device, loop.file_inode) == (device, found.st_ino)
    return False
