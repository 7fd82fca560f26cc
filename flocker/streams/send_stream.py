"""The format that `btrfs send` writes, version 1: a header, then commands with attributes.

A stream comes from another node and may be crafted. So each command is checked before anything is
done with it; the checksum of a command (crc32c) is not looked at, decision 32 tells why.

Source: linux, fs/btrfs/send.h and send.c; btrfs-progs, common/send-stream.c.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from flocker.base.errors import StreamRefused, TransferFailed
from flocker.streams.stream_format import Attribute, Kind

# Applied by the daemon itself; more hold its other threads up for longer than a process costs.
MOST_COMMANDS = 200
SMALL_BYTES = 256 << 10
MOST_COMMAND_BYTES = 1 << 16  # BTRFS_SEND_BUF_SIZE_V1: the kernel writes no longer ones
_MAGIC = b"btrfs-stream\0"
_HEADER = struct.Struct("<13sI")  # struct btrfs_stream_header: magic, version
_VERSION = 1
_COMMAND = struct.Struct("<IHI")  # struct btrfs_cmd_header: length of what follows, kind, crc
_ATTRIBUTE = struct.Struct("<HH")  # struct btrfs_tlv_header: kind, length
_TIME = struct.Struct("<qI")  # struct btrfs_timespec: seconds, nanoseconds
_SECOND = 10**9
_UUID_BYTES = 16
_NUMBER_BYTES = 8
_NOBODY = (1 << 32) - 1  # as an owner it means "leave it"
_MOST_OFFSET = (1 << 63) - 1

_A = Attribute
_NEEDED: dict[Kind, tuple[Attribute, ...]] = {
    Kind.SUBVOL: (_A.PATH, _A.UUID, _A.CTRANSID),
    Kind.SNAPSHOT: (_A.PATH, _A.UUID, _A.CTRANSID, _A.CLONE_UUID, _A.CLONE_CTRANSID),
    Kind.MKFILE: (_A.PATH,),
    Kind.MKDIR: (_A.PATH,),
    Kind.MKNOD: (_A.PATH, _A.MODE, _A.RDEV),
    Kind.MKFIFO: (_A.PATH,),
    Kind.MKSOCK: (_A.PATH,),
    Kind.SYMLINK: (_A.PATH, _A.PATH_LINK),
    Kind.RENAME: (_A.PATH, _A.PATH_TO),
    Kind.LINK: (_A.PATH, _A.PATH_LINK),
    Kind.UNLINK: (_A.PATH,),
    Kind.RMDIR: (_A.PATH,),
    Kind.SET_XATTR: (_A.PATH, _A.XATTR_NAME, _A.XATTR_DATA),
    Kind.REMOVE_XATTR: (_A.PATH, _A.XATTR_NAME),
    Kind.WRITE: (_A.PATH, _A.FILE_OFFSET, _A.DATA),
    Kind.CLONE: (
        *(_A.PATH, _A.FILE_OFFSET, _A.CLONE_UUID),
        *(_A.CLONE_PATH, _A.CLONE_OFFSET, _A.CLONE_LEN),
    ),
    Kind.TRUNCATE: (_A.PATH, _A.SIZE),
    Kind.CHMOD: (_A.PATH, _A.MODE),
    Kind.CHOWN: (_A.PATH, _A.UID, _A.GID),
    Kind.UTIMES: (_A.PATH, _A.ATIME, _A.MTIME),
    Kind.END: (),
}
# A large stream has hundreds of thousands of commands: Kind(number) takes longer than all else.
_KINDS = {int(kind): kind for kind in Kind}
_FIRST = (Kind.SUBVOL, Kind.SNAPSHOT)
_DEVICES = (stat.S_IFCHR, stat.S_IFBLK)
_NUMBERS = {
    **dict.fromkeys((_A.CTRANSID, _A.CLONE_CTRANSID), (1 << 64) - 1),
    **dict.fromkeys((_A.MODE, _A.RDEV), (1 << 32) - 1),
    **dict.fromkeys((_A.SIZE, _A.FILE_OFFSET, _A.CLONE_OFFSET, _A.CLONE_LEN), _MOST_OFFSET),
    **dict.fromkeys((_A.UID, _A.GID), _NOBODY - 1),
}
_TIMES = {_A.MTIME, _A.ATIME}
_UUIDS = {_A.UUID, _A.CLONE_UUID}
_TEXTS = {_A.XATTR_NAME, _A.PATH, _A.PATH_TO, _A.PATH_LINK, _A.CLONE_PATH}


@dataclass(frozen=True)
class Command:
    """One change; `path` is relative to the snapshot, and empty for its top folder."""

    kind: Kind
    path: bytes
    values: dict[int, Any]  # by Attribute: numbers, bytes, and times in nanoseconds


@dataclass(frozen=True)
class Beginning:
    """The first command of a stream.

    Attributes:
        name: of the snapshot, where it was sent.
        transaction: the number of the last one that changed the snapshot there.
        parent_uuid: of the snapshot that the changes are made to; None: of nothing.
    """

    name: bytes
    uuid: bytes
    transaction: int
    parent_uuid: bytes | None


class Splitter:
    """Finds some commands in a stream of this node's own, in however many pieces it comes.

    Args:
        kinds: commands that are wanted; the others are skipped, and take no room.
    """

    def __init__(self, kinds: Collection[int]) -> None:
        self._kinds = kinds
        self._skip = _HEADER.size  # of what is to come
        self._rest = b""  # the beginning of a command that has not come whole

    def feed(self, piece: bytes) -> Iterator[tuple[int, bytes]]:
        """The kinds of the wanted commands that are whole now, and their attributes."""
        data = self._rest + piece if self._rest else piece
        at, self._rest = self._skip, b""
        while at + _COMMAND.size <= len(data):
            length, kind, _ = _COMMAND.unpack_from(data, at)
            begin, end = at + _COMMAND.size, at + _COMMAND.size + length
            if kind in self._kinds:
                if end > len(data):
                    break
                yield kind, data[begin:end]
            at = end
        self._skip = max(0, at - len(data))
        self._rest = data[at:]


class Reader:
    """Reads a stream while it comes, and no further than it makes sense."""

    def __init__(self) -> None:
        self._rest = b""  # the beginning of a command that has not come whole
        self._has_header = False
        self._has_begun = False
        self._has_ended = False

    def feed(self, piece: bytes) -> Iterator[Beginning | Command]:
        """Yield what has come whole now: first of all a Beginning, then what changes.

        Raises:
            TransferFailed: this is no such stream.
            StreamRefused: it makes no sense.
        """
        data = self._rest + piece if self._rest else piece
        at = 0
        if not self._has_header:
            if len(data) < _HEADER.size:
                self._rest = data
                return
            _check_header(data)
            self._has_header, at = True, _HEADER.size
        while at + _COMMAND.size <= len(data):
            length, kind, _ = _COMMAND.unpack_from(data, at)
            if length > MOST_COMMAND_BYTES:
                raise StreamRefused(f"the stream has a command of {length} bytes")
            begin, end = at + _COMMAND.size, at + _COMMAND.size + length
            if end > len(data):
                break
            said = self._read(kind, data[begin:end])
            if said is not None:
                yield said
            at = end
        self._rest = data[at:]
        if self._has_ended and self._rest:
            raise StreamRefused("the stream goes on after its end")

    def close(self) -> None:
        """Say that nothing more comes.

        Raises:
            TransferFailed: the stream is not whole.
        """
        if not self._has_ended:
            raise TransferFailed("the stream of a snapshot is not whole; try again")

    def _read(self, number: int, body: bytes) -> Beginning | Command | None:
        kind = _KINDS.get(number)
        if kind is None:
            raise StreamRefused(f"the stream has a command of the unknown kind {number}")
        command = _command(kind, attributes(body))
        is_first = kind in _FIRST
        if self._has_ended or is_first == self._has_begun:
            raise StreamRefused("the stream is not that of one snapshot")
        if is_first:
            self._has_begun = True
            return _beginning(command)
        if kind is Kind.END:
            self._has_ended = True
            return None
        return command


def read(pieces: Iterable[bytes]) -> Iterator[Beginning | Command]:
    """All that a stream says; see Reader.

    Raises:
        TransferFailed: it is not whole, or no such stream.
        StreamRefused: it makes no sense.
    """
    reader = Reader()
    for piece in pieces:
        yield from reader.feed(piece)
    reader.close()


def parse(stream: bytes) -> list[Beginning | Command] | None:
    """All of a stream that is here; None if it has more commands than pays off.

    Raises:
        TransferFailed: it was cut, or is no such stream.
        StreamRefused: it makes no sense.
    """
    found = list(islice(read([stream]), MOST_COMMANDS))
    return found if len(found) < MOST_COMMANDS else None


def _check_header(data: bytes) -> None:
    magic, version = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise TransferFailed("this is not the stream of a snapshot; try again")
    if version != _VERSION:
        raise StreamRefused(f"the stream has version {version} of the format, not {_VERSION}")


def _beginning(command: Command) -> Beginning:
    said = command.values
    parent = said.get(_A.CLONE_UUID)
    return Beginning(command.path, said[_A.UUID], said[_A.CTRANSID], parent)


def attributes(body: bytes) -> dict[int, bytes]:
    """The attributes of a command, by their kind.

    Raises:
        StreamRefused: their lengths cannot be.
    """
    found: dict[int, bytes] = {}
    at = 0
    while at + _ATTRIBUTE.size <= len(body):
        kind, length = _ATTRIBUTE.unpack_from(body, at)
        at += _ATTRIBUTE.size
        if kind in found:
            raise StreamRefused(f"the stream has attribute {kind} twice in one command")
        found[kind] = body[at : at + length]
        at += length
    if at != len(body):
        raise StreamRefused("the stream has an attribute that is longer than its command")
    return found


def nanoseconds(value: bytes) -> int:
    """A point in time, since 1970 and also before.

    Raises:
        StreamRefused: it is none.
    """
    if len(value) == _TIME.size:
        seconds, more = _TIME.unpack(value)
        if more < _SECOND:
            return int(seconds * _SECOND + more)
    raise StreamRefused("the stream has a time that cannot be read")


def _command(kind: Kind, found: dict[int, bytes]) -> Command:
    values: dict[int, Any] = {}
    for each in _NEEDED[kind]:
        if each not in found:
            raise StreamRefused(f"the stream has a {kind.name} without {each.name}")
        values[each] = _value(each, found[each])
    if kind == Kind.WRITE and values[_A.FILE_OFFSET] + len(values[_A.DATA]) > _MOST_OFFSET:
        raise StreamRefused("the stream writes beyond the end of any file")
    if kind == Kind.MKNOD and stat.S_IFMT(values[_A.MODE]) not in _DEVICES:
        raise StreamRefused("the stream has a device that is none")
    return Command(kind, values.pop(_A.PATH, b""), values)


def _value(attribute: Attribute, value: bytes) -> Any:
    if attribute in _NUMBERS:
        number = int.from_bytes(value, "little")
        if len(value) == _NUMBER_BYTES and number <= _NUMBERS[attribute]:
            return number
    elif attribute in _TIMES:
        return nanoseconds(value)
    elif attribute in _UUIDS:
        if len(value) == _UUID_BYTES:
            return value
    elif attribute not in _TEXTS or b"\0" not in value:
        return value
    raise StreamRefused(f"the stream has a bad {attribute.name}")
