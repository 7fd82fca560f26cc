"""Copies that are purged for good, also while they are read; on memory and on real btrfs."""

from __future__ import annotations

import os
import subprocess

import pytest

from flocker.base.errors import BeingSent, PoolError
from flocker.btrfs import subvolume
from flocker.streams.send_stream import Splitter
from tests.contract.flocker.conftest import SURE, MakeBtrfsPool, MakePool
from tests.contract.flocker.pool.test_every_pool import a_volume
from tests.contract.flocker.pool.test_pool import put_away, written
from tests.contract.flocker.pool.test_pool_asides import later

pytestmark = pytest.mark.contract


def test_what_is_purged_is_deleted_for_good(make_pool: MakePool) -> None:
    pool = make_pool()
    claim, [first, _] = a_volume(pool, "first", "second")
    conflict = put_away(pool, later(claim), base=first)
    pool.discard(claim.volume_id, "demo", "node1", SURE)
    [one, other] = pool.asides()
    assert one == conflict
    pool.purge_aside(other.reference)
    assert pool.asides() == [one]
    pool.purge_aside(one.reference)
    assert pool.asides() == []
    with pytest.raises(PoolError, match=one.reference):
        pool.purge_aside(one.reference)
    assert not pool.reclaim(claim.volume_id, SURE.confirm)


def test_a_volume_is_purged_while_another_node_reads_it(make_btrfs_pool: MakeBtrfsPool) -> None:
    """The kernel deletes no snapshot that is being sent, and that node may take its time."""
    pool = make_btrfs_pool()
    claim, _ = a_volume(pool, "first")
    (pool.writable_path(claim) / "film").write_bytes(os.urandom(8 << 20))  # more than a pipe holds
    second = written(pool, claim, "second")
    stream = pool.send(claim.volume_id, second.number, None)
    assert next(stream)
    pool.discard(claim.volume_id, "demo", "node1", SURE)
    [aside] = pool.asides()
    pool.purge_aside(aside.reference)
    assert pool.asides() == []
    with pytest.raises(PoolError, match="btrfs send failed"):
        list(stream)


def test_a_purge_of_what_lost_a_conflict_ends_no_stream(make_btrfs_pool: MakeBtrfsPool) -> None:
    """It is purged automatically when its time is over, maybe while a replica is being made."""
    pool = make_btrfs_pool()
    claim, _ = a_volume(pool, "first")
    (pool.writable_path(claim) / "film").write_bytes(os.urandom(8 << 20))
    second = written(pool, claim, "second")
    (pool.writable_path(claim) / "file.txt").write_text("lost")
    put_away(pool, later(claim), base=second)
    stream = pool.send(claim.volume_id, second.number, None)
    begun = next(stream)
    [aside] = pool.asides()
    pool.purge_aside(aside.reference)
    assert pool.asides() == []
    assert len(begun) + sum(map(len, stream)) > 8 << 20


def test_a_volume_is_purged_while_the_size_of_its_stream_is_counted(
    make_btrfs_pool: MakeBtrfsPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To count takes minutes for a large volume, and the kernel deletes nothing meanwhile."""
    pool = make_btrfs_pool()
    claim, _ = a_volume(pool)
    for number in range(10_000):  # more than a pipe holds, without any data
        (pool.writable_path(claim) / str(number)).touch()
    first = written(pool, claim, "first")
    feed = Splitter.feed

    def purged_first(splitter: Splitter, piece: bytes) -> object:
        if pool.has_writable(claim.volume_id):
            pool.discard(claim.volume_id, "demo", "node1", SURE)
            [aside] = pool.asides()
            pool.purge_aside(aside.reference)
        return feed(splitter, piece)

    monkeypatch.setattr(Splitter, "feed", purged_first)
    with pytest.raises(PoolError, match="btrfs send failed"):
        pool.stream_bytes(claim.volume_id, first.number, None)
    assert pool.asides() == []


def test_a_snapshot_that_is_being_sent_says_why_it_is_not_deleted(
    make_btrfs_pool: MakeBtrfsPool,
) -> None:
    pool = make_btrfs_pool()
    claim, _ = a_volume(pool)
    (pool.writable_path(claim) / "film").write_bytes(os.urandom(8 << 20))
    first = written(pool, claim, "first")
    stream = pool.send(claim.volume_id, first.number, None)
    assert next(stream)
    [path] = pool.root.glob(f"volumes/{claim.volume_id}/snapshots/{first.number}")
    with pytest.raises(BeingSent, match="could not be deleted: it is being sent to another node"):
        subvolume.delete(path)
    stream.close()
    subvolume.delete(path)


def test_what_chattr_protects_is_not_said_to_be_read(make_btrfs_pool: MakeBtrfsPool) -> None:
    pool = make_btrfs_pool()
    claim, _ = a_volume(pool)
    live = pool.writable_path(claim)
    subprocess.run(["chattr", "+i", str(live)], check=True)
    try:
        with pytest.raises(PoolError, match=r"or chattr protects it \(`lsattr -d`\)"):
            subvolume.delete(live)
    finally:
        subprocess.run(["chattr", "-i", str(live)], check=True)
