"""Sizes of volumes on real btrfs: what the kernel counts, and what it stops."""

from __future__ import annotations

import errno
import os
import subprocess
import uuid
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import HoldsMore
from flocker.base.records import Claim, Snapshot
from flocker.btrfs import quotas, subvolume
from flocker.pool import btrfs_volumes
from flocker.pool.btrfs_pool import BtrfsPool
from flocker.pool.btrfs_shipping import SNAPSHOTS_KEPT
from tests.contract.flocker.conftest import SURE, MakeBtrfsPool
from tests.contract.flocker.pool.test_pool import a_claim, moved, written

pytestmark = pytest.mark.contract

MIB = 1 << 20


def fill(folder: Path, name: str, mib: int) -> None:
    """Write a file that cannot be compressed, to the disk."""
    with (folder / name).open("wb") as file:
        for _ in range(mib):
            file.write(os.urandom(MIB))
        file.flush()
        os.fsync(file.fileno())


def is_refused(folder: Path, name: str, mib: int) -> bool:
    try:
        fill(folder, name, mib)
    except OSError as error:
        assert error.errno in (errno.EDQUOT, errno.ENOSPC)
        (folder / name).unlink()
        return True
    return False


def groups_of(pool: BtrfsPool) -> Path:
    show = ["btrfs", "filesystem", "show", str(pool.root)]
    shown = subprocess.run(show, check=True, capture_output=True, text=True).stdout
    fsid = shown.partition("uuid: ")[2].split()[0]
    return Path("/sys/fs/btrfs") / fsid / "qgroups"


