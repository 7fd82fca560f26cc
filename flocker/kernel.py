"""Which volumes are in use, by the kernel's mount tables: they are right whoever died.

A container sees a volume by a bind mount of its directory, in a mount namespace of
its own. The table of that namespace shows the file system's device and the
directory's path on it, so neither the engine nor any record has to be asked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class _Mount:
    """One line of a mount table.

    `device` is the file system's, not that of a btrfs subvolume; `root` is the directory of
    the file system that is mounted at `point`. Source: proc(5), /proc/<pid>/mountinfo.
    """

    id: str
    parent: str
    device: str
    root: str
    point: str

    def shows(self, device: str, directory: str) -> bool:
        """Whether it is a mount of the directory or of a part of it."""
        return self.device == device and _is_within(self.root, directory)


@dataclass(frozen=True)
class _Namespace:
    mounts: dict[str, _Mount]
    processes: list[int]

    def showing(self, device: str, directory: str) -> set[tuple[str, str, str]]:
        """The mounts of the directory or of a part of it: what is mounted, and where.

        Where is told by the device and directory it hides: paths differ between namespaces.
        """
        found = set()
        for mount in self.mounts.values():
            if mount.shows(device, directory):
                under = self.mounts.get(mount.parent)
                if under is None:  # it is the root of what these processes can see
                    found.add((mount.root, "", ""))
                    continue
                hides = Path(under.root) / Path(mount.point).relative_to(under.point)
                found.add((mount.root, under.device, str(hides)))
        return found


class MountTable:
    """What is mounted in all mount namespaces, as it was when this was made."""

    def __init__(self) -> None:
        self._here = _Namespace(_read(PROC / "self"), [])
        self._others = _other_namespaces()

    def processes_with(self, path: Path) -> list[int]:
        """Processes outside this one's mount namespace that see a directory or a part of it.

        A mount that is made here also shows in namespaces that follow this one or began as
        its copy: systemd gives many a service such a one. Who sees it only for that reason is
        not among them.

        Args:
            path: absolute, as seen here.

        Returns:
            Process ids, sorted.
        """
        place = self._locate(path)
        here = self._here.showing(*place)
        return sorted(
            process
            for namespace in self._others
            if namespace.showing(*place) - here
            for process in namespace.processes
        )

    def is_mounted(self, path: Path) -> bool:
        """Whether a directory or a part of it is mounted anywhere, also by hand and here."""
        return bool(self._here.showing(*self._locate(path)) or self.processes_with(path))

    def _locate(self, path: Path) -> tuple[str, str]:
        """The device a path is on, and the path on that file system."""
        path = path.resolve()
        mounts = reversed(self._here.mounts.values())
        covering = [mount for mount in mounts if _is_within(str(path), mount.point)]
        # The deepest counts, and of those at one place the last: it hides the others.
        mount = max(covering, key=lambda mount: len(mount.point))
        return mount.device, str(Path(mount.root) / path.relative_to(mount.point))


def processes_with(path: Path) -> list[int]:
    """As MountTable.processes_with, at this moment."""
    return MountTable().processes_with(path)


def is_mounted(path: Path) -> bool:
    """As MountTable.is_mounted, at this moment."""
    return MountTable().is_mounted(path)


def _is_within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _other_namespaces() -> list[_Namespace]:
    """What processes of other namespaces see, each such table once, however many share it.

    The kernel leaves out of a process's table what is not below its root: one that has called
    chroot may see less than others of its namespace.
    """
    here = (PROC / "self/ns/mnt").readlink()
    found: dict[tuple[Path, Path], _Namespace] = {}
    for process in (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()):
        for task in _tasks(process):
            try:
                namespace, root = (task / "ns/mnt").readlink(), (task / "root").readlink()
                if namespace != here and (namespace, root) not in found:
                    found[namespace, root] = _Namespace(_read(task), [])
            except OSError:
                continue  # it ended meanwhile, which the kernel says in several ways
            if namespace != here:
                found[namespace, root].processes.append(process)
            break
    return list(found.values())


def _tasks(process: int) -> Iterator[Path]:
    """A process, and for one whose first thread has ended: its other threads."""
    yield PROC / str(process)
    try:
        yield from (PROC / str(process) / "task").iterdir()
    except OSError:
        return


def _read(task: Path) -> dict[str, _Mount]:
    """The mounts in one mount table, by id, in the order they were made."""
    lines = (task / "mountinfo").read_bytes().split(b"\n")[:-1]
    return {mount.id: mount for mount in map(_parse, lines)}


def _parse(line: bytes) -> _Mount:
    id_, parent, device, root, point = line.split(b" ", 5)[:5]
    return _Mount(id_.decode(), parent.decode(), device.decode(), _unescape(root), _unescape(point))


def _unescape(name: bytes) -> str:
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda code: bytes([int(code[1], 8)]), name))
