"""Nobody but root can read what the driver writes."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

import flocker
from flocker.base import private

MODULES = sorted(Path(flocker.__file__).parent.rglob("*.py"))
# Modules that write the content of volumes, or no files at all.
WRITES_ELSEWHERE = {"private.py"}
WRITES = re.compile(r"\.write_text\(|\.write_bytes\(|open\([^)]*[\"'][wax]b?[\"']|\.touch\(\)")


@pytest.fixture(autouse=True)
def _no_mask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_closed_to_others(tmp_path: Path) -> None:
    private.write(tmp_path / "list.json", "{}")
    private.write(tmp_path / "flushed.json", "{}", is_flushed=True)
    assert {path.name: mode(path) for path in tmp_path.iterdir()} == {
        "list.json": 0o600,
        "flushed.json": 0o600,
    }


def test_a_file_that_others_could_read_is_replaced_by_one_they_cannot(tmp_path: Path) -> None:
    for name in ("list.json", "list.new"):
        (tmp_path / name).write_text("old")
        (tmp_path / name).chmod(0o666)
    private.write(tmp_path / "list.json", "new")
    assert mode(tmp_path / "list.json") == 0o600
    assert (tmp_path / "list.json").read_text() == "new"
    assert not (tmp_path / "list.new").exists()


def test_files_that_belong_together_are_closed_and_nothing_else_is_left(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("old")
    private.write_together(tmp_path, {"key.pem": "key", "cert.pem": "cert"})
    assert {path.name: (mode(path), path.read_text()) for path in tmp_path.iterdir()} == {
        "key.pem": (0o600, "key"),
        "cert.pem": (0o600, "cert"),
    }


def test_a_folder_is_closed_with_the_files_in_it_and_nothing_else(tmp_path: Path) -> None:
    folder, outside = tmp_path / "pool", tmp_path / "outside"
    (folder / "content").mkdir(parents=True)
    for file in (folder / "old.json", outside):
        file.touch()
        file.chmod(0o644)
    (folder / "link").symlink_to(outside)
    private.make_folder(folder)
    private.make_folder(tmp_path / "new")
    assert mode(folder) == mode(tmp_path / "new") == 0o700
    assert mode(folder / "old.json") == 0o600
    assert mode(folder / "content") == 0o777
    assert mode(outside) == 0o644


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_no_module_writes_a_file_in_another_way(module: Path) -> None:
    if module.name not in WRITES_ELSEWHERE:
        assert WRITES.findall(module.read_text()) == []