def wait_for_deletions(pool: BtrfsPool) -> None:
    """Wait until the kernel has taken deleted subvolumes apart; a flush wakes it up to do so."""
    for scope in ("filesystem", "subvolume"):
        command = ["btrfs", scope, "sync", str(pool.root)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def test_a_volume_that_moved_keeps_its_size(make_btrfs_pool: MakeBtrfsPool) -> None:
    source, target = make_btrfs_pool(), make_btrfs_pool()
    claim, neighbour = a_claim(), a_claim()
    source.create(claim, 100 * MIB)
    fill(source.writable_path(claim), "before", 60)
    snapshot = source.take_snapshot(claim)
    target.create(neighbour)
    target.receive(
        claim.volume_id, snapshot, None, source.send(claim.volume_id, snapshot.number, None)
    )
    target.adopt(Claim(claim.volume_id, 2), snapshot, 100 * MIB)
    live = target.writable_path(Claim(claim.volume_id, 2))
    assert is_refused(live, "after", 60)
    assert not is_refused(live, "small", 20)
    target.take_snapshot(Claim(claim.volume_id, 2))  # what is not on disk is not counted yet
    assert target.used_bytes(claim.volume_id) == pytest.approx(80 * MIB, rel=0.05)
    assert not is_refused(target.writable_path(neighbour), "file", 60)


def test_a_volume_that_has_grown_comes_back(make_btrfs_pool: MakeBtrfsPool) -> None:
    source, target, claim = make_btrfs_pool(), make_btrfs_pool(), a_claim()
    source.create(claim, 20 * MIB)
    common = source.take_snapshot(claim)
    there = moved(source, target, claim)
    target.set_size(there, 100 * MIB)
    fill(target.writable_path(there), "file", 40)
    target.take_snapshot(there)
    back = moved(target, source, there, parent=common)
    assert (source.writable_path(back) / "file").stat().st_size == 40 * MIB


def test_a_new_size_counts_at_once(make_btrfs_pool: MakeBtrfsPool) -> None:
    pool, claim = make_btrfs_pool(), a_claim()
    pool.create(claim, 20 * MIB)
    live = pool.writable_path(claim)
    assert is_refused(live, "file", 40)
    pool.set_size(claim, 60 * MIB)
    assert not is_refused(live, "file", 40)
    assert is_refused(live, "another", 40)
    pool.set_size(claim, None)
    assert not is_refused(live, "another", 40)


def test_a_volume_gets_a_size_after_it_was_filled(make_btrfs_pool: MakeBtrfsPool) -> None:
    pool, claim = make_btrfs_pool(), a_claim()
    pool.create(claim)
    fill(pool.writable_path(claim), "before", 40)
    pool.set_size(claim, 60 * MIB)
    assert is_refused(pool.writable_path(claim), "after", 40)


def test_restores_and_clones_have_the_size_they_are_given(make_btrfs_pool: MakeBtrfsPool) -> None:
    pool, claim, small, large = make_btrfs_pool(), a_claim(), a_claim(), a_claim()
    pool.create(claim)
    fill(pool.writable_path(claim), "before", 40)
    snapshot = pool.take_snapshot(claim)
    pool.clone(claim.volume_id, snapshot, small, 60 * MIB)
    pool.clone(claim.volume_id, snapshot, large, None)
    assert is_refused(pool.writable_path(small), "after", 40)
    assert not is_refused(pool.writable_path(large), "after", 40)
    pool.restore(claim, snapshot, 60 * MIB)
    assert is_refused(pool.writable_path(claim), "after", 40)
    pool.discard(claim.volume_id, "demo", "node1", SURE)
    [aside] = pool.asides()
    pool.clone_aside(aside.reference, again := a_claim(), 60 * MIB)
    assert is_refused(pool.writable_path(again), "after", 40)
    assert pool.reclaim(claim.volume_id, SURE.confirm)
    assert is_refused(pool.writable_path(claim), "after", 40)


def test_what_is_full_can_still_be_frozen_moved_and_emptied(
    make_btrfs_pool: MakeBtrfsPool,
) -> None:
    source, target, claim = make_btrfs_pool(), make_btrfs_pool(), a_claim()
    source.create(claim, 20 * MIB)
    with pytest.raises(OSError, match="quota"):
        fill(source.writable_path(claim), "file", 40)
    source.take_snapshot(claim)
    there = target.writable_path(moved(source, target, claim))
    (there / "file").unlink()
    target.set_size(Claim(claim.volume_id, 2), 10 * MIB)


def test_the_count_stays_right_when_snapshots_go(make_btrfs_pool: MakeBtrfsPool) -> None:
    pool, claim = make_btrfs_pool(), a_claim()
    pool.create(claim, 100 * MIB)
    for number in range(8):
        fill(pool.writable_path(claim), f"file{number % 4}", 4)
        pool.take_snapshot(claim)
        pool.prune(claim.volume_id, keep=tuple)
    wait_for_deletions(pool)
    groups = groups_of(pool)
    assert (groups / "inconsistent").read_text().strip() == "0"
    counted = pool.used_bytes(claim.volume_id)
    rescan = ["btrfs", "quota", "rescan", "-w", str(pool.root)]
    subprocess.run(rescan, check=True, stdout=subprocess.DEVNULL)
    assert pool.used_bytes(claim.volume_id) == counted
    # The group of a deleted subvolume goes with it: the top level, live and three snapshots.
    assert len(list(groups.glob("0_*"))) == 5


def test_what_is_pruned_goes_soon(make_btrfs_pool: MakeBtrfsPool) -> None:
    """Otherwise only with the next commit, half a minute later."""
    pool, claim = make_btrfs_pool(), a_claim()
    pool.create(claim, 100 * MIB)
    for number in range(2 * SNAPSHOTS_KEPT):
        written(pool, claim, f"text {number}")
    first = subvolume.look(pool.root / "volumes" / claim.volume_id / "snapshots" / "1").id
    pool.prune(claim.volume_id, keep=tuple)
    eventually(lambda: subvolume.is_gone(pool.root, first), is_=True, within=10)


def test_snapshots_do_not_come_faster_than_they_go(make_btrfs_pool: MakeBtrfsPool) -> None:
    pool, claim = make_btrfs_pool(), a_claim()
    pool.create(claim, 100 * MIB)
    for number in range(2000):
        (pool.writable_path(claim) / f"file{number}").write_bytes(os.urandom(4096))
    for number in range(2 * SNAPSHOTS_KEPT):
        written(pool, claim, f"text {number}")
    pool.prune(claim.volume_id, keep=tuple)
    (pool.writable_path(claim) / "file.txt").write_text("one more")
    assert pool.changed_volumes([claim]) == []
    eventually(lambda: pool.changed_volumes([claim]), is_=[claim], within=30)
    # What is asked for is taken in any case.
    written(pool, claim, "the last")
    pool.prune(claim.volume_id, keep=tuple)
    (pool.writable_path(claim) / "file.txt").write_text("and another")
    assert pool.take_snapshot(claim) == pool.snapshots(claim.volume_id)[-1]


@pytest.mark.parametrize("remedy", ["prune", "prepare_sizes"])
def test_a_count_the_kernel_gave_up_is_made_anew(
    make_btrfs_pool: MakeBtrfsPool, remedy: str
) -> None:
    pool, claim, other = make_btrfs_pool(), a_claim(), a_claim()
    pool.create(claim, 60 * MIB)
    fill(pool.writable_path(claim), "before", 40)
    pool.create(other)
    # Many enough for a tree of two levels, the lower of which the snapshots share.
    for number in range(2000):
        (pool.writable_path(other) / f"file{number}").touch()
    for number in range(2):
        written(pool, other, f"text {number}")
    groups = groups_of(pool)
    # With trees of so many levels the kernel does not count what goes with a subvolume.
    (groups / "drop_subtree_threshold").write_text("0")
    pool.discard(other.volume_id, "demo", "node1", SURE)
    for aside in pool.asides():
        pool.purge_aside(aside.reference)
    wait_for_deletions(pool)
    inconsistent = groups / "inconsistent"
    eventually(lambda: inconsistent.read_text().strip(), is_="1", within=10)
    if remedy == "prune":
        for _ in range(3):  # the first begins to count, the others find that under way
            pool.prune(claim.volume_id, keep=tuple)
    else:
        pool.prepare_sizes()
    eventually(lambda: inconsistent.read_text().strip(), is_="0", within=10)
    assert is_refused(pool.writable_path(claim), "after", 40)


def test_a_volume_that_cannot_be_limited_is_not_made(
    make_btrfs_pool: MakeBtrfsPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, claim = make_btrfs_pool(), Claim(str(uuid.uuid4()), 1)

    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "the disk is dead")

    monkeypatch.setattr(quotas, "ioctl", broken)
    with pytest.raises(Exception, match="the disk is dead"):
        pool.create(claim, 20 * MIB)
    monkeypatch.undo()
    assert pool.volume_ids() == []
    pool.create(claim, 20 * MIB)


def punched_and_moved(source: BtrfsPool, target: BtrfsPool) -> tuple[Claim, Snapshot, Snapshot]:
    """A full volume of 64 MiB that holds more on the target, where it has arrived; its claim there,
    the snapshot before its holes were punched, and the one it came with."""
    claim = a_claim()
    source.create(claim, 64 * MIB)
    with (source.writable_path(claim) / "file").open("wb") as file:
        for _ in range(60):  # each in an extent of its own: btrfs frees only whole ones
            file.write(os.urandom(MIB))
            file.flush()
            os.fsync(file.fileno())
    first = source.take_snapshot(claim)
    target.receive(claim.volume_id, first, None, source.send(claim.volume_id, first.number, None))
    punch = ["fallocate", "--punch-hole", "--offset", "0", "--length", str(45 * MIB)]
    subprocess.run([*punch, str(source.writable_path(claim) / "file")], check=True)
    source.changed_volumes([claim])  # what is not on disk yet is not counted
    fill(source.writable_path(claim), "later", 40)
    second = source.take_snapshot(claim)
    stream = source.send(claim.volume_id, second.number, first.number)
    target.receive(claim.volume_id, second, first, stream)
    there = Claim(claim.volume_id, 2)
    target.adopt(there, second, 64 * MIB)
    return there, first, second


def test_what_holds_more_after_a_move_can_be_restored_and_cloned_in_its_size(
    make_btrfs_pool: MakeBtrfsPool,
) -> None:
    source, target = make_btrfs_pool(), make_btrfs_pool()
    there, first, second = punched_and_moved(source, target)
    clone = a_claim()
    target.clone(there.volume_id, second, clone, 64 * MIB)
    target.restore(there, second, 64 * MIB)
    for each in (there, clone):
        assert not is_refused(target.writable_path(each), "small", 2)
        assert is_refused(target.writable_path(each), "more", 20)
    target.restore(there, first, 64 * MIB)
    assert is_refused(target.writable_path(there), "more", 20)
    (target.writable_path(there) / "new").touch()
    held = target.take_snapshot(there).held_bytes
    assert held == pytest.approx(60 * MIB, abs=MIB), "what the volume before it held is over"


def test_a_volume_with_punched_holes_has_as_much_room_where_it_moves_to(
    make_btrfs_pool: MakeBtrfsPool,
) -> None:
    source, target = make_btrfs_pool(), make_btrfs_pool()
    there, _, second = punched_and_moved(source, target)
    claim = there
    assert not is_refused(target.writable_path(there), "small", 4)
    assert is_refused(target.writable_path(there), "more", 20), "the size is still a limit"
    third = target.take_snapshot(there)
    assert second.held_bytes is not None
    assert third.held_bytes == pytest.approx(second.held_bytes + 4 * MIB, abs=MIB)

    # Back where it was written, with the same room, and no more than that.
    source.receive(claim.volume_id, third, second, target.send(claim.volume_id, 3, 2))
    source.adopt(Claim(claim.volume_id, 3), third, 64 * MIB)
    assert not is_refused(source.writable_path(Claim(claim.volume_id, 3)), "small again", 2)
    assert is_refused(source.writable_path(Claim(claim.volume_id, 3)), "more", 20)


def test_df_shows_the_whole_pool_as_the_readme_says(make_btrfs_pool: MakeBtrfsPool) -> None:
    pool, claim = make_btrfs_pool(), a_claim()
    pool.create(claim, 64 * MIB)
    assert os.statvfs(pool.writable_path(claim)).f_blocks == os.statvfs(pool.root).f_blocks


@pytest.mark.parametrize(
    ("size_bytes", "flushes"), [(10 * MIB, 0), (20 * MIB, 0), (None, 0), (5 * MIB, 1)]
)
def test_the_pool_is_flushed_only_for_a_size_that_may_be_too_small(
    make_btrfs_pool: MakeBtrfsPool,
    monkeypatch: pytest.MonkeyPatch,
    size_bytes: int | None,
    flushes: int,
) -> None:
    """A daemon that begins sets the sizes of all its volumes, and one flush may take a second."""
    pool, claim, flushed = make_btrfs_pool(), a_claim(), []
    pool.create(claim, 10 * MIB)
    with monkeypatch.context() as counting:
        counting.setattr(btrfs_volumes.subvolume, "sync", flushed.append)
        pool.set_size(claim, size_bytes)
    assert len(flushed) == flushes
    assert is_refused(pool.writable_path(claim), "file", 8) is (size_bytes == 5 * MIB)


def test_what_is_only_in_memory_counts_for_a_smaller_size(make_btrfs_pool: MakeBtrfsPool) -> None:
    pool, claim = make_btrfs_pool(), a_claim()
    pool.create(claim, 20 * MIB)
    (pool.writable_path(claim) / "file").write_bytes(os.urandom(8 * MIB))
    with pytest.raises(HoldsMore):
        pool.set_size(claim, 5 * MIB)
