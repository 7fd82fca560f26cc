"""Makes random streams: some of them make sense, most nearly."""

from __future__ import annotations

import random
import struct
import uuid
from collections.abc import Iterator

from flocker.streams.stream_format import Kind
from tests.forged_stream import END, Value, begin, begin_whole, command

NAMES = [
    *(b"a", b"folder", b"link", b"loop", b"fifo", b"null", b"new", b"x" * 300, b"\xff", b"b\n"),
    *(b"..", b".", b"", b"2", b"1"),
]
NUMBERS = [0, 1, 4096, (1 << 31) - 1, 1 << 32, (1 << 63) - 1, (1 << 64) - 1]
MODES = [0o644, 0o4755, 0o20666, 0o60660, 0o100644, 0o120777, 1 << 31]
TIMES = [(0, 0), (-1, 999_999_999), (1 << 62, 0), (1, 10**9)]
ATTRIBUTES = [
    b"user.a",
    b"trusted.b",
    b"security.capability",
    b"system.posix_acl_access",
    b"btrfs.c",
]


def a_stream(draw: random.Random, identity: uuid.UUID, parent: uuid.UUID | None) -> bytes:
    """One stream of the snapshot `2`; `parent` is what it may build on."""
    name = b"2" if draw.random() < 0.95 else _path(draw)
    if parent is None:
        beginning = begin_whole(name, identity.bytes)
    else:
        beginning = begin(name, identity.bytes, parent.bytes)
    known = [identity.bytes, b"x" * 16, *([parent.bytes] if parent else [])]
    changes = [_change(draw, known) for _ in range(draw.randrange(12))]
    stream = beginning + b"".join(changes) + END
    return _damaged(draw, stream) if draw.random() < 0.2 else stream


def in_pieces(draw: random.Random, stream: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(stream):
        size = draw.choice([1, 7, 100, 1 << 20])
        yield stream[at : at + size]
        at += size


def _path(draw: random.Random) -> bytes:
    path = b"/".join(draw.choice(NAMES) for _ in range(draw.choice([1, 1, 1, 2, 2, 3, 6])))
    return draw.choice([path, path, path, b"/" + path, b"../../outside/kept", path + b"/"])


def _change(draw: random.Random, identities: list[bytes]) -> bytes:
    kind = draw.choice([*Kind, 99])
    values: dict[str, Value] = {
        "size": draw.choice(NUMBERS),
        "mode": draw.choice(MODES),
        "uid": draw.choice(NUMBERS[:5]),
        "gid": draw.choice(NUMBERS[:5]),
        "rdev": draw.choice(NUMBERS[:5]),
        "atime": draw.choice(TIMES),
        "mtime": draw.choice(TIMES),
        "xattr_name": draw.choice(ATTRIBUTES),
        "xattr_data": draw.randbytes(draw.choice([0, 20, 5000])),
        "path_to": _path(draw),
        "path_link": _path(draw),
        "file_offset": draw.choice(NUMBERS),
        "data": draw.choice([b"", b"harm", bytes(9000)]),
        "clone_uuid": draw.choice(identities),
        "clone_ctransid": 1,
        "clone_path": _path(draw),
        "clone_offset": draw.choice(NUMBERS),
        "clone_len": draw.choice(NUMBERS),
    }
    if draw.random() < 0.1:
        del values[draw.choice(list(values))]
    return command(kind, _path(draw), **values)


def _damaged(draw: random.Random, stream: bytes) -> bytes:
    at = draw.randrange(len(stream))
    return draw.choice(
        [
            stream[:at],
            stream[:at] + draw.randbytes(4) + stream[at + 4 :],
            stream[:at] + stream[at // 2 :],
            stream + stream[at:],
            stream[:17] + struct.pack("<IHI", 1 << 31, Kind.WRITE, 0) + stream[17:],
        ]
    )
