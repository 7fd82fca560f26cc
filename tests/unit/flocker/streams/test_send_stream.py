"""The reading of streams that another node sent, also of such as are damaged or made to do harm."""

from __future__ import annotations

import struct
import uuid
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flocker.base.errors import StreamRefused, TransferFailed
from flocker.streams.send_stream import (
    MOST_COMMANDS,
    Beginning,
    Command,
    Splitter,
    nanoseconds,
    parse,
    read,
)
from flocker.streams.stream_format import UPDATE_EXTENT, Attribute, Kind
from tests.forged_stream import END, attribute, begin, command

ONE, TWO = uuid.UUID(int=1).bytes, uuid.UUID(int=2).bytes
BEGIN = begin(b"2", TWO, ONE, transaction=9)
FIRST = BEGIN[:17] + command(Kind.SUBVOL, b"2", uuid=TWO, ctransid=9)
LATER = (1_234_567_890, 123_456_789)
CHANGES = [
    command(Kind.MKFILE, b"a"),
    command(Kind.WRITE, b"a", file_offset=4096, data=b"x" * 5000),
    command(Kind.CHOWN, b"a", uid=1, gid=2),
    command(Kind.UTIMES, b"", atime=LATER, mtime=LATER),
]
WHOLE = BEGIN + b"".join(CHANGES) + END


def test_a_stream_is_read() -> None:
    said = parse(WHOLE)
    assert said is not None
    assert said[0] == Beginning(b"2", TWO, 9, ONE)
    changes = [each for each in said if isinstance(each, Command)]
    assert [each.kind for each in changes] == [
        Kind.MKFILE, Kind.WRITE, Kind.CHOWN, Kind.UTIMES,
    ]  # fmt: skip
    assert [each.path for each in changes] == [b"a", b"a", b"a", b""]
    assert changes[1].values[Attribute.DATA] == b"x" * 5000
    assert changes[3].values[Attribute.MTIME] == 1_234_567_890_123_456_789


def test_a_whole_snapshot_has_no_parent() -> None:
    assert parse(FIRST + END) == [Beginning(b"2", TWO, 9, None)]


@given(st.lists(st.integers(1, len(WHOLE) - 1)))
def test_commands_are_the_same_in_whatever_pieces_they_come(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(WHOLE)]
    assert list(read(WHOLE[begins:ended] for begins, ended in pairwise(ends))) == parse(WHOLE)
    only = Splitter({Kind.CHOWN})
    kinds = [kind for begins, ended in pairwise(ends) for kind, _ in only.feed(WHOLE[begins:ended])]
    assert kinds == [Kind.CHOWN]


@given(st.integers(0, len(WHOLE) - 1))
def test_one_that_was_cut_is_not_refused_for_good(length: int) -> None:
    with pytest.raises(TransferFailed) as failed:
        parse(WHOLE[:length])
    assert not isinstance(failed.value, StreamRefused)


@pytest.mark.parametrize("more", [b"\0", END, CHANGES[0], BEGIN, WHOLE])
def test_nothing_may_follow_the_end(more: bytes) -> None:
    with pytest.raises(TransferFailed):
        parse(WHOLE + more)


def test_what_has_many_commands_is_left_to_a_process() -> None:
    few = BEGIN + CHANGES[0] * (MOST_COMMANDS - 2) + END
    assert parse(few) is not None
    assert parse(BEGIN + CHANGES[0] * (MOST_COMMANDS - 1) + END) is None


BAD = {
    "a later version of the format": begin(b"2", TWO, ONE, version=2) + END,
    "a whole snapshot after an increment": BEGIN + FIRST[17:] + END,
    "a device that is a file": BEGIN + command(Kind.MKNOD, b"a", mode=0o100666, rdev=259) + END,
    "a device without a number": BEGIN + command(Kind.MKNOD, b"a", mode=0o20666) + END,
    "shared data without a source": BEGIN + command(Kind.CLONE, b"a", file_offset=0) + END,
    "no data": BEGIN + command(UPDATE_EXTENT, b"a", file_offset=0, size=1) + END,
    "a command that nobody knows yet": BEGIN + command(99) + END,
    "a command longer than any": BEGIN + struct.pack("<IHI", 1 << 17, Kind.WRITE, 0),
    "no beginning": BEGIN[:17] + CHANGES[0] + END,
    "two beginnings": BEGIN + BEGIN[17:] + END,
    "an end in the middle": BEGIN + END + CHANGES[0] + END,
    "nothing but an end": BEGIN[:17] + END,
    "no path": BEGIN + command(Kind.MKDIR) + END,
    "no target": BEGIN + command(Kind.RENAME, b"a") + END,
    "a path with a null byte": BEGIN + command(Kind.MKDIR, b"a\0b") + END,
    "a target with a null byte": BEGIN + command(Kind.LINK, b"a", path_link=b"b\0") + END,
    "a number that is too short": BEGIN + command(Kind.CHMOD, b"a", mode=b"\0" * 4) + END,
    "an offset beyond any": BEGIN + command(Kind.WRITE, b"a", file_offset=1 << 63, data=b"x") + END,
    "an end beyond any": BEGIN
    + command(Kind.WRITE, b"a", file_offset=(1 << 63) - 1, data=bytes(4096))
    + END,
    "a mode beyond any": BEGIN + command(Kind.CHMOD, b"a", mode=1 << 32) + END,
    "an owner who is none": BEGIN + command(Kind.CHOWN, b"a", uid=(1 << 32) - 1, gid=0) + END,
    "an owner beyond any": BEGIN + command(Kind.CHOWN, b"a", uid=1 << 32, gid=0) + END,
    "an identity that is too short": begin(b"2", TWO[:8], ONE) + END,
    "a time without nanoseconds": BEGIN
    + command(Kind.UTIMES, b"a", atime=b"\0" * 8, mtime=LATER)
    + END,
    "a second of too many nanoseconds": BEGIN
    + command(Kind.UTIMES, b"a", atime=LATER, mtime=(1, 10**9))
    + END,
    "the same twice": BEGIN
    + struct.pack("<IHI", 10, Kind.UNLINK, 0)
    + attribute(Attribute.PATH, b"a") * 2
    + END,
    "an attribute longer than its command": BEGIN
    + struct.pack("<IHI", 5, Kind.UNLINK, 0)
    + struct.pack("<HH", Attribute.PATH, 2)
    + b"a"
    + END,
    "a command with a rest": BEGIN
    + struct.pack("<IHI", 7, Kind.UNLINK, 0)
    + attribute(Attribute.PATH, b"a")
    + b"\0\0"
    + END,
}


@pytest.mark.parametrize("what", BAD)
def test_what_makes_no_sense_is_refused(what: str) -> None:
    with pytest.raises(StreamRefused):
        parse(BAD[what])


@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=8))
def test_damage_has_no_other_outcome(at: int, damage: bytes) -> None:
    with suppress(TransferFailed):
        parse(WHOLE[:at] + damage + WHOLE[at + len(damage) :])


def test_times_before_1970_are_read() -> None:
    assert nanoseconds(struct.pack("<qI", -1, 999_999_999)) == -1
