"""The room that nodes have on this machine is read as it is."""

import os
from pathlib import Path

import pytest

from host import facts
from host.facts import GIB


def test_one_file_system_has_to_hold_what_both_folders_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(facts.NODES_DATA, "docker", tmp_path / "not" / "there" / "yet")
    monkeypatch.setattr(facts, "ROOT", tmp_path)
    (disk,) = facts.read_disks("docker")
    (with_ceph,) = facts.read_disks("docker", with_ceph=True)
    assert with_ceph.needed_bytes == disk.needed_bytes + facts.CEPH_BYTES
    assert disk.needed_bytes == facts.NODES_BYTES + facts.CHECKOUT_BYTES
    assert disk.free_bytes > 0


def test_free_memory_is_read_from_the_kernels_table() -> None:
    table = "MemTotal:       24660016 kB\nMemFree:  1 kB\nMemAvailable:   2097152 kB\n"
    assert facts.read_free_memory(table) == 2 * GIB


def test_what_a_strict_umask_keeps_from_the_nodes_user_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "NODES_USER", os.getuid() + 1)
    app = tmp_path / "app"
    app.mkdir(mode=0o755)
    for file in ("docker-compose.yml", "other.yml"):
        (app / file).touch(mode=0o644)
    assert facts.read_closed(tmp_path) == ()
    (app / "other.yml").chmod(0o600)
    assert facts.read_closed(tmp_path) == (app / "other.yml",)
    app.chmod(0o700)
    assert facts.read_closed(tmp_path) == (app, app / "other.yml")
    monkeypatch.setattr(facts, "NODES_USER", os.getuid())
    assert facts.read_closed(tmp_path) == ()
