"""What only the btrfs pool can show: what a move keeps of files, what lies on disk."""

from __future__ import annotations

import mmap
import os
import subprocess
import uuid
from dataclasses import replace
from io import FileIO
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import BadRequest, PoolError, TransferFailed
from flocker.base.records import Claim, Snapshot
from flocker.btrfs import subvolume
from flocker.pool import note
from flocker.pool.btrfs_pool import BtrfsPool
from flocker.pool.btrfs_shipping import SNAPSHOTS_KEPT
from flocker.pool.volume_folder import live_of
from tests.contract.flocker.conftest import SURE, MakeBtrfsPool
from tests.contract.flocker.pool.test_pool import copied, moved, put_away, written

pytestmark = pytest.mark.contract


@pytest.fixture
def claim() -> Claim:
    return Claim(str(uuid.uuid4()), 1)


def test_a_move_keeps_owner_mode_xattr_hard_links_and_holes(
    make_btrfs_pool: MakeBtrfsPool, claim: Claim
) -> None:
    source, target = make_btrfs_pool(), make_btrfs_pool()
    source.create(claim)
    live = source.writable_path(claim)
    file = live / "file"
    file.write_text("text")
    os.chown(file, 999, 1234)
    file.chmod(0o4750)
    os.setxattr(file, "user.colour", b"blue")
    os.link(file, live / "link")
    (live / "symlink").symlink_to("file")
    os.mkfifo(live / "pipe")
    with (live / "hole").open("wb") as hole:
        hole.truncate(64 << 20)
    os.utime(file, ns=(1, 1_234_567_890_123_456_789))
    source.take_snapshot(claim)

    there = target.writable_path(moved(source, target, claim))
    seen = (there / "file").stat()
    assert (seen.st_uid, seen.st_gid, seen.st_mode & 0o7777) == (999, 1234, 0o4750)
    assert seen.st_mtime_ns == 1_234_567_890_123_456_789
    assert os.getxattr(there / "file", "user.colour") == b"blue"
    assert (there / "link").stat().st_ino == seen.st_ino
    assert (there / "symlink").readlink() == Path("file")
    assert (there / "pipe").is_fifo()
    assert (there / "hole").stat().st_size == 64 << 20
    assert (there / "hole").stat().st_blocks == 0


def test_the_root_of_a_volume_keeps_its_owner_and_mode(
    make_btrfs_pool: MakeBtrfsPool, claim: Claim
) -> None:
    source, target = make_btrfs_pool(), make_btrfs_pool()
    source.create(claim)
    os.chown(source.writable_path(claim), 999, 999)
    source.writable_path(claim).chmod(0o750)
    source.take_snapshot(claim)
    seen = target.writable_path(moved(source, target, claim)).stat()
    assert (seen.st_uid, seen.st_gid, seen.st_mode & 0o777) == (999, 999, 0o750)


def test_the_stream_size_is_that_of_what_changed(
    make_btrfs_pool: MakeBtrfsPool, claim: Claim
) -> None:
    pool = make_btrfs_pool()
    pool.create(claim)
    (pool.writable_path(claim) / "large").write_bytes(os.urandom(8 << 20))
    first = pool.take_snapshot(claim)
    (pool.writable_path(claim) / "small").write_bytes(os.urandom(1 << 20))
    second = pool.take_snapshot(claim)
    whole = pool.stream_bytes(claim.volume_id, first.number, None)
    assert whole == pytest.approx(8 << 20, rel=0.05)  # an estimate, for a percentage
    change = pool.stream_bytes(claim.volume_id, second.number, first.number)
    assert change == pytest.approx(1 << 20, rel=0.05)
    sent = sum(map(len, pool.send(claim.volume_id, second.number, first.number)))
    assert sent < 1.2 * (1 << 20)


def test_signs_of_life_are_no_part_of_a_snapshot(
    make_btrfs_pool: MakeBtrfsPool, claim: Claim
) -> None:
    """Wherever in a stream they come."""
    source, target = make_btrfs_pool(), make_btrfs_pool()
    source.create(claim)
    parent = None
    for text in ("first", "second"):
        snapshot = written(source, claim, text)
        number = parent and parent.number
        whole = b"".join(source.send(claim.volume_id, snapshot.number, number))
        pieces = [whole[at : at + 3] for at in range(0, len(whole), 3)]
        slow = [each for piece in pieces for each in (b"", piece)]
        target.receive(claim.volume_id, snapshot, parent, slow)
        parent = snapshot
    assert target.snapshots(claim.volume_id) == source.snapshots(claim.volume_id)


