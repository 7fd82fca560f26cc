"""Streams of `btrfs send` made by hand, also such as no kernel would send."""

from __future__ import annotations

import struct
import uuid
from pathlib import Path

from flocker.btrfs import subvolume
from flocker.streams.stream_format import Attribute, Kind

Value = bytes | int | tuple[int, int]  # the latter: seconds and nanoseconds
INODE = 3  # of what is made, where it was sent; `btrfs receive` wants to be told
MAKING = (Kind.MKFILE, Kind.MKDIR, Kind.MKNOD, Kind.MKFIFO, Kind.MKSOCK, Kind.SYMLINK)
END = struct.pack("<IHI", 0, Kind.END, 0)


def command(kind: int, path: bytes | None = None, **values: Value) -> bytes:
    """One command; `values` are named as attributes are, in small letters."""
    body = b"" if path is None else attribute(Attribute.PATH, path)
    if kind in MAKING:
        body += attribute(INODE, 257)
    for name, value in values.items():
        body += attribute(Attribute[name.upper()], value)
    return struct.pack("<IHI", len(body), kind, 0) + body


def attribute(kind: int, value: Value) -> bytes:
    if isinstance(value, int):
        value = struct.pack("<Q", value)
    elif isinstance(value, tuple):
        value = struct.pack("<qI", *value)
    return struct.pack("<HH", kind, len(value)) + value


def begin(
    name: bytes, identity: bytes, parent: bytes, *, version: int = 1, transaction: int = 7
) -> bytes:
    """The header and the first command of an increment."""
    header = struct.pack("<13sI", b"btrfs-stream\0", version)
    values = {"ctransid": transaction, "clone_uuid": parent, "clone_ctransid": 1}
    return header + command(Kind.SNAPSHOT, name, uuid=identity, **values)


def begin_on(parent: Path, name: bytes, identity: str) -> bytes:
    """The same, for one that builds on the subvolume at `parent`."""
    facts = subvolume.look(parent)
    return begin(name, uuid.UUID(identity).bytes, uuid.UUID(facts.identity).bytes)


def begin_whole(name: bytes, identity: bytes, *, transaction: int = 7) -> bytes:
    """The header and the first command of a snapshot that builds on nothing."""
    header = struct.pack("<13sI", b"btrfs-stream\0", 1)
    return header + command(Kind.SUBVOL, name, uuid=identity, ctransid=transaction)


def with_checksums(stream: bytes) -> bytes:
    """The stream as `btrfs receive` accepts it; the driver looks at no checksums."""
    header = struct.calcsize("<13sI")
    made, at = stream[:header], header
    while at < len(stream):
        length, kind, _ = struct.unpack_from("<IHI", stream, at)
        body = stream[at + 10 : at + 10 + length]
        made += struct.pack(
            "<IHI", length, kind, _crc32c(struct.pack("<IHI", length, kind, 0) + body)
        )
        made += body
        at += 10 + length
    return made


def _crc32c(data: bytes) -> int:
    """As the kernel seeds it for streams: with zero, and not inverted in the end."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc
