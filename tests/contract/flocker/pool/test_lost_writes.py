"""A disk that refuses what the kernel has accepted already: nothing of it may count as on disk."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flocker.base.errors import LostWrites
from flocker.base.records import Claim, Snapshot
from flocker.pool.btrfs_pool import BtrfsPool
from tests.contract.flocker.conftest import SURE, MakeBtrfsPool
from tests.contract.flocker.pool.test_pool import a_claim, put_away, text_of, written

pytestmark = pytest.mark.contract

DISK_BYTES = 300 << 20
SMALL_BYTES = DISK_BYTES + (8 << 20)
FILES, FILE_BYTES = 30, 256 << 10
CHUNK = re.compile(
    r"length (\d+) owner 2 .* type (\w+)\|single(?:.*\n)*?\s+stripe 0 devid 1 offset (\d+)"
)
PUNCH_HOLE = 3  # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


class SmallDisk:
    """A pool on a file whose records have their room, and whose data finds it only if there is."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.root = root
        self._folder = folder

    def fill(self) -> None:
        """Let nothing be written any more where nothing was written before."""
        with (self._folder / "fill").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError:
                return

    def free(self) -> None:
        (self._folder / "fill").unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder, root = tmp_path / "small", tmp_path / "root"
    folder.mkdir()
    root.mkdir()
    with _mounted("-t", "tmpfs", "-o", f"size={SMALL_BYTES}", "tmpfs", folder):
        disk = folder / "disk.img"
        with disk.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, DISK_BYTES)
            run("mkfs.btrfs", "-q", "-m", "single", "-d", "single", disk)
            tree = run("btrfs", "inspect-internal", "dump-tree", "-t", "chunk", disk)
            chunks = [(kind, int(at), int(length)) for length, kind, at in CHUNK.findall(tree)]
            first = min(at for kind, at, _ in chunks if kind == "DATA")
            assert first > max(at for kind, at, _ in chunks if kind != "DATA")
            assert _libc.fallocate(file.fileno(), PUNCH_HOLE, first, DISK_BYTES - first) == 0
        with _mounted("-o", "loop,noatime", disk, root):
            yield SmallDisk(folder, root)


@contextmanager
def _mounted(*arguments: str | Path) -> Iterator[None]:
    run("mount", *arguments)
    try:
        yield
    finally:
        run("umount", "--lazy", arguments[-1])  # the pool of a test that failed has it open


def run(*command: str | Path) -> str:
    return subprocess.run(
        list(map(str, command)), check=True, capture_output=True, text=True
    ).stdout


def many_files(pool: BtrfsPool, claim: Claim) -> Snapshot:
    for number in range(FILES):
        (pool.writable_path(claim) / str(number)).write_bytes(os.urandom(FILE_BYTES))
    return pool.take_snapshot(claim)


def sizes(folder: Path) -> set[int]:
    """The content on the disk, not in memory."""
    Path("/proc/sys/vm/drop_caches").write_text("3")
    return {path.stat().st_size for path in folder.iterdir()}


def test_a_snapshot_that_the_disk_did_not_take_is_not_received(
    make_btrfs_pool: MakeBtrfsPool, small_disk: SmallDisk
) -> None:
    source, target = make_btrfs_pool(), BtrfsPool(small_disk.root)
    claim = a_claim()
    source.create(claim)
    snapshot = many_files(source, claim)
    small_disk.fill()
    with pytest.raises(LostWrites, match="No space left on device"):
        target.receive(
            claim.volume_id, snapshot, None, source.send(claim.volume_id, snapshot.number, None)
        )
    assert target.snapshots(claim.volume_id) == []

    small_disk.free()
    target.receive(
        claim.volume_id, snapshot, None, source.send(claim.volume_id, snapshot.number, None)
    )
    later = Claim(claim.volume_id, 2)
    target.adopt(later, snapshot)
    assert sizes(target.writable_path(later)) == {FILE_BYTES}


def test_a_snapshot_of_what_the_disk_did_not_take_is_not_taken(small_disk: SmallDisk) -> None:
    pool, claim = BtrfsPool(small_disk.root), a_claim()
    pool.create(claim)
    small_disk.fill()
    with pytest.raises(LostWrites, match="files written in the last seconds may be incomplete"):
        many_files(pool, claim)
    assert pool.snapshots(claim.volume_id) == []
    small_disk.free()
    assert pool.take_snapshot(claim).number == 1  # said once; the loss is not the driver's to mend


def test_one_volume_being_told_of_a_loss_does_not_hide_it_from_another(
    small_disk: SmallDisk,
) -> None:
    pool, one, other = BtrfsPool(small_disk.root), a_claim(), a_claim()
    for claim in (one, other):
        pool.create(claim)
    small_disk.fill()
    (pool.writable_path(other) / "file").write_bytes(os.urandom(FILE_BYTES))
    for claim in (one, other):
        with pytest.raises(LostWrites):
            many_files(pool, claim)
    small_disk.free()


def saved_on_a_disk_that_takes_no_more(small_disk: SmallDisk) -> tuple[BtrfsPool, Claim, Snapshot]:
    """A volume that says "saved" in its only snapshot, and was written to afterwards."""
    pool, claim = BtrfsPool(small_disk.root), a_claim()
    pool.create(claim)
    first = written(pool, claim, "saved")
    small_disk.fill()
    (pool.writable_path(claim) / "large").write_bytes(os.urandom(FILE_BYTES))
    return pool, claim, first


def test_a_copy_is_not_put_away_before_the_disk_has_it(small_disk: SmallDisk) -> None:
    pool, claim, first = saved_on_a_disk_that_takes_no_more(small_disk)
    with pytest.raises(LostWrites):
        put_away(pool, Claim(claim.volume_id, 2), first)
    assert text_of(pool, claim) == "saved"
    small_disk.free()
    put_away(pool, Claim(claim.volume_id, 2), first)
    assert not pool.has_writable(claim.volume_id)


def test_a_copy_is_not_replaced_before_the_disk_has_it(small_disk: SmallDisk) -> None:
    pool, claim, first = saved_on_a_disk_that_takes_no_more(small_disk)
    with pytest.raises(LostWrites):
        pool.adopt(Claim(claim.volume_id, 2), first)
    assert text_of(pool, claim) == "saved"
    small_disk.free()


def test_a_volume_is_removed_without_what_the_disk_lost_and_the_loss_is_shown(
    small_disk: SmallDisk,
) -> None:
    pool, claim, _ = saved_on_a_disk_that_takes_no_more(small_disk)
    pool.discard(claim.volume_id, "demo", "node1", SURE)
    assert "No space left on device" in str(pool.trouble())
    small_disk.free()
    assert [aside.why for aside in pool.asides()] == ["removed"]


def test_the_last_loss_is_remembered(small_disk: SmallDisk) -> None:
    pool, claim = BtrfsPool(small_disk.root), a_claim()
    pool.create(claim)
    assert pool.trouble() is None
    small_disk.fill()
    with pytest.raises(LostWrites):
        many_files(pool, claim)
    small_disk.free()
    assert "No space left on device" in str(pool.trouble())
