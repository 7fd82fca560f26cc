"""A digest tells two folders apart by everything that travels, and by nothing else."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flocker.base.errors import PoolError
from flocker.pool import digest

FAST = 1 << 40  # bytes per second

Change = Callable[[Path], object]


def build(folder: Path) -> None:
    """Make a folder with something of each kind; always the same."""
    (folder / "folder" / "empty").mkdir(parents=True)
    (folder / "file").write_bytes(b"text" * 50_000)
    (folder / "folder" / "other").write_text("other")
    (folder / "hole").touch()
    os.truncate(folder / "hole", 1 << 20)
    os.link(folder / "file", folder / "folder" / "link")
    (folder / "symlink").symlink_to("file")
    os.mkfifo(folder / "pipe")
    os.setxattr(folder / "file", "user.colour", b"blue")
    rewind(folder)


def rewind(folder: Path) -> None:
    """Have everything changed at the same time as always."""
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (0, 0), follow_symlinks=False)


def sum_of(folder: Path) -> str:
    return digest.of(folder, FAST).sha256


@pytest.fixture
def one(tmp_path: Path) -> Path:
    build(tmp_path / "one")
    return tmp_path / "one"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    build(tmp_path / "other")
    return tmp_path / "other"


def test_equal_folders_have_equal_digests(one: Path, other: Path) -> None:
    found = digest.of(one, FAST)
    assert found == digest.of(other, FAST)
    assert found.entries == 9
    assert found.size_bytes == 200_000 + (1 << 20) + 5


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "file").write_bytes(b"TEXT" + b"text" * 49_999),
        lambda folder: (folder / "file").write_bytes(b"text" * 50_000 + b"\0"),
        lambda folder: (folder / "file").rename(folder / "File"),
        lambda folder: (folder / "file").chmod(0o600),
        lambda folder: (folder / "file").chmod(0o4644),
        lambda folder: os.chown(folder / "file", 5, -1),
        lambda folder: os.chown(folder / "symlink", -1, 5, follow_symlinks=False),
        lambda folder: os.setxattr(folder / "file", "user.colour", b"red"),
        lambda folder: os.removexattr(folder / "file", "user.colour"),
        lambda folder: (folder / "folder" / "empty").rmdir(),
        lambda folder: (folder / "another").touch(),
        lambda folder: (folder / "pipe").unlink() or (folder / "pipe").touch(),
        lambda folder: (folder / "symlink").unlink() or (folder / "symlink").symlink_to("hole"),
        lambda folder: (
            (folder / "folder" / "link").unlink()
            or shutil.copy2(folder / "file", folder / "folder" / "link")
        ),
        lambda folder: folder.chmod(0o700),
        lambda folder: (folder / "hole").write_bytes(bytes((1 << 20) - 1) + b"x"),
    ],
)
def test_whatever_differs_is_seen(one: Path, other: Path, change: Change) -> None:
    change(other)
    rewind(other)
    assert sum_of(one) != sum_of(other)


def test_another_time_is_seen(one: Path, other: Path) -> None:
    os.utime(other / "file", ns=(0, 1))
    assert sum_of(one) != sum_of(other)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "hole").write_bytes(bytes(1 << 20)),
        lambda folder: (folder / "file").read_bytes(),
        lambda folder: os.utime(folder / "file", (9, 0)),
    ],
    ids=["zeros", "read", "access time"],
)
def test_nothing_else_is(one: Path, other: Path, change: Change) -> None:
    change(other)
    os.utime(other / "hole", (0, 0))
    assert sum_of(one) == sum_of(other)


def test_what_a_newer_version_says_besides_makes_no_difference() -> None:
    mine = digest.Digest("0", 1, 2)
    assert digest.Digest.from_json({**mine.to_json(), "colour": "green"}) == mine


def test_an_odd_name_is_no_trouble(tmp_path: Path) -> None:
    for name in (b"new\nline", b"\xff\xfe", b"x" * 255):
        (tmp_path / os.fsdecode(name)).touch()
    assert digest.of(tmp_path, FAST).entries == 4


def test_reading_keeps_to_its_rate(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(os.urandom(1 << 20))
    began = time.monotonic()
    digest.of(tmp_path, 1 << 20)
    assert time.monotonic() - began >= 0.9


def test_a_large_hole_takes_no_time(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.truncate(1 << 40)
        file.seek(1 << 39)
        file.write(b"x")
    assert digest.of(tmp_path, 1 << 20).size_bytes == 1 << 40


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match=r"nowhere cannot be read: No such file or directory"):
        digest.of(tmp_path / "nowhere", FAST)