def test_old_snapshots_are_pruned(make_btrfs_pool: MakeBtrfsPool, claim: Claim) -> None:
    pool = make_btrfs_pool()
    pool.create(claim)
    taken = [written(pool, claim, f"text {number}") for number in range(SNAPSHOTS_KEPT + 2)]
    pool.prune(claim.volume_id, keep=lambda: {1})
    assert pool.snapshots(claim.volume_id) == [taken[0], *taken[-SNAPSHOTS_KEPT:]]
    pool.prune(claim.volume_id, keep=tuple)
    assert pool.snapshots(claim.volume_id) == taken[-SNAPSHOTS_KEPT:]
    names = {
        path.name for path in (live_of(pool.root, claim.volume_id).parent / "snapshots").iterdir()
    }
    kept = [each.number for each in taken[-SNAPSHOTS_KEPT:]]
    assert names == {str(each) for each in kept} | {f"{each}.epoch-{claim.epoch}" for each in kept}


def change(opened: FileIO, how: str) -> None:
    """Write to an opened file without anything that brings it to disk."""
    if how == "write":
        opened.write(b"changed")
    else:
        with mmap.mmap(opened.fileno(), 8192) as mapped:
            mapped[:7] = b"changed"


def a_file(pool: BtrfsPool, claim: Claim) -> Path:
    """A new volume's file of zeros."""
    pool.create(claim)
    file = pool.writable_path(claim) / "file"
    file.write_bytes(bytes(8192))
    return file


def frozen(pool: BtrfsPool, claim: Claim, snapshot: Snapshot) -> Path:
    """That file in a snapshot."""
    return pool.root / "volumes" / claim.volume_id / "snapshots" / str(snapshot.number) / "file"


@pytest.mark.parametrize("how", ["write", "mmap"])
def test_a_write_that_is_only_in_memory_is_a_change(
    make_btrfs_pool: MakeBtrfsPool, claim: Claim, how: str
) -> None:
    pool = make_btrfs_pool()
    file = a_file(pool, claim)
    first = pool.take_snapshot(claim)
    assert pool.changed_volumes([claim]) == []
    # Into a file that exists, nothing flushed: that alone begins no transaction.
    with file.open("r+b", buffering=0) as opened:
        change(opened, how)
        assert pool.changed_volumes([claim]) == [claim]
    second = pool.take_snapshot(claim)
    assert second != first
    assert frozen(pool, claim, second).read_bytes()[:7] == b"changed"


@pytest.mark.parametrize("how", ["write", "mmap"])
def test_a_snapshot_holds_what_is_only_in_memory(
    make_btrfs_pool: MakeBtrfsPool, claim: Claim, how: str
) -> None:
    pool = make_btrfs_pool()
    file = a_file(pool, claim)
    pool.take_snapshot(claim)
    with file.open("r+b", buffering=0) as opened:
        change(opened, how)
        second = pool.take_snapshot(claim)
    assert frozen(pool, claim, second).read_bytes()[:7] == b"changed"


def test_reading_is_no_change(make_btrfs_pool: MakeBtrfsPool, claim: Claim) -> None:
    pool = make_btrfs_pool()
    pool.create(claim)
    written(pool, claim, "text")
    assert (pool.writable_path(claim) / "file.txt").read_text() == "text"
    list(pool.writable_path(claim).iterdir())
    assert pool.changed_volumes([claim]) == []


def test_an_increment_on_the_wrong_parent_is_not_kept(
    make_btrfs_pool: MakeBtrfsPool, claim: Claim
) -> None:
    source, target = make_btrfs_pool(), make_btrfs_pool()
    source.create(claim)
    first = written(source, claim, "first")
    second = written(source, claim, "second")
    copied(source, target, claim, first, second)
    third = written(source, claim, "third")
    with pytest.raises(TransferFailed, match="another parent"):
        built_on_first = source.send(claim.volume_id, third.number, first.number)
        target.receive(claim.volume_id, third, second, built_on_first)
    assert target.snapshots(claim.volume_id) == [first, second]


def test_an_interrupted_receive_is_not_a_snapshot_after_a_crash(
    make_btrfs_pool: MakeBtrfsPool, claim: Claim
) -> None:
    source, target = make_btrfs_pool(), make_btrfs_pool()
    source.create(claim)
    snapshot = written(source, claim, "text")
    whole = b"".join(source.send(claim.volume_id, snapshot.number, None))
    # What a daemon that was killed in the middle leaves: `btrfs receive` without its end.
    place = target.root / "volumes" / claim.volume_id / "snapshots"
    place.mkdir(parents=True)
    subprocess.run(
        ["btrfs", "receive", "-q", str(place)], input=whole[:-20], check=False, capture_output=True
    )
    assert (place / str(snapshot.number)).is_dir()
    assert target.snapshots(claim.volume_id) == []
    target.receive(claim.volume_id, snapshot, None, iter([whole]))
    assert target.snapshots(claim.volume_id) == [snapshot]


