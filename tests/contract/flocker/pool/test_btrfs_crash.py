"""What a btrfs pool is after a crash or a failure half-way: one thing or the other, and whole."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from contextlib import nullcontext
from pathlib import Path

import pytest

from flocker.base.errors import PoolError
from flocker.base.records import Claim, Cut, Snapshot
from flocker.btrfs import subvolume
from flocker.pool import note
from flocker.pool.btrfs_pool import BtrfsPool
from flocker.pool.references import Names
from flocker.pool.trash import Trash
from flocker.pool.volume_folder import VolumeFolder
from tests.contract.flocker.conftest import SURE, MakeBtrfsPool
from tests.contract.flocker.pool.test_pool import a_claim, put_away, text_of, written
from tests.contract.flocker.pool.test_pool_asides import content_of

pytestmark = pytest.mark.contract


class PowerCut(BaseException):
    """Ends a call as the end of the process would: nothing tidies up after it but `finally`."""


def cut(*_: object, **__: object) -> None:
    raise PowerCut


def volume_with_snapshot(pool: BtrfsPool, text: str = "saved") -> tuple[Claim, Snapshot]:
    claim = a_claim()
    pool.create(claim)
    return claim, written(pool, claim, text)


def folder_of(pool: BtrfsPool, claim: Claim) -> VolumeFolder:
    return VolumeFolder(pool.root / "volumes" / claim.volume_id)


@pytest.mark.parametrize("step", ["prepare", "exchange"])
def test_a_restore_that_was_cut_off_loses_nothing(
    make_btrfs_pool: MakeBtrfsPool, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    pool = make_btrfs_pool()
    claim, snapshot = volume_with_snapshot(pool)
    (pool.writable_path(claim) / "file.txt").write_text("unsaved")
    if step == "prepare":  # in place already, but what was replaced is not yet put aside
        monkeypatch.setattr(Trash, "prepare", cut)
    else:
        monkeypatch.setattr(subvolume, "exchange", cut)
    with pytest.raises(PowerCut):
        pool.restore(claim, snapshot, None)
    monkeypatch.undo()

    pool = BtrfsPool(pool.root, names=Names("node7", lambda _: "demo"))
    if step == "prepare":
        assert text_of(pool, claim) == "saved"
        [aside] = pool.asides()
        assert aside.reference.startswith("demo@node7-")
        assert content_of(pool, aside) == "unsaved"
    else:
        assert text_of(pool, claim) == "unsaved"
        assert pool.asides() == []
    assert not folder_of(pool, claim).next.exists()
    pool.restore(claim, snapshot, None)
    assert text_of(pool, claim) == "saved"


@pytest.mark.parametrize("step", ["sync", "write_epoch"])
def test_a_creation_that_was_cut_off_leaves_nothing_of_use(
    make_btrfs_pool: MakeBtrfsPool, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    pool, claim = make_btrfs_pool(), a_claim()
    if step == "sync":
        monkeypatch.setattr(subvolume, "sync", cut)
    else:
        monkeypatch.setattr(VolumeFolder, "write_epoch", cut)
    monkeypatch.setattr(subvolume, "delete", cut)  # dead processes do not tidy up
    with pytest.raises(PowerCut):
        pool.create(claim)
    monkeypatch.undo()
    assert folder_of(pool, claim).next.is_dir()

    pool = BtrfsPool(pool.root)
    assert not folder_of(pool, claim).next.exists()
    assert not pool.has_writable(claim.volume_id)
    pool.create(claim)
    written(pool, claim, "text")


def test_an_adoption_that_was_cut_off_can_be_had_again(
    make_btrfs_pool: MakeBtrfsPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make_btrfs_pool()
    claim, snapshot = volume_with_snapshot(pool)
    monkeypatch.setattr(VolumeFolder, "write_epoch", cut)
    with pytest.raises(PowerCut):
        pool.adopt(Claim(claim.volume_id, 2), snapshot)
    monkeypatch.undo()
    pool = BtrfsPool(pool.root)
    pool.adopt(Claim(claim.volume_id, 2), snapshot)
    assert text_of(pool, Claim(claim.volume_id, 2)) == "saved"
    assert pool.asides() == []


@pytest.mark.parametrize("step", ["prepare", "write_epoch"])
def test_putting_away_that_was_cut_off_is_finished_by_the_next_call(
    make_btrfs_pool: MakeBtrfsPool, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    pool = make_btrfs_pool()
    claim, first = volume_with_snapshot(pool)
    written(pool, claim, "second")
    (pool.writable_path(claim) / "file.txt").write_text("unsaved")
    owner = Trash if step == "prepare" else VolumeFolder
    monkeypatch.setattr(owner, step, cut)
    with pytest.raises(PowerCut):
        put_away(pool, Claim(claim.volume_id, 2), first)
    monkeypatch.undo()
    pool = BtrfsPool(pool.root)
    put_away(pool, Claim(claim.volume_id, 2), first)
    assert not pool.has_writable(claim.volume_id)
    assert pool.snapshots(claim.volume_id) == [first]
    [aside] = pool.asides()
    assert content_of(pool, aside) == "unsaved"


def test_a_snapshot_that_was_not_on_disk_yet_is_not_one(
    make_btrfs_pool: MakeBtrfsPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = make_btrfs_pool(), make_btrfs_pool()
    claim, snapshot = volume_with_snapshot(source)
    whole = b"".join(source.send(claim.volume_id, snapshot.number, None))
    monkeypatch.setattr(subvolume, "sync", cut)
    monkeypatch.setattr(VolumeFolder, "drop_unfinished", lambda *_: None)
    with pytest.raises(PowerCut):
        target.receive(claim.volume_id, snapshot, None, iter([whole]))
    monkeypatch.undo()
    # `btrfs receive` was done with it: read-only, with its identity. Its data may be missing.
    path = folder_of(target, claim).snapshot(snapshot.number)
    assert subvolume.look(path).is_readonly
    assert target.snapshots(claim.volume_id) == []
    target = BtrfsPool(target.root)
    assert not path.exists()
    target.receive(claim.volume_id, snapshot, None, iter([whole]))
    assert BtrfsPool(target.root).snapshots(claim.volume_id) == [snapshot]


def test_a_snapshot_that_is_being_sent_is_given_up_later(make_btrfs_pool: MakeBtrfsPool) -> None:
    pool = make_btrfs_pool()
    claim, first = volume_with_snapshot(pool)
    (pool.writable_path(claim) / "noise").write_bytes(os.urandom(8 << 20))
    second = pool.take_snapshot(claim)
    stream = pool.send(claim.volume_id, second.number, None)
    next(stream)
    for _ in range(2):
        with pytest.raises(PoolError):
            put_away(pool, Claim(claim.volume_id, 2), first)
        assert pool.asides() == []
    stream.close()
    assert put_away(pool, Claim(claim.volume_id, 2), first) is not None
    assert len(pool.asides()) == 1
    assert pool.snapshots(claim.volume_id) == [first]


def test_a_copy_adopted_in_vain_is_given_up_later_when_its_snapshot_is_being_sent(
    make_btrfs_pool: MakeBtrfsPool,
) -> None:
    owner, pool = make_btrfs_pool(), make_btrfs_pool()
    claim, first = volume_with_snapshot(owner)
    (owner.writable_path(claim) / "noise").write_bytes(os.urandom(8 << 20))
    second = owner.take_snapshot(claim)
    for snapshot in (first, second):
        stream = owner.send(claim.volume_id, snapshot.number, None)
        pool.receive(claim.volume_id, snapshot, None, stream)
    pool.adopt(Claim(claim.volume_id, 2), second)
    much_later = (Claim(claim.volume_id, 5), Snapshot(7, "elsewhere", 4), Cut(2, first.number))
    sending = pool.send(claim.volume_id, second.number, None)
    next(sending)
    for _ in range(2):
        with pytest.raises(PoolError):
            put_away(pool, *much_later)
    sending.close()
    assert put_away(pool, *much_later) is not None
    assert pool.snapshots(claim.volume_id) == [first]
    assert not pool.has_writable(claim.volume_id)


def test_a_number_used_again_after_a_crash_has_the_later_epoch(
    make_btrfs_pool: MakeBtrfsPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make_btrfs_pool()
    claim, first = volume_with_snapshot(pool)
    written(pool, claim, "left behind")
    monkeypatch.setattr(VolumeFolder, "_forget_snapshot_epoch", cut)
    with pytest.raises(PowerCut):
        put_away(pool, Claim(claim.volume_id, 2), first)
    monkeypatch.undo()
    pool = BtrfsPool(pool.root)
    put_away(pool, Claim(claim.volume_id, 2), first)
    pool.adopt(Claim(claim.volume_id, 3), first)
    again = written(pool, Claim(claim.volume_id, 3), "went on")
    assert [(each.number, each.epoch) for each in pool.snapshots(claim.volume_id)] == [
        (1, 1),
        (2, 3),
    ]
    assert again.number == 2


def test_the_epoch_of_a_snapshot_that_was_never_made_is_no_data(
    make_btrfs_pool: MakeBtrfsPool,
) -> None:
    pool, claim = make_btrfs_pool(), a_claim()
    folder = folder_of(pool, claim)
    folder.make()
    folder.write_snapshot_epoch(1, claim.epoch)
    pool = BtrfsPool(pool.root)
    pool.create(claim)
    assert pool.has_writable(claim.volume_id)


def test_an_epoch_that_cannot_be_read_does_not_keep_a_copy_in_place(
    make_btrfs_pool: MakeBtrfsPool,
) -> None:
    pool = make_btrfs_pool()
    claim, snapshot = volume_with_snapshot(pool)
    note.write(folder_of(pool, claim).path / "epoch", "three")
    assert put_away(pool, Claim(claim.volume_id, 2), snapshot) is None
    assert not pool.has_writable(claim.volume_id)


def test_one_broken_volume_does_not_keep_the_pool_closed(
    make_btrfs_pool: MakeBtrfsPool, caplog: pytest.LogCaptureFixture
) -> None:
    pool = make_btrfs_pool()
    claim, _ = volume_with_snapshot(pool)
    broken = pool.root / "volumes" / a_claim().volume_id
    (broken / "next").mkdir(parents=True)  # not a subvolume: nothing that this pool makes
    assert text_of(BtrfsPool(pool.root), claim) == "saved"
    assert "is not a subvolume" in caplog.text


def test_two_names_are_exchanged_or_it_is_said(make_btrfs_pool: MakeBtrfsPool) -> None:
    pool = make_btrfs_pool()
    claim, _ = volume_with_snapshot(pool)
    folder = folder_of(pool, claim)
    with pytest.raises(PoolError, match="No such file"):
        subvolume.exchange(folder.live, folder.next)
    assert text_of(pool, claim) == "saved"


def test_a_pool_that_cannot_be_flushed_is_said(
    make_btrfs_pool: MakeBtrfsPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make_btrfs_pool()

    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "the disk is dead")

    monkeypatch.setattr(subvolume, "ioctl", broken)
    with pytest.raises(PoolError, match="the disk is dead"):
        pool.changed_volumes([a_claim()])


def test_a_place_that_was_never_filled_is_no_entry(
    make_btrfs_pool: MakeBtrfsPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make_btrfs_pool()
    claim, _ = volume_with_snapshot(pool)
    monkeypatch.setattr(Path, "rename", cut)
    with pytest.raises(PowerCut):
        pool.discard(claim.volume_id, "demo", "node1", SURE)
    monkeypatch.undo()
    [place] = (pool.root / "trash").iterdir()
    assert json.loads(note.read(place / "note"))["why"] == "removed"
    assert pool.asides() == []
    assert not pool.reclaim(claim.volume_id, SURE.confirm)
    assert text_of(pool, claim) == "saved"
    BtrfsPool(pool.root)  # as the daemon does when it starts
    assert list((pool.root / "trash").iterdir()) == []


@pytest.mark.parametrize("damaged", [" ", "{", '{"reference": "x"}', "[]"])
def test_a_note_that_cannot_be_read_does_not_hide_the_copy(
    make_btrfs_pool: MakeBtrfsPool, damaged: str
) -> None:
    pool = make_btrfs_pool()
    claim, first = volume_with_snapshot(pool)
    written(pool, claim, "second")
    assert put_away(pool, Claim(claim.volume_id, 2), first)
    pool.discard(claim.volume_id, "demo", "node1", SURE)
    for path in (pool.root / "trash").iterdir():
        note.write(path / "note", damaged)
    (pool.root / "trash" / "notes-of-the-operator").mkdir()
    assert {aside.why for aside in pool.asides()} == {"conflict", "removed"}
    assert {content_of(pool, aside) for aside in pool.asides()} == {"second", "saved"}
    assert pool.reclaim(claim.volume_id, SURE.confirm)


def test_what_cannot_be_purged_stays_listed(make_btrfs_pool: MakeBtrfsPool) -> None:
    pool = make_btrfs_pool()
    stuck, _ = volume_with_snapshot(pool)
    gone, _ = volume_with_snapshot(pool)
    folder = pool.writable_path(stuck) / "folder"
    folder.mkdir()
    subprocess.run(["btrfs", "-q", "subvolume", "create", str(folder / "inner")], check=True)
    subprocess.run(["chattr", "+i", str(folder)], check=True)
    for claim in (stuck, gone):
        pool.discard(claim.volume_id, "demo", "node1", SURE)
    for aside in pool.asides():
        with nullcontext() if aside.volume_id == gone.volume_id else pytest.raises(PoolError):
            pool.purge_aside(aside.reference)
    assert [aside.volume_id for aside in pool.asides()] == [stuck.volume_id]
