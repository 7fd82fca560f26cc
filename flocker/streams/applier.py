"""A stream applied to a subvolume by system calls, as `btrfs receive` applies it.

That program trusts a stream: it writes through symbolic links, follows `..` out of its folder and
shares data with any snapshot of the pool. Here nothing outside the subvolume can be reached,
whatever the stream says: each name is looked up in its folder, a symbolic link is never followed,
and data is shared with the subvolume itself and its parent only. Nobody else changes it meanwhile.

Source: btrfs-progs, cmds/receive.c.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from flocker.base.errors import PoolError, StreamRefused, TransferFailed
from flocker.btrfs import holes
from flocker.btrfs.beneath import Beneath
from flocker.btrfs.ioctl import ioctl
from flocker.streams.expected import Expected
from flocker.streams.send_stream import Beginning, Command
from flocker.streams.stream_format import Attribute, Kind

_CAPABILITY = b"security.capability"
# Access lists, and `btrfs.compression`.
_INHERITED = ("system.posix_acl_", "btrfs.")
_SET_ID = stat.S_ISUID | stat.S_ISGID
# struct file_clone_range: the source, its offset, how much, and where to; <linux/fs.h>.
_CLONE_RANGE = struct.Struct("=qQQQ")
_CLONE = 0x4020940D  # FICLONERANGE
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


def apply(
    said: Iterable[Beginning | Command], expected: Expected, path: Path, base: Path | None
) -> None:
    """Change the writable subvolume `path`, which is empty or equal to `base`.

    Raises:
        StreamRefused: it cannot be applied to that parent.
        TransferFailed: it is another snapshot, or the disk does not take it. Then and after a
            refusal the subvolume is good for nothing.
    """
    commands = iter(said)
    try:
        begun = next(commands, None)
        if not isinstance(begun, Beginning):
            raise TransferFailed("the stream held no snapshot; try again")
        expected.check(begun)
        with _Target(path, base, begun) as target:
            for command in commands:
                assert isinstance(command, Command)
                target.change(command)
            target.set_top_time()
    except PoolError as error:
        raise TransferFailed(f"a stream could not be applied: {error}") from error
    except OSError as error:
        kind = TransferFailed if error.errno in _PASSING else StreamRefused
        raise kind(f"a stream could not be applied: {error}") from error


class _Target:
    """A subvolume that is being changed."""

    def __init__(self, path: Path, base: Path | None, begun: Beginning) -> None:
        self._closing = ExitStack()
        self._here = self._enter(path)
        self._sources = {begun.uuid: self._here}  # of data that files share, by identity
        self._top_time_ns: int | None = None  # unless the stream says it
        if base is not None:
            assert begun.parent_uuid is not None
            self._sources[begun.parent_uuid] = self._enter(base)
            self._top_time_ns = base.stat().st_mtime_ns
        self._writing: tuple[bytes, int] | None = None  # a path and its open file
        self._capability: tuple[bytes, bytes] | None = None  # a path and what was set there
        self._top_times: tuple[int, int] | None = None
        self._does: dict[Kind, Callable[[bytes, dict[int, Any]], None]] = {
            Kind.MKFILE: self._make_file,
            Kind.MKDIR: self._make_folder,
            Kind.MKNOD: self._make_device,
            Kind.MKFIFO: lambda path, _: self._make_node(path, stat.S_IFIFO),
            Kind.MKSOCK: lambda path, _: self._make_node(path, stat.S_IFSOCK),
            Kind.SYMLINK: self._make_symlink,
            Kind.RENAME: self._rename,
            Kind.LINK: self._link,
            Kind.UNLINK: self._unlink,
            Kind.RMDIR: self._remove_folder,
            Kind.SET_XATTR: self._set_attribute,
            Kind.REMOVE_XATTR: self._remove_attribute,
            Kind.WRITE: self._write,
            Kind.CLONE: self._share,
            Kind.TRUNCATE: self._truncate,
            Kind.CHMOD: self._set_mode,
            Kind.CHOWN: self._set_owner,
            Kind.UTIMES: self._set_times,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_writing()
        self._closing.close()

    def _enter(self, path: Path) -> Beneath:
        top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        self._closing.callback(os.close, top)
        beneath = Beneath(top)
        self._closing.callback(beneath.close)
        return beneath

    def change(self, command: Command) -> None:
        if command.kind not in (Kind.WRITE, Kind.CLONE, Kind.TRUNCATE):
            self._end_writing()
        self._does[command.kind](command.path, command.values)

    def set_top_time(self) -> None:
        """Set the time of the top folder: what the stream said, or else that of the parent.

        Last of all: files are made in that folder under passing names, and older kernels say its
        time too early.
        """
        facts = os.fstat(self._here.top)
        last_ns = facts.st_mtime_ns if self._top_time_ns is None else self._top_time_ns
        os.utime(self._here.top, ns=self._top_times or (facts.st_atime_ns, last_ns))

    def _make_file(self, path: bytes, _: dict[int, Any]) -> None:
        folder, name = self._here.find(path)
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder))
        _disinherit(folder, name)

    def _make_folder(self, path: bytes, _: dict[int, Any]) -> None:
        folder, name = self._here.find(path)
        os.mkdir(name, 0o700, dir_fd=folder)
        _disinherit(folder, name)

    def _make_device(self, path: bytes, values: dict[int, Any]) -> None:
        kind = stat.S_IFMT(values[Attribute.MODE])
        self._make_node(path, kind, values[Attribute.RDEV])

    def _make_node(self, path: bytes, kind: int, device: int = 0) -> None:
        folder, name = self._here.find(path)
        os.mknod(name, kind | 0o600, device, dir_fd=folder)
        _disinherit(folder, name)

    def _make_symlink(self, path: bytes, values: dict[int, Any]) -> None:
        folder, name = self._here.find(path)
        os.symlink(values[Attribute.PATH_LINK], name, dir_fd=folder)

    def _rename(self, path: bytes, values: dict[int, Any]) -> None:
        target = values[Attribute.PATH_TO]
        old, name = self._here.find(path)
        new, to = self._here.find(target)
        os.rename(name, to, src_dir_fd=old, dst_dir_fd=new)
        self._here.forget(path)
        self._here.forget(target)

    def _link(self, path: bytes, values: dict[int, Any]) -> None:
        old, source = self._here.find(values[Attribute.PATH_LINK])
        new, name = self._here.find(path)
        os.link(source, name, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)

    def _unlink(self, path: bytes, _: dict[int, Any]) -> None:
        folder, name = self._here.find(path)
        os.unlink(name, dir_fd=folder)

    def _remove_folder(self, path: bytes, _: dict[int, Any]) -> None:
        folder, name = self._here.find(path)
        os.rmdir(name, dir_fd=folder)
        self._here.forget(path)

    def _set_attribute(self, path: bytes, values: dict[int, Any]) -> None:
        name, value = values[Attribute.XATTR_NAME], values[Attribute.XATTR_DATA]
        if name == _CAPABILITY:
            self._capability = path, value
        os.setxattr(_address(*self._here.find(path)), name, value, follow_symlinks=False)

    def _remove_attribute(self, path: bytes, values: dict[int, Any]) -> None:
        address = _address(*self._here.find(path))
        os.removexattr(address, values[Attribute.XATTR_NAME], follow_symlinks=False)

    def _write(self, path: bytes, values: dict[int, Any]) -> None:
        holes.write(self._open(path), values[Attribute.DATA], values[Attribute.FILE_OFFSET])

    def _share(self, path: bytes, values: dict[int, Any]) -> None:
        """Have a part of a file share its data with a part of a file that was there before."""
        beneath = self._sources.get(values[Attribute.CLONE_UUID])
        if beneath is None:
            raise StreamRefused("the stream shares data with what is not its parent")
        target = self._open(path)
        source = _open_file(*beneath.find(values[Attribute.CLONE_PATH]), os.O_RDONLY)
        try:
            wanted = values[Attribute.CLONE_OFFSET], values[Attribute.CLONE_LEN]
            place = values[Attribute.FILE_OFFSET]
            ioctl(target, _CLONE, _CLONE_RANGE.pack(source, *wanted, place))
        finally:
            os.close(source)

    def _truncate(self, path: bytes, values: dict[int, Any]) -> None:
        os.truncate(self._open(path), values[Attribute.SIZE])

    def _set_mode(self, path: bytes, values: dict[int, Any]) -> None:
        folder, name = self._here.find(path)
        # Linux has no chmod that does not follow a link.
        if stat.S_ISLNK(_facts(folder, name).st_mode):
            raise StreamRefused("the stream has a mode for a symbolic link")
        os.chmod(name, stat.S_IMODE(values[Attribute.MODE]), dir_fd=folder)

    def _set_owner(self, path: bytes, values: dict[int, Any]) -> None:
        """Set the owner and what the kernel takes away then.

        A capability, which kernels before 5.8 sent earlier, and a mode, which is sent only if it is
        not that of the parent.
        """
        uid, gid = values[Attribute.UID], values[Attribute.GID]
        folder, name = self._here.find(path)
        before = _facts(folder, name).st_mode
        os.chown(name, uid, gid, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISREG(before) and before & _SET_ID:
            os.chmod(name, stat.S_IMODE(before), dir_fd=folder)
        if self._capability is not None and self._capability[0] == path:
            address = _address(folder, name)
            os.setxattr(address, _CAPABILITY, self._capability[1], follow_symlinks=False)

    def _set_times(self, path: bytes, values: dict[int, Any]) -> None:
        times = values[Attribute.ATIME], values[Attribute.MTIME]
        if not path:
            self._top_times = times
            return
        folder, name = self._here.find(path)
        os.utime(name, ns=times, dir_fd=folder, follow_symlinks=False)

    def _open(self, path: bytes) -> int:
        """A file for writing, which stays open until something else is done."""
        if self._writing is not None and self._writing[0] == path:
            return self._writing[1]
        self._end_writing()
        file = _open_file(*self._here.find(path), os.O_RDWR)
        self._writing = path, file
        return file

    def _end_writing(self) -> None:
        if self._writing is not None:
            os.close(self._writing[1])
            self._writing = None


def _disinherit(folder: int, name: bytes) -> None:
    """Take away the attributes that a new entry has from its folder: the stream says all."""
    if not any(each.startswith(_INHERITED) for each in os.listxattr(folder)):
        return
    address = _address(folder, name)
    for each in os.listxattr(address, follow_symlinks=False):
        if each.startswith(_INHERITED):
            os.removexattr(address, each, follow_symlinks=False)


def _address(folder: int, name: bytes) -> bytes:
    """A path for calls that take no open folder."""
    return b"/proc/self/fd/%d/%s" % (folder, name)


def _facts(folder: int, name: bytes) -> os.stat_result:
    return os.stat(name, dir_fd=folder, follow_symlinks=False)


def _open_file(folder: int, name: bytes, how: int) -> int:
    # Opening a device would already reach outside.
    if not stat.S_ISREG(_facts(folder, name).st_mode):
        raise StreamRefused("the stream has content for what is no file")
    return os.open(name, how | os.O_NOFOLLOW, dir_fd=folder)
