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
    the file system that is mounted at `point`; `tags` say how mounts spread: `shared:7`,
    `master:7`. Source: proc(5), /proc/<pid>/mountinfo.
    """

    device: str
    root: str
    point: str
    tags: list[str]

    def shows(self, device: str, directory: str) -> bool:
        """Whether it is a mount of the directory or of a part of it."""
        return self.device == device and _is_within(self.root, directory)


@dataclass(frozen=True)
class _Namespace:
    mounts: list[_Mount]
    processes: list[int]


class MountTable:
    """What is mounted in all mount namespaces, as it was when this was made."""

    def __init__(self) -> None:
        self._here = _read(PROC / "self")
        self._others = _other_namespaces()

    def processes_with(self, path: Path) -> list[int]:
        """Processes outside this one's mount namespace that see a directory or a part of it.

        A mount that is made here spreads to namespaces that follow this one: systemd gives
        many a service such a copy. Who sees it only for that reason is not among them.

        Args:
            path: absolute, as seen here.

        Returns:
            Process ids, sorted.
        """
        device, directory = self._locate(path)
        spread = {
            (mount.root, tag.replace("shared:", "master:"))
            for mount in self._here
            if mount.shows(device, directory)
            for tag in mount.tags
        }
        return sorted(
            process
            for namespace in self._others
            if any(
                mount.shows(device, directory)
                and spread.isdisjoint((mount.root, tag) for tag in mount.tags)
                for mount in namespace.mounts
            )
            for process in namespace.processes
        )

    def is_mounted(self, path: Path) -> bool:
        """Whether a directory or a part of it is mounted anywhere, also by hand and here."""
        place = self._locate(path)
        return any(mount.shows(*place) for mount in self._here) or bool(self.processes_with(path))

    def _locate(self, path: Path) -> tuple[str, str]:
        """The device a path is on, and the path on that file system."""
        path = path.resolve()
        covering = [mount for mount in self._here if _is_within(str(path), mount.point)]
        # The deepest counts, and of those at one place the last: it hides the others.
        mount = max(reversed(covering), key=lambda mount: len(mount.point))
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
    """Each namespace but this one; its table is read once, however many processes share it."""
    here = (PROC / "self/ns/mnt").stat().st_ino
    found: dict[int, _Namespace] = {}
    for process in (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()):
        for task in _tasks(process):
            try:
                namespace = (task / "ns/mnt").stat().st_ino
                if namespace not in found and namespace != here:
                    found[namespace] = _Namespace(_read(task), [])
            except OSError:
                continue  # it ended meanwhile, which the kernel says in several ways
            if namespace != here:
                found[namespace].processes.append(process)
            break
    return list(found.values())


def _tasks(process: int) -> Iterator[Path]:
    """A process, and for one whose first thread has ended: its other threads."""
    yield PROC / str(process)
    try:
        yield from (PROC / str(process) / "task").iterdir()
    except OSError:
        return


def _read(task: Path) -> list[_Mount]:
    return [_parse(line) for line in (task / "mountinfo").read_bytes().split(b"\n") if line]


def _parse(line: bytes) -> _Mount:
    fields = line.split(b" ")
    tags = fields[6 : fields.index(b"-", 6)]
    return _Mount(
        device=fields[2].decode(),
        root=_unescape(fields[3]),
        point=_unescape(fields[4]),
        tags=[tag.decode() for tag in tags],
    )


def _unescape(name: bytes) -> str:
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda code: bytes([int(code[1], 8)]), name))
