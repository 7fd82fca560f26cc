"""A small increment made into a snapshot by system calls, as `btrfs receive` makes it.

Starting that program for each volume and second cost more than all else that a replica takes
(decision 32). It remains what receives whole snapshots, large increments and everything that
`send_stream` does not know.

Nothing outside the snapshot can be reached, whatever the stream says: each name is looked up in
its folder, and a symbolic link is never followed. Nobody else changes the snapshot meanwhile.

Source: btrfs-progs, cmds/receive.c.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from flocker import holes, subvolume
from flocker.errors import PoolError, StreamRefused, TransferFailed
from flocker.send_stream import Attribute, Command, Increment, Kind

_CAPABILITY = b"security.capability"
# Access lists, and `btrfs.compression`.
_INHERITED = ("system.posix_acl_", "btrfs.")
_SET_ID = stat.S_ISUID | stat.S_ISGID
# The node refuses these now, and may not later. Everything else it would refuse again.
_PASSING = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EIO,
    errno.ENOMEM,
    errno.EMFILE,
    errno.ENFILE,
}


def apply(increment: Increment, path: Path, base: Path | None) -> None:
    """Make the read-only snapshot `path` of `base`, which must be the increment's parent.

    Raises:
        StreamRefused: it cannot be applied to that parent.
        TransferFailed: it is another snapshot, or the disk does not take it; what came of it is
            left for the caller to delete.
    """
    assert base is not None
    if increment.name != os.fsencode(path.name):
        raise TransferFailed(f"the stream held no snapshot {path.name}")
    try:
        subvolume.snapshot(base, path)
        with _Target(path) as target:
            for command in increment.changes:
                target.change(command)
            target.set_top_time(base.stat().st_mtime_ns)
        subvolume.set_received(path, increment.uuid, increment.transaction)
        subvolume.set_readonly(path, is_readonly=True)
    except PoolError as error:
        raise TransferFailed(f"an increment could not be applied: {error}") from error
    except OSError as error:
        kind = TransferFailed if error.errno in _PASSING else StreamRefused
        raise kind(f"an increment could not be applied: {error}") from error


class _Target:
    """A snapshot that is being changed."""

    def __init__(self, path: Path) -> None:
        self._top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        self._writing: tuple[bytes, int] | None = None  # a path and its open file
        self._capability: tuple[bytes, bytes] | None = None  # a path and what was set there
        self._top_times: tuple[int, int] | None = None
        self._does: dict[Kind, Callable[[bytes, dict[int, Any]], None]] = {
            Kind.MKFILE: self._make_file,
            Kind.MKDIR: self._make_folder,
            Kind.SYMLINK: self._make_symlink,
            Kind.RENAME: self._rename,
            Kind.LINK: self._link,
            Kind.UNLINK: self._unlink,
            Kind.RMDIR: self._remove_folder,
            Kind.SET_XATTR: self._set_attribute,
            Kind.REMOVE_XATTR: self._remove_attribute,
            Kind.WRITE: self._write,
            Kind.TRUNCATE: self._truncate,
            Kind.CHMOD: self._set_mode,
            Kind.CHOWN: self._set_owner,
            Kind.UTIMES: self._set_times,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_writing()
        os.close(self._top)

    def change(self, command: Command) -> None:
        if command.kind not in (Kind.WRITE, Kind.TRUNCATE):
            self._end_writing()
        self._does[command.kind](command.path, command.values)

    def set_top_time(self, default_ns: int) -> None:
        """Set the time of the top folder: what the stream said, or else as it was before.

        Last of all: files are made in that folder under passing names, and older kernels say its
        time too early.
        """
        times = self._top_times or (os.fstat(self._top).st_atime_ns, default_ns)
        os.utime(self._top, ns=times)

    def _make_file(self, path: bytes, _: dict[int, Any]) -> None:
        with self._place(path) as (folder, name):
            how = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            os.close(os.open(name, how, 0o600, dir_fd=folder))
        self._disinherit(path)

    def _make_folder(self, path: bytes, _: dict[int, Any]) -> None:
        with self._place(path) as (folder, name):
            os.mkdir(name, 0o700, dir_fd=folder)
        self._disinherit(path)

    def _disinherit(self, path: bytes) -> None:
        """Take away the attributes that a new entry has from its folder: the stream says all."""
        with self._address(path) as address:
            for each in os.listxattr(address, follow_symlinks=False):
                if each.startswith(_INHERITED):
                    os.removexattr(address, each, follow_symlinks=False)

    def _make_symlink(self, path: bytes, values: dict[int, Any]) -> None:
        with self._place(path) as (folder, name):
            os.symlink(values[Attribute.PATH_LINK], name, dir_fd=folder)

    def _rename(self, path: bytes, values: dict[int, Any]) -> None:
        with self._place(path) as (old, name), self._place(values[Attribute.PATH_TO]) as (new, to):
            os.rename(name, to, src_dir_fd=old, dst_dir_fd=new)

    def _link(self, path: bytes, values: dict[int, Any]) -> None:
        with (
            self._place(values[Attribute.PATH_LINK]) as (old, source),
            self._place(path) as (new, name),
        ):
            os.link(source, name, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)

    def _unlink(self, path: bytes, _: dict[int, Any]) -> None:
        with self._place(path) as (folder, name):
            os.unlink(name, dir_fd=folder)

    def _remove_folder(self, path: bytes, _: dict[int, Any]) -> None:
        with self._place(path) as (folder, name):
            os.rmdir(name, dir_fd=folder)

    def _set_attribute(self, path: bytes, values: dict[int, Any]) -> None:
        name, value = values[Attribute.XATTR_NAME], values[Attribute.XATTR_DATA]
        if name == _CAPABILITY:
            self._capability = path, value
        with self._address(path) as address:
            os.setxattr(address, name, value, follow_symlinks=False)

    def _remove_attribute(self, path: bytes, values: dict[int, Any]) -> None:
        with self._address(path) as address:
            os.removexattr(address, values[Attribute.XATTR_NAME], follow_symlinks=False)

    def _write(self, path: bytes, values: dict[int, Any]) -> None:
        holes.write(self._open(path), values[Attribute.DATA], values[Attribute.FILE_OFFSET])

    def _truncate(self, path: bytes, values: dict[int, Any]) -> None:
        os.truncate(self._open(path), values[Attribute.SIZE])

    def _set_mode(self, path: bytes, values: dict[int, Any]) -> None:
        with self._place(path) as (folder, name):
            # Linux has no chmod that does not follow a link.
            if stat.S_ISLNK(_facts(folder, name).st_mode):
                raise StreamRefused("the stream has a mode for a symbolic link")
            os.chmod(name, stat.S_IMODE(values[Attribute.MODE]), dir_fd=folder)

    def _set_owner(self, path: bytes, values: dict[int, Any]) -> None:
        """Set the owner and what the kernel takes away then: a capability, which kernels before 5.8
        sent earlier, and a mode, which is sent only if it is not that of the parent."""
        uid, gid = values[Attribute.UID], values[Attribute.GID]
        with self._place(path) as (folder, name):
            before = _facts(folder, name).st_mode
            os.chown(name, uid, gid, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISREG(before) and before & _SET_ID:
                os.chmod(name, stat.S_IMODE(before), dir_fd=folder)
        if self._capability is not None and self._capability[0] == path:
            with self._address(path) as address:
                os.setxattr(address, _CAPABILITY, self._capability[1], follow_symlinks=False)

    def _set_times(self, path: bytes, values: dict[int, Any]) -> None:
        times = values[Attribute.ATIME], values[Attribute.MTIME]
        if not path:
            self._top_times = times
            return
        with self._place(path) as (folder, name):
            os.utime(name, ns=times, dir_fd=folder, follow_symlinks=False)

    def _open(self, path: bytes) -> int:
        """A file for writing, which stays open until something else is done."""
        if self._writing is not None and self._writing[0] == path:
            return self._writing[1]
        self._end_writing()
        with self._place(path) as (folder, name):
            # Opening a device would already reach outside.
            if not stat.S_ISREG(_facts(folder, name).st_mode):
                raise StreamRefused("the stream has content for what is no file")
            file = os.open(name, os.O_RDWR | os.O_NOFOLLOW, dir_fd=folder)
        self._writing = path, file
        return file

    def _end_writing(self) -> None:
        if self._writing is not None:
            os.close(self._writing[1])
            self._writing = None

    @contextmanager
    def _address(self, path: bytes) -> Iterator[bytes]:
        """A path for calls that take no open folder."""
        with self._place(path) as (folder, name):
            yield b"/proc/self/fd/%d/%s" % (folder, name)

    @contextmanager
    def _place(self, path: bytes) -> Iterator[tuple[int, bytes]]:
        """The open folder that something is in, and its name there.

        Raises:
            StreamRefused: the path might lead out of the snapshot.
        """
        *folders, name = path.split(b"/") if path else (b".",)
        if path and any(each in (b"", b".", b"..") for each in (*folders, name)):
            raise StreamRefused(f"the stream has the path {os.fsdecode(path)!r}")
        folder = self._top
        try:
            for each in folders:
                how = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
                inner = os.open(each, how, dir_fd=folder)
                self._leave(folder)
                folder = inner
            yield folder, name
        finally:
            self._leave(folder)

    def _leave(self, folder: int) -> None:
        if folder != self._top:
            os.close(folder)


def _facts(folder: int, name: bytes) -> os.stat_result:
    return os.stat(name, dir_fd=folder, follow_symlinks=False)
