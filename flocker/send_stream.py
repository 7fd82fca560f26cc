"""The format that `btrfs send` writes, version 1: a header, then commands with attributes.

The checksum of a command (crc32c) is left to `btrfs receive`; decision 32 tells why.

Source: linux, fs/btrfs/send.h and send.c; btrfs-progs, common/send-stream.c.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from flocker.errors import StreamRefused, TransferFailed

# Python takes 30 us for each, `btrfs receive` 10 us, and 4 ms to start.
MOST_COMMANDS = 200
_MAGIC = b"btrfs-stream\0"
_HEADER = struct.Struct("<13sI")  # struct btrfs_stream_header: magic, version
_VERSION = 1
_COMMAND = struct.Struct("<IHI")  # struct btrfs_cmd_header: length of what follows, kind, crc
_ATTRIBUTE = struct.Struct("<HH")  # struct btrfs_tlv_header: kind, length
_TIME = struct.Struct("<qI")  # struct btrfs_timespec: seconds, nanoseconds
_SECOND = 10**9
_UUID_BYTES = 16
_NOBODY = (1 << 32) - 1  # as an owner it means "leave it"
_MOST_OFFSET = (1 << 63) - 1


UPDATE_EXTENT = 22  # in the place of data that was not asked for; enum btrfs_send_cmd


class Kind(IntEnum):
    """The commands that an increment may consist of; enum btrfs_send_cmd."""

    SNAPSHOT = 2
    MKFILE = 3
    MKDIR = 4
    SYMLINK = 8
    RENAME = 9
    LINK = 10
    UNLINK = 11
    RMDIR = 12
    SET_XATTR = 13
    REMOVE_XATTR = 14
    WRITE = 15
    TRUNCATE = 17
    CHMOD = 18
    CHOWN = 19
    UTIMES = 20
    END = 21


class Attribute(IntEnum):
    """The attributes of those commands that are needed; enum of BTRFS_SEND_A_*."""

    UUID = 1
    CTRANSID = 2
    SIZE = 4
    MODE = 5
    UID = 6
    GID = 7
    MTIME = 10
    ATIME = 11
    XATTR_NAME = 13
    XATTR_DATA = 14
    PATH = 15
    PATH_TO = 16
    PATH_LINK = 17
    FILE_OFFSET = 18
    DATA = 19
    CLONE_UUID = 20
    CLONE_CTRANSID = 21


_A = Attribute
_NEEDED: dict[Kind, tuple[Attribute, ...]] = {
    Kind.SNAPSHOT: (_A.PATH, _A.UUID, _A.CTRANSID, _A.CLONE_UUID, _A.CLONE_CTRANSID),
    Kind.MKFILE: (_A.PATH,),
    Kind.MKDIR: (_A.PATH,),
    Kind.SYMLINK: (_A.PATH, _A.PATH_LINK),
    Kind.RENAME: (_A.PATH, _A.PATH_TO),
    Kind.LINK: (_A.PATH, _A.PATH_LINK),
    Kind.UNLINK: (_A.PATH,),
    Kind.RMDIR: (_A.PATH,),
    Kind.SET_XATTR: (_A.PATH, _A.XATTR_NAME, _A.XATTR_DATA),
    Kind.REMOVE_XATTR: (_A.PATH, _A.XATTR_NAME),
    Kind.WRITE: (_A.PATH, _A.FILE_OFFSET, _A.DATA),
    Kind.TRUNCATE: (_A.PATH, _A.SIZE),
    Kind.CHMOD: (_A.PATH, _A.MODE),
    Kind.CHOWN: (_A.PATH, _A.UID, _A.GID),
    Kind.UTIMES: (_A.PATH, _A.ATIME, _A.MTIME),
    Kind.END: (),
}
_KINDS = frozenset(Kind)
_NUMBERS = {
    **dict.fromkeys((_A.CTRANSID, _A.CLONE_CTRANSID), (1 << 64) - 1),
    _A.MODE: (1 << 32) - 1,
    **dict.fromkeys((_A.SIZE, _A.FILE_OFFSET), _MOST_OFFSET),
    **dict.fromkeys((_A.UID, _A.GID), _NOBODY - 1),
}
_TIMES = {_A.MTIME, _A.ATIME}
_UUIDS = {_A.UUID, _A.CLONE_UUID}
_TEXTS = {_A.XATTR_NAME, _A.PATH, _A.PATH_TO, _A.PATH_LINK}


@dataclass(frozen=True)
class Command:
    """One change; `path` is relative to the snapshot, and empty for its top folder."""

    kind: Kind
    path: bytes
    values: dict[int, Any]  # by Attribute: numbers, bytes, and times in nanoseconds


@dataclass(frozen=True)
class Increment:
    """A stream that was read wholly.

    Attributes:
        name: of the snapshot, where it was sent.
        transaction: the number of the last one that changed the snapshot there.
    """

    name: bytes
    uuid: bytes
    transaction: int
    parent_uuid: bytes
    changes: list[Command]


class Splitter:
    """Splits a stream into its commands, in however many pieces it comes.

    Args:
        kinds: commands that are wanted; the others are skipped, and take no room.
    """

    def __init__(self, kinds: Collection[int] | None = None) -> None:
        self._kinds = kinds
        self._skip = _HEADER.size  # of what is to come
        self._rest = b""  # the beginning of a command that has not come whole

    @property
    def is_between(self) -> bool:
        """Tell whether all that came was whole commands."""
        return self._skip == 0 and not self._rest

    def feed(self, piece: bytes) -> Iterator[tuple[int, bytes]]:
        """The kinds of the wanted commands that are whole now, and their attributes."""
        data = self._rest + piece if self._rest else piece
        at, self._rest = self._skip, b""
        while at + _COMMAND.size <= len(data):
            length, kind, _ = _COMMAND.unpack_from(data, at)
            begin, end = at + _COMMAND.size, at + _COMMAND.size + length
            if self._kinds is None or kind in self._kinds:
                if end > len(data):
                    break
                yield kind, data[begin:end]
            at = end
        self._skip = max(0, at - len(data))
        self._rest = data[at:]


def parse(stream: bytes) -> Increment | None:
    """Read a whole stream; None if it has more commands than pays off, or others than are known.

    Raises:
        TransferFailed: it was cut, or is no such stream.
        StreamRefused: it is whole and makes no sense.
    """
    if len(stream) < _HEADER.size or not stream.startswith(_MAGIC):
        raise TransferFailed("this is not the stream of a snapshot; try again")
    if _HEADER.unpack_from(stream)[1] != _VERSION:
        return None
    splitter = Splitter()
    found = list(splitter.feed(stream))
    if not splitter.is_between or not found or found[-1][0] != Kind.END:
        raise TransferFailed("the stream of a snapshot is not whole; try again")
    if len(found) > MOST_COMMANDS or any(kind not in _KINDS for kind, _ in found):
        return None
    commands = [_command(Kind(kind), attributes(body)) for kind, body in found]
    first, changes = commands[0], commands[1:-1]
    kinds = [each.kind for each in commands]
    if first.kind != Kind.SNAPSHOT or kinds.count(Kind.SNAPSHOT) + kinds.count(Kind.END) != 2:
        raise StreamRefused("the stream is not that of one increment")
    said = first.values
    return Increment(first.path, said[_A.UUID], said[_A.CTRANSID], said[_A.CLONE_UUID], changes)


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
    missing = [each.name for each in _NEEDED[kind] if each not in found]
    if missing:
        raise StreamRefused(f"the stream has a {kind.name} without {missing[0]}")
    values: dict[int, Any] = {each: _value(each, found[each]) for each in _NEEDED[kind]}
    if kind == Kind.WRITE and values[_A.FILE_OFFSET] + len(values[_A.DATA]) > _MOST_OFFSET:
        raise StreamRefused("the stream writes beyond the end of any file")
    return Command(kind, values.pop(_A.PATH, b""), values)


def _value(attribute: int, value: bytes) -> Any:
    if attribute in _NUMBERS:
        number = int.from_bytes(value, "little")
        if len(value) == struct.calcsize("<Q") and number <= _NUMBERS[Attribute(attribute)]:
            return number
    elif attribute in _TIMES:
        return nanoseconds(value)
    elif attribute in _UUIDS:
        if len(value) == _UUID_BYTES:
            return value
    elif attribute not in _TEXTS or b"\0" not in value:
        return value
    raise StreamRefused(f"the stream has a bad {Attribute(attribute).name}")
