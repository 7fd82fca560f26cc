"""The list of files shows every difference there can be, or a move would be proven by nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from acceptance.manifest import HOLE_BYTES, describe


def listed(top: Path) -> list[str]:
    names: dict[int, str] = {}
    return [describe(path, names).replace(str(top), "") for path in sorted(top.rglob("*"))]


@pytest.fixture
def original(tmp_path: Path) -> Path:
    top = tmp_path / "original"
    top.mkdir()
    (top / "file").write_text("content")
    (top / "linked").hardlink_to(top / "file")
    (top / "link").symlink_to("file")
    with (top / "hole").open("wb") as sparse:
        sparse.truncate(HOLE_BYTES)
    return top


@pytest.fixture
def copied(original: Path) -> Path:
    top = original.parent / "copied"
    shutil.copytree(original, top, symlinks=True)
    for name in ("linked", "hole"):
        (top / name).unlink()
    (top / "linked").hardlink_to(top / "file")
    with (top / "hole").open("wb") as sparse:
        sparse.truncate(HOLE_BYTES)
    shutil.copystat(original / "hole", top / "hole")
    # copytree gives a symbolic link the time of the copy.
    when = (original / "link").lstat().st_mtime_ns
    os.utime(top / "link", ns=(when, when), follow_symlinks=False)
    return top


def other_content(top: Path) -> None:
    before = (top / "file").stat()
    (top / "file").write_text("c0ntent")
    os.utime(top / "file", ns=(before.st_atime_ns, before.st_mtime_ns))


def other_link(top: Path) -> None:
    (top / "link").unlink()
    (top / "link").symlink_to("elsewhere")


def no_hole(top: Path) -> None:
    before = (top / "hole").stat()
    (top / "hole").write_bytes(bytes(HOLE_BYTES))
    os.utime(top / "hole", ns=(before.st_atime_ns, before.st_mtime_ns))


def two_files(top: Path) -> None:
    before = (top / "linked").stat()
    (top / "linked").unlink()
    (top / "linked").write_text("content")
    os.utime(top / "linked", ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: list[Callable[[Path], None]] = [
    other_content,
    other_link,
    no_hole,
    two_files,
    lambda top: (top / "file").chmod(0o600),
    lambda top: os.utime(top / "file", ns=(0, 1)),
    lambda top: (top / "link").unlink(),
    lambda top: (top / "more").mkdir(),
    lambda top: os.chown(top / "file", 1234, 4321),
    lambda top: os.setxattr(top / "file", "user.colour", b"red"),
]


def test_a_faithful_copy_has_the_same_list(original: Path, copied: Path) -> None:
    assert listed(original) == listed(copied)


@pytest.mark.parametrize("change", CHANGES)
def test_a_difference_shows(original: Path, copied: Path, change: Callable[[Path], None]) -> None:
    try:
        change(copied)
    except OSError as error:
        pytest.skip(f"not possible here: {error}")
    assert listed(original) != listed(copied)