def test_unsaved_changes_of_a_lost_copy_go_to_the_trash(
    make_btrfs_pool: MakeBtrfsPool, claim: Claim
) -> None:
    pool = make_btrfs_pool()
    pool.create(claim)
    written(pool, claim, "frozen")
    (pool.writable_path(claim) / "file.txt").write_text("never sent")
    put_away(pool, Claim(claim.volume_id, 2), pool.snapshots(claim.volume_id)[-1])
    [kept] = (pool.root / "trash").iterdir()
    assert (kept / "copy" / "file.txt").read_text() == "never sent"


@pytest.mark.parametrize("change", ["none", "chmod", "delete"])
def test_a_copy_is_put_away_whole_or_kept_when_it_changed(
    make_btrfs_pool: MakeBtrfsPool, claim: Claim, change: str
) -> None:
    pool = make_btrfs_pool()
    pool.create(claim)
    written(pool, claim, "frozen")
    if change == "chmod":
        (pool.writable_path(claim) / "file.txt").chmod(0o600)
    if change == "delete":
        (pool.writable_path(claim) / "file.txt").unlink()
    put_away(pool, Claim(claim.volume_id, 2), pool.snapshots(claim.volume_id)[-1])
    assert len(list((pool.root / "trash").iterdir())) == (0 if change == "none" else 1)


def test_adopting_keeps_what_was_written_and_never_sent(
    make_btrfs_pool: MakeBtrfsPool, claim: Claim
) -> None:
    source, target = make_btrfs_pool(), make_btrfs_pool()
    source.create(claim)
    first = written(source, claim, "first")
    second_claim = moved(source, target, claim)
    (target.writable_path(second_claim) / "file.txt").write_text("never sent")
    later = written(source_again(source, claim, first), Claim(claim.volume_id, 3), "later")
    stream = source.send(claim.volume_id, later.number, first.number)
    target.receive(claim.volume_id, later, first, stream)
    target.adopt(Claim(claim.volume_id, 4), later)
    [kept] = (target.root / "trash").iterdir()
    assert (kept / "copy" / "file.txt").read_text() == "never sent"


def source_again(pool: BtrfsPool, claim: Claim, snapshot: Snapshot) -> BtrfsPool:
    """The pool, writable once more from that snapshot at epoch 3."""
    pool.adopt(Claim(claim.volume_id, 3), snapshot)
    return pool


def test_a_complete_snapshot_is_never_overwritten(
    make_btrfs_pool: MakeBtrfsPool, claim: Claim
) -> None:
    source, target = make_btrfs_pool(), make_btrfs_pool()
    source.create(claim)
    target.create(claim)
    sent, here = written(source, claim, "theirs"), written(target, claim, "ours")
    with pytest.raises(TransferFailed, match="another snapshot 1 is here already"):
        target.receive(claim.volume_id, sent, None, source.send(claim.volume_id, 1, None))
    assert target.snapshots(claim.volume_id) == [here]


def test_a_snapshot_that_is_being_sent_does_not_stop_the_next_ones(
    make_btrfs_pool: MakeBtrfsPool, claim: Claim
) -> None:
    pool = make_btrfs_pool()
    pool.create(claim)
    (pool.writable_path(claim) / "noise").write_bytes(os.urandom(8 << 20))
    first = pool.take_snapshot(claim)
    stream = pool.send(claim.volume_id, first.number, None)
    next(stream)
    taken = [written(pool, claim, f"text {number}") for number in range(SNAPSHOTS_KEPT + 1)]
    pool.prune(claim.volume_id, keep=tuple)
    assert pool.snapshots(claim.volume_id) == [first, *taken[-SNAPSHOTS_KEPT:]]
    stream.close()
    pool.prune(claim.volume_id, keep=tuple)
    assert pool.snapshots(claim.volume_id) == taken[-SNAPSHOTS_KEPT:]


@pytest.mark.parametrize("content", ["3.0", "three\n"])
def test_an_epoch_that_cannot_be_read_is_said(
    make_btrfs_pool: MakeBtrfsPool, claim: Claim, content: str
) -> None:
    pool = make_btrfs_pool()
    pool.create(claim)
    epoch = pool.root / "volumes" / claim.volume_id / "epoch"
    note.write(epoch, content)
    with pytest.raises(PoolError, match=r"epoch of volume .* cannot be read"):
        pool.writable_path(claim)


