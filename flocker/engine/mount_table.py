"""The volumes in use, by the kernel's mount tables: they stay right whatever process has died.

A container sees a volume by a bind mount of its directory, in a mount namespace of
its own. The table of that namespace shows the file system's device and the
directory's path on it, so neither the engine nor any record has to be asked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
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


_Place = tuple[str, str]  # a device, and a directory of its file system
_Showing = dict[_Place, set[tuple[str, str, str]]]


class _Namespace:
    """One mount table, and the processes that see it.

    Few of hundreds of lines are of a pool, so only those are parsed: on a busy node a look must
    not take long.
    """

    def __init__(self, table: bytes) -> None:
        self._lines = {line.partition(b" ")[0]: line for line in table.split(b"\n")[:-1]}
        self.processes: list[int] = []

    def mounts(self) -> Iterator[_Mount]:
        """All of them, in the order they were made."""
        return map(_parse, self._lines.values())

    def showing(self, places: Collection[_Place]) -> _Showing:
        """The mounts of each place or of a part of it: what is mounted, and where.

        Where is told by the device and directory it hides: paths differ between namespaces.
        """
        found: _Showing = {}
        devices = [f" {device} ".encode() for device in {device for device, _ in places}]
        for line in self._lines.values():
            if any(device in line for device in devices):
                mount = _parse(line)
                for directory in _upwards(mount.root):
                    if (mount.device, directory) in places:
                        shown = found.setdefault((mount.device, directory), set())
                        shown.add((mount.root, *self._hidden_by(mount)))
        return found

    def _hidden_by(self, mount: _Mount) -> _Place:
        line = self._lines.get(mount.parent.encode())
        if line is None:  # it is the root of what these processes can see
            return "", ""
        under = _parse(line)
        return under.device, str(Path(under.root) / Path(mount.point).relative_to(under.point))


class MountTable:
    """The mounts of all mount namespaces at the time this object was made."""

    def __init__(self) -> None:
        self._here = _Namespace(_read(PROC / "self"))
        self._others = _other_namespaces()
        # Of those at one place the last counts: it hides the others.
        self._by_point = {mount.point: mount for mount in self._here.mounts()}

    def users_of(self, paths: Collection[Path]) -> dict[Path, list[int]]:
        """Processes outside this one's mount namespace that see a directory or a part of it.

        A mount that is made here also shows in namespaces that follow this one or began as
        its copy: systemd gives many a service such a one. Who sees it only for that reason is
        not among them. The disks of the paths are not touched, so none of them can be in the way.

        Args:
            paths: absolute, as seen here, without symbolic links.

        Returns:
            Sorted process ids, for those paths that have any.
        """
        places = {self._locate(path): path for path in paths}
        here = self._here.showing(places)
        found: dict[Path, list[int]] = {}
        for namespace in self._others:
            for place, shown in namespace.showing(places).items():
                if shown - here.get(place, set()):
                    found.setdefault(places[place], []).extend(namespace.processes)
        return {path: sorted(processes) for path, processes in found.items()}

    def mounted(self, paths: Collection[Path]) -> set[Path]:
        """Those that are mounted anywhere, whole or in part, also by hand and here."""
        places = {self._locate(path): path for path in paths}
        by_hand = {places[place] for place in self._here.showing(places)}
        return by_hand | self.users_of(paths).keys()

    def is_point(self, path: Path) -> bool:
        """Tell whether something is mounted here at that very path, which is not looked at."""
        return str(path) in self._by_point

    def _locate(self, path: Path) -> _Place:
        """The device a path is on, and the path on that file system."""
        for point in _upwards(str(path)):
            if mount := self._by_point.get(point):
                return mount.device, str(Path(mount.root) / path.relative_to(point))
        raise ValueError(f"{path} is not absolute")


def users_of(paths: Collection[Path]) -> dict[Path, list[int]]:
    """As MountTable.users_of, at this moment."""
    return MountTable().users_of(paths)


def _upwards(path: str) -> Iterator[str]:
    """An absolute path, its parent, and so on."""
    while path != "/":
        yield path
        path = path.rpartition("/")[0] or "/"
    yield path


def _other_namespaces() -> list[_Namespace]:
    """The mount tables of other namespaces, each once, however many processes share it.

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
                    found[namespace, root] = _Namespace(_read(task))
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


def _read(task: Path) -> bytes:
    return (task / "mountinfo").read_bytes()


def _parse(line: bytes) -> _Mount:
    id_, parent, device, root, point = line.split(b" ", 5)[:5]
    return _Mount(id_.decode(), parent.decode(), device.decode(), _unescape(root), _unescape(point))


def _unescape(name: bytes) -> str:
    if b"\\" not in name:
        return os.fsdecode(name)
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda code: bytes([int(code[1], 8)]), name))
