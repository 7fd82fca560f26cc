"""Btrfs subvolumes; longer than 300 lines because each ioctl brings the layout of its structures.

Some tell what the kernel says about a subvolume, a few change it. All are ioctls, because they are
asked hundreds of times a second.

Source: <linux/btrfs.h>, <linux/btrfs_tree.h>.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from flocker.base.errors import BeingSent, PoolError, PoolFull
from flocker.btrfs.ioctl import ioctl

_NO_DATA, _TO_KERNEL, _FROM_KERNEL = 0, 1, 2


def request_code(direction: int, number: int, size: int) -> int:
    """The number of a btrfs ioctl: _IO, _IOW, _IOR or _IOWR of magic 0x94."""
    return direction << 30 | size << 16 | 0x94 << 8 | number


# struct btrfs_ioctl_get_subvol_info_args: treeid, name, parent_id, dirid, generation, flags, uuid,
# parent_uuid, received_uuid, ctransid, otransid, stransid, rtransid; then times and reserved words.
_INFO = struct.Struct("=Q256xQQQQ16s16s16sQQQQ128x")
_GET_SUBVOL_INFO = request_code(_FROM_KERNEL, 60, _INFO.size)
_SYNC = request_code(_NO_DATA, 8, 0)
_START_SYNC = request_code(_FROM_KERNEL, 24, 8)
_SET_FLAGS = request_code(_TO_KERNEL, 26, 8)
# struct btrfs_ioctl_received_subvol_args: uuid, the sender's transaction; what the kernel fills
# in, flags, reserved words.
_RECEIVED = struct.Struct("=16sQ176x")
_SET_RECEIVED = request_code(_TO_KERNEL | _FROM_KERNEL, 37, _RECEIVED.size)
# struct btrfs_ioctl_fs_info_args: 56 bytes with `flags`, in and out, at 48; generation; the rest.
_FS_INFO_BYTES = 1024
_FS_INFO = request_code(_FROM_KERNEL, 31, _FS_INFO_BYTES)
_FS_FLAGS, _FS_GENERATION = struct.Struct("=48xQ"), struct.Struct("=56xQ")
_HAS_GENERATION = 1 << 1  # BTRFS_FS_INFO_FLAG_GENERATION
# struct btrfs_ioctl_search_key: tree_id, then min and max of objectid, offset and transid, min and
# max of type, nr_items; what it finds follows, up to 4096 bytes in all.
_SEARCH = struct.Struct("=QQQQQQQIII36x")
_SEARCH_BYTES = 4096
_TREE_SEARCH = request_code(_TO_KERNEL | _FROM_KERNEL, 17, _SEARCH_BYTES)
_ROOT_TREE, _ROOT_ITEM = 1, 132
# struct btrfs_ioctl_vol_args: fd, name; and _v2: fd, transid, flags, reserved words, name.
_NAMED, _NAMED_V2 = struct.Struct("=q4088s"), struct.Struct("=qQQ32x4040s")
_CREATE = request_code(_TO_KERNEL, 14, _NAMED.size)
_DESTROY = request_code(_TO_KERNEL, 15, _NAMED.size)
_SNAPSHOT = request_code(_TO_KERNEL, 23, _NAMED_V2.size)
_READONLY_FLAG = 2  # BTRFS_SUBVOL_RDONLY
_ANY = (1 << 64) - 1
_STAMP = slice(280, 312)  # generation, flags, uuid
_IS_READONLY = 1 << 0  # BTRFS_ROOT_SUBVOL_RDONLY
_FIRST_INODE = 256  # BTRFS_FIRST_FREE_OBJECTID: the root directory of every subvolume
_NIL = bytes(16)

# <linux/fs.h>: attributes of a file, as chattr sets them.
_GET_ATTRIBUTES, _SET_ATTRIBUTES = 0x80086601, 0x40086602
_UNCHANGEABLE = 0x10 | 0x20  # FS_IMMUTABLE_FL, FS_APPEND_FL

_RENAME_EXCHANGE = 2
_AT_FDCWD = -100
_libc = ctypes.CDLL(None, use_errno=True)


def failure(what: str, error: OSError) -> PoolError:
    """The error that says what could not be done, and why."""
    kind = PoolFull if error.errno == errno.ENOSPC else PoolError
    return kind(f"{what}: {error.strerror}")


@dataclass(frozen=True)
class Subvolume:
    """Facts about one subvolume.

    `generation` is that of the last change which was committed to disk: a write
    that is only in memory moves it at the next `sync`. `stamp` is what `stamp` returns.
    """

    id: int
    uuid: str
    parent_uuid: str | None
    received_uuid: str | None
    generation: int
    created_generation: int
    is_readonly: bool
    stamp: bytes = field(repr=False)

    @property
    def identity(self) -> str:
        """The name of this subvolume for `btrfs send`, the same on every node."""
        return self.received_uuid or self.uuid

    @property
    def is_ordinary(self) -> bool:
        """Tell whether a writable one is as it was made: not read-only, no identity but its own."""
        return not self.is_readonly and self.received_uuid is None

    @property
    def is_untouched(self) -> bool:
        """True if it still is what it was made as."""
        return self.generation <= self.created_generation

    def is_held_by(self, snapshot: Subvolume) -> bool:
        """Tell whether this writable one is a snapshot's origin or copy, and unchanged since.

        Of any other pair nothing can be said, so the answer is no.
        """
        if snapshot.parent_uuid == self.uuid:
            # Not the snapshot's present generation: making a subvolume from it moves that.
            return self.generation <= snapshot.created_generation
        return self.parent_uuid == snapshot.uuid and self.is_untouched


def look(path: Path) -> Subvolume:
    """Facts about the subvolume at `path`.

    Raises:
        PoolError: there is none.

    Source: about 10 us, against 6 ms of `btrfs subvolume show`.
    """
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            if os.fstat(folder).st_ino != _FIRST_INODE:
                raise PoolError(f"{path} is not a subvolume")
            answer = bytearray(_INFO.size)
            ioctl(folder, _GET_SUBVOL_INFO, answer)
        finally:
            os.close(folder)
    except OSError as error:
        raise failure(f"subvolume {path} cannot be read", error) from error
    tree, _, _, generation, flags, own, parent, received, _, created, _, _ = _INFO.unpack(answer)
    return Subvolume(
        id=tree,
        uuid=_text(own),
        parent_uuid=_uuid(parent),
        received_uuid=_uuid(received),
        generation=generation,
        created_generation=created,
        is_readonly=bool(flags & _IS_READONLY),
        stamp=bytes(answer[_STAMP]),
    )


def stamp(path: str) -> bytes | None:
    """A cheap fingerprint of an unchanged subvolume; None if there is no subvolume.

    As `look` it tells of what is committed to disk, at a third of the price.
    """
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            answer = bytearray(_INFO.size)
            ioctl(folder, _GET_SUBVOL_INFO, answer)
        finally:
            os.close(folder)
    except OSError:
        return None
    return bytes(answer[_STAMP])


def exists(path: Path) -> bool:
    """True if there is a subvolume, and not a plain directory, at `path`."""
    try:
        return path.lstat().st_ino == _FIRST_INODE
    except FileNotFoundError:
        return False


def is_gone(pool: Path, id_: int) -> bool:
    """True if the kernel has finished deleting a subvolume; it does so in the background."""
    asked = bytearray(_SEARCH_BYTES)
    _SEARCH.pack_into(asked, 0, _ROOT_TREE, id_, id_, 0, _ANY, 0, _ANY, _ROOT_ITEM, _ROOT_ITEM, 1)
    call(pool, _TREE_SEARCH, asked, f"{pool} cannot be searched")
    found: int = _SEARCH.unpack_from(asked)[-1]
    return found == 0


def pool_generation(pool: Path) -> int:
    """A number that grows with every transaction that is begun on the file system."""
    asked = bytearray(_FS_INFO_BYTES)
    _FS_FLAGS.pack_into(asked, 0, _HAS_GENERATION)
    call(pool, _FS_INFO, asked, f"{pool} cannot be looked at")
    generation: int = _FS_GENERATION.unpack_from(asked)[0]
    return generation


def sync(path: Path) -> None:
    """Write all that is in memory of a file system to disk; without anything to write, 12 us.

    START_SYNC would not do: it commits a transaction that runs, but a write into
    an existing file begins none before the kernel writes its pages back, up to
    30 s later.
    """
    call(path, _SYNC, None, f"{path} could not be flushed")


def begin_deletions(pool: Path) -> None:
    """Have the kernel begin with what `delete` left to it; else it may do so half a minute later.

    It does after the next commit, which this asks for and does not wait for: those who ask while
    one is made share the next.
    """
    call(pool, _START_SYNC, bytearray(8), f"deletions in {pool} could not be begun")


def set_readonly(path: Path, *, is_readonly: bool) -> None:
    """Say whether anything in a subvolume may be changed; it keeps its identity.

    Raises:
        PoolError: also when it is being sent.
    """
    flags = struct.pack("=Q", _READONLY_FLAG if is_readonly else 0)
    what = "read-only" if is_readonly else "writable"
    call(path, _SET_FLAGS, flags, f"{path} cannot be made {what}", follow=False)


def make_ordinary(path: Path) -> bool:
    """Undo what its users did to a writable subvolume as a whole; whether there was anything.

    Its owner, root in a container for example, can make it read-only or give it the identity of
    another, and with CAP_LINUX_IMMUTABLE keep its top folder from being moved.
    """
    facts = look(path)
    if facts.is_readonly:
        set_readonly(path, is_readonly=False)
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if facts.received_uuid is not None:
            ioctl(folder, _SET_RECEIVED, bytearray(_RECEIVED.size))
        attributes = bytearray(4)
        ioctl(folder, _GET_ATTRIBUTES, attributes)
        (flags,) = struct.unpack("=i", attributes)
        is_kept = bool(flags & _UNCHANGEABLE)
        if is_kept:
            ioctl(folder, _SET_ATTRIBUTES, struct.pack("=i", flags & ~_UNCHANGEABLE))
    except OSError as error:
        raise PoolError(f"{path} cannot be made an ordinary one: {error.strerror}") from error
    finally:
        os.close(folder)
    return is_kept or not facts.is_ordinary


def create(path: Path) -> None:
    """Make an empty subvolume."""
    _change(path, "made", _CREATE, _NAMED.pack(0, os.fsencode(path.name)))


def snapshot(source: Path, path: Path, *, readonly: bool = False) -> None:
    """Make a subvolume that begins as `source` is now; on disk when this returns.

    Snapshots that are made at the same time share a commit.
    """
    try:
        folder = os.open(source, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise failure(f"{source} cannot be read", error) from error
    try:
        flags = _READONLY_FLAG if readonly else 0
        named = _NAMED_V2.pack(folder, 0, flags, os.fsencode(path.name))
        _change(path, f"made from {source}", _SNAPSHOT, named)
    finally:
        os.close(folder)


def set_received(path: Path, identity: bytes, transaction: int) -> None:
    """Give a writable subvolume the identity of the one that it was received from.

    Args:
        transaction: the number of the last one that changed it where it was sent.
    """
    received = bytearray(_RECEIVED.pack(identity, transaction))
    call(path, _SET_RECEIVED, received, f"{path} could not be given its identity", follow=False)


def delete(path: Path) -> None:
    """Delete a subvolume.

    Raises:
        BeingSent: nothing was deleted; or chattr protects it.
        PoolError: it could not be deleted for another reason.
    """
    what = f"subvolume {path} could not be deleted"
    try:
        _ask(path.parent, _DESTROY, _NAMED.pack(0, os.fsencode(path.name)))
    except PermissionError as error:  # which is all that the kernel says
        sent = "it is being sent to another node, or chattr protects it (`lsattr -d`)"
        raise BeingSent(f"{what}: {sent}") from error
    except OSError as error:
        raise failure(what, error) from error


def await_deletions(pool: Path, seconds: float) -> None:
    """Wait until the kernel has finished all deletions, at most so long."""
    sync(pool)  # has it begin; else it may do so half a minute later
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(
            ["btrfs", "subvolume", "sync", "-s", "1", str(pool)],
            capture_output=True,
            check=False,
            timeout=seconds,
        )
    sync(pool)


def exchange(one: Path, other: Path) -> None:
    """Give each of two the other's name, in one step."""
    failed: int = _libc.renameat2(
        _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE
    )
    if failed:
        number = ctypes.get_errno()
        error = OSError(number, os.strerror(number))
        raise failure(f"{one} and {other} could not be exchanged", error)


def _uuid(value: bytes) -> str | None:
    return None if value == _NIL else _text(value)


def _text(value: bytes) -> str:
    digits = value.hex()  # uuid.UUID takes ten times as long
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _change(path: Path, what: str, request: int, named: bytes) -> None:
    """Ask the kernel for a change of the subvolume at `path`, by its name in its folder.

    Not bounded in time: one that waits for the disk cannot be ended either.

    Raises:
        PoolError: it failed.
    """
    call(path.parent, request, named, f"subvolume {path} could not be {what}")


def call(
    path: Path, request: int, argument: bytes | bytearray | None, what: str, *, follow: bool = True
) -> None:
    """Make an ioctl on a folder.

    Args:
        argument: see ioctl.
        follow: also if the path is a link.

    Raises:
        PoolError: it failed; it begins with `what`.
    """
    try:
        _ask(path, request, argument, follow=follow)
    except OSError as error:
        raise failure(what, error) from error


def _ask(
    path: Path, request: int, argument: bytes | bytearray | None, *, follow: bool = True
) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | (0 if follow else os.O_NOFOLLOW))
    try:
        ioctl(folder, request, argument)
    finally:
        os.close(folder)