def test_a_removed_volume_lies_whole_in_the_trash(
    make_btrfs_pool: MakeBtrfsPool, claim: Claim
) -> None:
    pool = make_btrfs_pool()
    pool.create(claim)
    written(pool, claim, "kept")
    pool.discard(claim.volume_id, "demo", "node1", SURE)
    [kept] = (pool.root / "trash").iterdir()
    assert (kept / "volume" / "live" / "file.txt").read_text() == "kept"


def test_an_id_that_is_no_uuid_never_becomes_a_path(make_btrfs_pool: MakeBtrfsPool) -> None:
    pool = make_btrfs_pool()
    with pytest.raises(BadRequest, match="UUID"):
        pool.discard("../../etc", "demo", "node1", SURE)


def test_what_else_happens_in_the_pool_while_it_is_looked_at_hides_no_write(
    make_btrfs_pool: MakeBtrfsPool, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make_btrfs_pool()
    pool.create(claim)
    file = pool.writable_path(claim) / "file"
    file.write_text("first")
    pool.take_snapshot(claim)
    look = subvolume.pool_generation

    def begin_a_transaction(root: Path) -> int:
        (pool.root / "elsewhere").write_text(str(uuid.uuid4()))
        return look(root)

    monkeypatch.setattr(subvolume, "pool_generation", begin_a_transaction)
    assert pool.changed_volumes([claim]) == []
    monkeypatch.setattr(subvolume, "pool_generation", look)
    file.write_text("later")  # in the transaction that was begun while the pool was looked at
    assert pool.changed_volumes([claim]) == [claim]
    pool.take_snapshot(claim)
    assert pool.changed_volumes([claim]) == []
    assert pool.changed_volumes([claim]) == []


def make_read_only(pool: BtrfsPool) -> None:
    remount = ["mount", "-o", "remount,ro", str(pool.root)]
    eventually(lambda: subprocess.run(remount, check=False).returncode, is_=0, within=10)


def test_a_pool_that_became_read_only_says_so_when_a_copy_is_put_away(
    make_btrfs_pool: MakeBtrfsPool, claim: Claim
) -> None:
    pool = make_btrfs_pool()
    pool.create(claim)
    make_read_only(pool)
    with pytest.raises(PoolError, match="Read-only file system"):
        put_away(pool, replace(claim, epoch=claim.epoch + 1), None)


def test_a_pool_that_became_read_only_is_noticed(make_btrfs_pool: MakeBtrfsPool) -> None:
    pool = make_btrfs_pool()
    pool.check_writable()
    make_read_only(pool)
    with pytest.raises(OSError, match="Read-only file system"):
        pool.check_writable()


def test_a_folder_that_cannot_be_read_keeps_no_other_volume_from_being_copied(
    make_btrfs_pool: MakeBtrfsPool, claim: Claim
) -> None:
    pool, broken = make_btrfs_pool(), Claim(str(uuid.uuid4()), 1)
    for each in (claim, broken):
        pool.create(each)
        written(pool, each, "first")
        (pool.writable_path(each) / "file.txt").write_text("second")
    snapshots = live_of(pool.root, broken.volume_id).with_name("snapshots")
    snapshots.rename(snapshots.with_name("elsewhere"))
    snapshots.write_text("no folder")
    assert pool.changed_volumes([broken, claim]) == [broken, claim]
    with pytest.raises(PoolError, match=f"{broken.volume_id} cannot be read: Not a directory"):
        pool.take_snapshot(broken)
    pool.take_snapshot(claim)


def test_a_small_whole_copy_is_received_without_a_process(
    make_btrfs_pool: MakeBtrfsPool, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process for each of hundreds of new volumes kept their nodes from answering."""
    source, target = make_btrfs_pool(), make_btrfs_pool()
    source.create(claim)
    (source.writable_path(claim) / "file").write_text("small")
    small = source.take_snapshot(claim)
    (source.writable_path(claim) / "file").write_bytes(os.urandom(1 << 20))
    large = source.take_snapshot(claim)
    monkeypatch.setattr("flocker.streams.btrfs_stream.RECEIVER", ["false"])
    target.receive(claim.volume_id, small, None, source.send(claim.volume_id, small.number, None))
    assert target.snapshots(claim.volume_id) == [small]
    with pytest.raises(TransferFailed, match="receiving a snapshot failed"):
        target.receive(
            claim.volume_id, large, None, source.send(claim.volume_id, large.number, None)
        )
