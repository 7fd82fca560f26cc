"""A pool without any room, for data or for metadata, can still be emptied; on a real btrfs."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from flocker.base.errors import PoolFull
from flocker.base.records import Claim, Snapshot, Volume
from flocker.btrfs import subvolume
from flocker.pool.btrfs_pool import BtrfsPool
from flocker.pool.live_copies import LiveCopies
from flocker.pool.shortages import shortages
from tests.contract.flocker.conftest import SURE, MakeBtrfsPool
from tests.contract.flocker.pool.test_pool import a_claim, text_of, written

pytestmark = pytest.mark.contract

MIB = 1 << 20
Fill = Callable[[Path], None]


def write_until_full(folder: Path, say: Callable[[], None] = lambda: None) -> None:
    """Take all room for data."""
    for size in (8 * MIB, MIB, 1 << 16, 1 << 12):
        while True:
            say()
            with (folder / f"data-{uuid.uuid4()}").open("wb") as file:
                try:
                    os.posix_fallocate(file.fileno(), 0, size)
                except OSError as error:
                    assert error.errno == errno.ENOSPC
                    break


def name_until_full(folder: Path, say: Callable[[], None] = lambda: None) -> None:
    """Take all room for metadata: none is left to allocate once there is none for data."""
    write_until_full(folder)
    refused = 0
    while refused < 3:  # what is set aside while the kernel works comes back with a flush
        say()
        try:
            for _ in range(50):
                (folder / str(uuid.uuid4())).symlink_to("." * 3800)
        except OSError as error:
            assert error.errno == errno.ENOSPC
            refused += 1
            os.sync()


FILLS = [pytest.param(write_until_full, id="data"), pytest.param(name_until_full, id="metadata")]


@pytest.fixture
def pool(make_btrfs_pool: MakeBtrfsPool) -> BtrfsPool:
    pool = make_btrfs_pool()
    pool.make_reserve()
    return pool


@pytest.fixture
def filler(pool: BtrfsPool) -> Claim:
    """A volume for what fills the pool."""
    claim = a_claim()
    pool.create(claim)
    return claim


def a_changed_volume(pool: BtrfsPool) -> tuple[Claim, Snapshot]:
    claim = a_claim()
    pool.create(claim)
    first = written(pool, claim, "first")
    (pool.writable_path(claim) / "file.txt").write_text("second")
    return claim, first


def taken_over(claim: Claim, base: Snapshot) -> Volume:
    return Volume("demo", claim.volume_id, "node2", claim.epoch + 1, "", base=base)


@pytest.mark.parametrize("fill", FILLS)
def test_a_full_pool_can_be_emptied(pool: BtrfsPool, filler: Claim, fill: Fill) -> None:
    pruned, _ = a_changed_volume(pool)
    for text in ("a", "b", "c", "d"):
        written(pool, pruned, text)
    lost, base = a_changed_volume(pool)
    adopted, snapshot = a_changed_volume(pool)
    restored, earlier = a_changed_volume(pool)
    gone, _ = a_changed_volume(pool)
    fill(pool.writable_path(filler))
    pool.prune(pruned.volume_id, keep=list)
    aside = pool.put_away(taken_over(lost, base), "node1", SURE.confirm)
    assert aside is not None
    pool.adopt(Claim(adopted.volume_id, 3), snapshot)
    assert text_of(pool, Claim(adopted.volume_id, 3)) == "first"
    pool.restore(restored, earlier, None)
    assert text_of(pool, restored) == "first"
    pool.discard(gone.volume_id, "gone", "node1", SURE)
    assert pool.reclaim(gone.volume_id, SURE.confirm)
    pool.readmit(Claim(gone.volume_id, 4))
    assert text_of(pool, Claim(gone.volume_id, 4)) == "second"
    pool.discard(filler.volume_id, "filler", "node1", SURE)
    assert [each.why for each in pool.asides()] == ["conflict", "conflict", "restored", "removed"]
    for each in pool.asides():
        pool.purge_aside(each.reference)
    assert pool.asides() == []
    pool.await_deletions(30)
    assert pool.usage().free_bytes > 350 * MIB
    assert shortages(pool.usage()) == []
    pool.make_reserve()
    assert len(list((pool.root / "reserve").iterdir())) > 1000


FIRST: dict[str, Callable[[BtrfsPool, Claim, Snapshot], object]] = {
    "restore": lambda pool, claim, base: pool.restore(claim, base, None),
    "adopt": lambda pool, claim, base: pool.adopt(Claim(claim.volume_id, 2), base),
    "put_away": lambda pool, claim, base: pool.put_away(
        taken_over(claim, base), "node1", SURE.confirm
    ),
    "discard": lambda pool, claim, _: pool.discard(claim.volume_id, "gone", "node1", SURE),
}


@pytest.mark.parametrize("asked", FIRST)
def test_whatever_is_asked_first_of_a_full_pool_is_done(
    pool: BtrfsPool, filler: Claim, asked: str
) -> None:
    """The reserve is all spent at once: what comes second finds room in any case."""
    claim, base = a_changed_volume(pool)
    name_until_full(pool.writable_path(filler))
    FIRST[asked](pool, claim, base)


@pytest.mark.parametrize("fill", FILLS)
def test_a_daemon_starts_on_a_full_pool_and_finishes_what_it_left(
    pool: BtrfsPool, filler: Claim, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, snapshot = a_changed_volume(pool)

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LiveCopies, "_retire", cut)
    with pytest.raises(KeyboardInterrupt):
        pool.adopt(Claim(claim.volume_id, 2), snapshot)
    monkeypatch.undo()
    fill(pool.writable_path(filler))
    again = BtrfsPool(pool.root)
    again.discard(filler.volume_id, "filler", "node1", SURE)
    for each in again.asides():
        again.purge_aside(each.reference)
    again.await_deletions(30)
    assert again.usage().free_bytes > 350 * MIB
    again.adopt(Claim(claim.volume_id, 2), snapshot)
    assert text_of(again, Claim(claim.volume_id, 2)) == "first"


def test_the_reserve_is_not_for_new_volumes(pool: BtrfsPool, filler: Claim) -> None:
    name_until_full(pool.writable_path(filler))
    with pytest.raises((PoolFull, OSError)):
        for _ in range(1000):  # a few fit: the kernel keeps more for this than for links
            pool.create(a_claim())
    assert len(list((pool.root / "reserve").iterdir())) > 1000


@pytest.mark.parametrize("fill", FILLS)
def test_a_shortage_is_told_before_anything_fails(
    pool: BtrfsPool, filler: Claim, fill: Callable[[Path, Callable[[], None]], None]
) -> None:
    told: list[list[str]] = []
    fill(pool.writable_path(filler), lambda: told.append(shortages(pool.usage())))
    assert told[0] == [] or fill is name_until_full  # full of data before that begins
    kind = "metadata" if fill is name_until_full else "left;"
    first = next(number for number, each in enumerate(told) if any(kind in why for why in each))
    assert first < len(told) - 1
    assert first > 0


def test_a_shortage_says_what_to_type(pool: BtrfsPool, filler: Claim) -> None:
    assert shortages(pool.usage()) == []
    write_until_full(pool.writable_path(filler))
    [shortage] = shortages(pool.usage())
    assert shortage.startswith("the pool is nearly full: no room left; ")
    assert "`flocker purge`" in shortage


@pytest.mark.parametrize("is_in_a_snapshot", [True, False])
def test_what_cannot_be_put_aside_leaves_no_place_for_it_in_the_trash(
    pool: BtrfsPool, monkeypatch: pytest.MonkeyPatch, is_in_a_snapshot: bool
) -> None:
    """It is tried again every few seconds, and each place takes metadata."""
    lost, base = a_changed_volume(pool)
    if is_in_a_snapshot:
        pool.take_snapshot(lost)
    snapshot, rename = subvolume.snapshot, Path.rename

    def refuse_snapshot(source: Path, path: Path, *, readonly: bool = False) -> None:
        if path.parent.parent.name == "trash":
            raise PoolFull("no room")
        snapshot(source, path, readonly=readonly)

    def refuse_rename(path: Path, target: Path) -> Path:
        if target.parent.parent.name == "trash":
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(subvolume, "snapshot", refuse_snapshot)
        patch.setattr(Path, "rename", refuse_rename)
        for _ in range(3):
            with pytest.raises(PoolFull):
                pool.put_away(taken_over(lost, base), "node1", SURE.confirm)
    assert list((pool.root / "trash").iterdir()) == []
    assert pool.put_away(taken_over(lost, base), "node1", SURE.confirm) is not None
