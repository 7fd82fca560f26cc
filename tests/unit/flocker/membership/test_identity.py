"""A machine is told from another one that looks the same."""

from __future__ import annotations

import shutil
from pathlib import Path

from flocker.membership.identity import Identity, hardware


def one(folder: Path, describe: str = "board-1 system-1") -> Identity:
    return Identity(folder / "machine.json", lambda: describe)


def test_a_machine_stays_the_same(tmp_path: Path) -> None:
    assert one(tmp_path).machine == one(tmp_path).machine


def test_machines_of_one_image_differ(tmp_path: Path) -> None:
    assert one(tmp_path / "a").machine != one(tmp_path / "b").machine


def test_a_copy_of_a_disk_is_another_machine(tmp_path: Path) -> None:
    original = one(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert one(tmp_path / "b", "board-2 system-1").machine != original.machine
    assert one(tmp_path / "a", "board-1 system-2").machine != original.machine


def test_a_machine_is_new_until_it_is_settled_and_so_are_its_copies(tmp_path: Path) -> None:
    assert one(tmp_path / "a").is_new
    assert one(tmp_path / "a").is_new, "only looking does not settle it"
    one(tmp_path / "a").settle()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert not one(tmp_path / "a").is_new
    assert not one(tmp_path / "b", "board-2 system-1").is_new


def test_this_machine_is_described_the_same_each_time() -> None:
    assert hardware() == hardware()
