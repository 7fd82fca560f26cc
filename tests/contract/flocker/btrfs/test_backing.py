"""A pool in a sparse file has no more room than the disk below it; on real file systems."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.btrfs import backing
from flocker.pool.btrfs_pool import BtrfsPool

pytestmark = pytest.mark.contract

MIB = 1 << 20


@pytest.fixture(params=["sparse", "allocated"])
def pool(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[BtrfsPool]:
    """A pool of 400 MiB in a file on a disk of 500 MiB, of which 100 MiB are to be kept."""
    monkeypatch.setattr(backing, "KEPT_BYTES", 100 * MIB)
    disk, root = tmp_path / "disk with space", tmp_path / "root with space"
    for folder in (disk, root):
        folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=500M", "none", disk], check=True)
    try:
        with (disk / "pool.img").open("wb") as file:
            file.truncate(400 * MIB)
            if request.param == "allocated":
                os.posix_fallocate(file.fileno(), 0, 400 * MIB)
        subprocess.run(["mkfs.btrfs", "-q", "--nodiscard", disk / "pool.img"], check=True)
        mount = ["mount", "-o", "loop,noatime,nodiscard", str(disk / "pool.img"), str(root)]
        eventually(lambda: subprocess.run(mount, check=False).returncode, is_=0, within=10)
        try:
            yield BtrfsPool(root)
        finally:
            subprocess.run(["umount", "--lazy", root], check=True)
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_what_is_free_is_the_less_of_inside_and_outside(pool: BtrfsPool) -> None:
    disk = pool.root.parent / "disk with space"
    before = pool.usage().free_bytes
    assert 250 * MIB < before < 400 * MIB
    is_sparse = (disk / "pool.img").stat().st_blocks * 512 < 400 * MIB
    with (disk / "etcd").open("wb") as file:  # somebody else takes room
        os.posix_fallocate(file.fileno(), 0, 300 * MIB if is_sparse else 90 * MIB)
    after = pool.usage().free_bytes
    if is_sparse:
        assert after < 110 * MIB
    else:
        assert after == before  # it has its room already


def test_room_that_the_file_has_taken_is_not_taken_again(pool: BtrfsPool) -> None:
    with (pool.root / "file").open("wb") as file:
        file.write(os.urandom(150 * MIB))
        os.fsync(file.fileno())
    full = pool.usage().free_bytes
    (pool.root / "file").unlink()
    pool.await_deletions(5)
    eventually(lambda: pool.usage().free_bytes - full > 140 * MIB, is_=True, within=10)
