"""Streams that do harm when `btrfs receive` takes them, and none when the driver does."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flocker.base.errors import StreamRefused, TransferFailed
from flocker.btrfs import subvolume
from flocker.streams import btrfs_stream
from flocker.streams.expected import Expected
from flocker.streams.stream_format import Kind
from tests.contract.flocker.conftest import mounted_btrfs
from tests.forged_stream import END, begin, begin_on, begin_whole, command, with_checksums
from tests.fuzz import run

pytestmark = pytest.mark.contract

TWO = uuid.UUID(int=2)
HARM = {"file_offset": 0, "data": b"harm"}
SECRET = "of another volume"  # noqa: S105  what must not be read


class Place:
    """Two volumes' snapshots on a btrfs, and a folder beside them that nobody may change."""

    def __init__(self, root: Path) -> None:
        self.outside, self.snapshots = root / "outside", root / "volume" / "snapshots"
        self.outside.mkdir()
        self.kept = self.outside / "kept"
        self.kept.write_text("kept")
        self.kept.chmod(0o600)
        self.base = self._snapshot("volume", link=self.outside)
        self.other = self._snapshot("other", secret=SECRET)

    def _snapshot(self, name: str, secret: str = "", link: Path | None = None) -> Path:
        folder = self.outside.parent / name
        (folder / "snapshots").mkdir(parents=True)
        subvolume.create(folder / "live")
        (folder / "live" / "a").write_text(secret.ljust(4096))
        if link is not None:
            (folder / "live" / "folder").symlink_to(link)
            (folder / "live" / "link").symlink_to(link / "kept")
        # As one that was received: the program finds no others.
        subvolume.snapshot(folder / "live", folder / "snapshots" / "1")
        subvolume.set_received(folder / "snapshots" / "1", os.urandom(16), 1)
        subvolume.set_readonly(folder / "snapshots" / "1", is_readonly=True)
        return folder / "snapshots" / "1"

    @property
    def made(self) -> Path:
        return self.snapshots / "2"

    def receive(self, stream: bytes, base: Path | None) -> None:
        """Have a process of the driver make the second snapshot."""
        if base is None:
            subvolume.create(self.made)
        else:
            subvolume.snapshot(base, self.made)
        parent = None if base is None else subvolume.look(base).identity
        btrfs_stream.receive([stream], Expected("2", str(TWO), parent), self.made, base)

    def is_harmed(self) -> bool:
        facts = self.kept.stat() if self.kept.exists() else None
        is_kept = facts is not None and (facts.st_mode, self.kept.read_text()) == (0o100600, "kept")
        there = sorted(path.name for path in self.outside.parent.iterdir())
        has_secret = self.made.is_dir() and any(
            SECRET in path.read_text()
            for path in self.made.iterdir()
            if path.is_file() and not path.is_symlink()
        )
        return (
            not is_kept
            or [path.name for path in self.outside.iterdir()] != ["kept"]
            or there != ["other", "outside", "volume"]
            or has_secret
        )


@pytest.fixture
def place() -> Iterator[Place]:
    with mounted_btrfs() as root:
        yield Place(root)


def on(place: Place, *commands: bytes) -> bytes:
    return begin_on(place.base, b"2", str(TWO)) + b"".join(commands) + END


def whole(*commands: bytes) -> bytes:
    return begin_whole(b"2", TWO.bytes) + b"".join(commands) + END


def shared(place: Place, path: bytes) -> bytes:
    source = uuid.UUID(subvolume.look(place.other).identity).bytes
    numbers = {"file_offset": 0, "clone_ctransid": 1, "clone_offset": 0, "clone_len": 4096}
    return command(Kind.CLONE, path, clone_uuid=source, clone_path=b"a", **numbers)


def of_another_volume(place: Place) -> bytes:
    identity = uuid.UUID(subvolume.look(place.other).identity).bytes
    return begin(b"2", TWO.bytes, identity, transaction=1) + END


CORPUS: dict[str, Callable[[Place], bytes]] = {
    "a file above": lambda _: whole(command(Kind.MKFILE, b"../../../outside/harm")),
    "a file beyond a link that the stream made": lambda place: whole(
        command(Kind.SYMLINK, b"way", path_link=os.fsencode(place.outside)),
        command(Kind.MKFILE, b"way/harm"),
    ),
    "content through a link that was there": lambda place: on(
        place, command(Kind.WRITE, b"link", **HARM)
    ),
    "content beyond a link that was there": lambda place: on(
        place, command(Kind.WRITE, b"folder/kept", **HARM)
    ),
    "a set-uid program outside": lambda place: whole(
        command(Kind.SYMLINK, b"way", path_link=os.fsencode(place.kept)),
        command(Kind.CHMOD, b"way", mode=0o4755),
    ),
    "a device outside": lambda _: whole(
        command(Kind.MKNOD, b"../../../outside/harm", mode=0o60666, rdev=1792)
    ),
    "a size through a link": lambda place: on(place, command(Kind.TRUNCATE, b"link", size=0)),
    "a deletion outside": lambda _: whole(command(Kind.UNLINK, b"../../../outside/kept")),
    "a folder outside": lambda _: whole(command(Kind.MKDIR, b"../../../outside/harm")),
    "data of another volume": lambda place: whole(
        command(Kind.MKFILE, b"mine"), shared(place, b"mine")
    ),
    "all of another volume": of_another_volume,
}


ALSO_REFUSED_BY_THE_PROGRAM: dict[str, Callable[[Place], bytes]] = {
    "a snapshot above its folder": lambda _: begin_whole(b"../../harm", TWO.bytes) + END,
    "a name taken away outside": lambda _: whole(
        command(Kind.RENAME, b"../../../outside/kept", path_to=b"mine")
    ),
}
ALL = CORPUS | ALSO_REFUSED_BY_THE_PROGRAM


@pytest.mark.parametrize("what", CORPUS)
def test_it_does_harm_by_the_program(place: Place, what: str) -> None:
    """Else it would prove nothing of the driver."""
    stream = with_checksums(CORPUS[what](place))
    subprocess.run(
        ["btrfs", "receive", "-q", "-e", str(place.snapshots)],
        input=stream, check=False, capture_output=True,
    )  # fmt: skip
    assert place.is_harmed()


@pytest.mark.parametrize("what", ALL)
def test_it_does_none_by_the_driver(place: Place, what: str) -> None:
    assert not place.is_harmed()
    for base in (None, place.base):
        with pytest.raises(TransferFailed):
            place.receive(ALL[what](place), base)
        assert not place.is_harmed()
        if place.made.is_dir():
            subvolume.delete(place.made)


@pytest.mark.parametrize("damage", ["a command without end", "no end"])
def test_a_stream_of_any_length_takes_little_memory(place: Place, damage: str) -> None:
    """Nothing is kept of a command that announces gigabytes."""
    announced = b"\xff\xff\xff\x7f\x0f\0\0\0\0\0"
    head = begin_whole(b"2", TWO.bytes)
    stream = head + (announced if damage == "a command without end" else b"")
    kind = StreamRefused if damage == "a command without end" else TransferFailed
    with pytest.raises(kind):
        place.receive(stream, None)


def test_random_streams_change_nothing_else() -> None:
    with mounted_btrfs() as root:
        outcomes = run.apply(seconds=5, seed=1, root=root)
    assert {"applied", "StreamRefused"} <= set(outcomes)
