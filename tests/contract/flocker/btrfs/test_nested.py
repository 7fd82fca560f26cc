"""Subvolumes that users made inside a volume, and what else they can do to it as a whole."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

import pytest
from starlette.responses import JSONResponse

from flocker.base.errors import LeavesBehind
from flocker.base.records import Claim, Snapshot
from flocker.btrfs import nested, subvolume
from flocker.pool.btrfs_pool import BtrfsPool
from tests.contract.flocker.conftest import SURE, MakeBtrfsPool
from tests.contract.flocker.pool.test_pool import a_claim, moved, put_away, text_of, written

pytestmark = pytest.mark.contract

MIB = 1 << 20


@pytest.fixture
def pool(make_btrfs_pool: MakeBtrfsPool) -> BtrfsPool:
    return make_btrfs_pool()


def volume_with_subvolumes(
    pool: BtrfsPool, size_bytes: int | None = None
) -> tuple[Claim, Snapshot]:
    """A volume in which docker-in-docker has worked, or snapper."""
    claim = a_claim()
    pool.create(claim, size_bytes)
    first = written(pool, claim, "saved")
    live = pool.writable_path(claim)
    (live / "var" / "lib").mkdir(parents=True)
    btrfs("create", live / "var" / "lib" / "layer")
    (live / "var" / "lib" / "layer" / "file").write_text("inside")
    btrfs("create", live / "var" / "lib" / "layer" / "deeper")
    (live / "var" / "lib" / "layer" / "deeper" / "file").write_text("deeper")
    # Read-only, as the snapshots are that snapper makes.
    btrfs("snapshot", "-r", live / "var" / "lib" / "layer", live / "kept")
    return claim, first


def btrfs(*arguments: str | Path) -> None:
    subprocess.run(["btrfs", "-q", "subvolume", *map(str, arguments)], check=True)


def test_they_are_found_wherever_they_are(pool: BtrfsPool) -> None:
    claim, _ = volume_with_subvolumes(pool)
    live = pool.writable_path(claim)
    found = [str(each.relative_to(live)) for each in nested.inside(live)]
    assert sorted(found) == ["kept", "var/lib/layer", "var/lib/layer/deeper"]
    assert nested.inside(live / "var" / "lib" / "layer" / "deeper") == []


def test_the_daemon_goes_on_while_the_kernel_looks_for_them(
    pool: BtrfsPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's fcntl lets no other thread run during an ioctl with more than 1024 bytes."""
    claim, _ = volume_with_subvolumes(pool)

    def refuse(*_: object) -> None:
        raise AssertionError("asked with the interpreter's lock")

    monkeypatch.setattr(fcntl, "ioctl", refuse)
    live = pool.writable_path(claim)
    assert len(nested.inside(live)) == 3
    assert not subvolume.is_gone(live, subvolume.look(live).id)
    pool.usage()


def test_more_of_them_are_found_than_one_answer_of_the_kernel_has_room_for(
    pool: BtrfsPool,
) -> None:
    claim = a_claim()
    pool.create(claim)
    many = [pool.writable_path(claim) / f"folder {number}" for number in range(300)]
    for each in many:
        btrfs("create", each)
    assert sorted(nested.inside(pool.writable_path(claim))) == sorted(many)


def test_one_that_is_deleted_meanwhile_is_none(
    pool: BtrfsPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, _ = volume_with_subvolumes(pool)
    live = pool.writable_path(claim)
    references = nested._references

    def then_delete(folder: int) -> list[tuple[int, int]]:
        found = list(references(folder))
        if (live / "kept").exists():
            btrfs("delete", live / "kept")
        return found

    monkeypatch.setattr(nested, "_references", then_delete)
    found = [str(each.relative_to(live)) for each in nested.inside(live)]
    assert found == ["var/lib/layer", "var/lib/layer/deeper"]


def test_a_snapshot_that_must_hold_all_is_refused_and_names_the_folder(pool: BtrfsPool) -> None:
    claim, _ = volume_with_subvolumes(pool)
    with pytest.raises(LeavesBehind, match=r"folder '.+' and 2 more in it are subvolumes"):
        pool.take_snapshot(claim, is_whole=True)
    assert "are subvolumes" in str(pool.problem(claim.volume_id))
    pool.take_snapshot(claim)  # replicas go on: better all but that folder than nothing

    nested.delete(pool.writable_path(claim) / "var" / "lib" / "layer")
    with pytest.raises(LeavesBehind, match="the folder 'kept' in it is a subvolume"):
        pool.take_snapshot(claim, is_whole=True)
    nested.delete(pool.writable_path(claim) / "kept")
    assert pool.problem(claim.volume_id) is None
    pool.take_snapshot(claim, is_whole=True)


def test_no_name_that_a_container_chose_forges_or_breaks_an_answer(pool: BtrfsPool) -> None:
    claim = a_claim()
    pool.create(claim)
    for name in (b"\xff", b"gone\x1b[2J\nflocker: all is well"):
        folder = pool.writable_path(claim) / os.fsdecode(name)
        btrfs("create", folder)
        problem = str(pool.problem(claim.volume_id))
        assert problem.isprintable()
        assert JSONResponse({"problem": problem}).status_code == 200
        nested.delete(folder)


def test_a_volume_without_them_any_more_arrives_as_it_is(make_btrfs_pool: MakeBtrfsPool) -> None:
    source, target = make_btrfs_pool(), make_btrfs_pool()
    claim, first = volume_with_subvolumes(source)
    target.receive(claim.volume_id, first, None, source.send(claim.volume_id, first.number, None))
    during = source.take_snapshot(claim)
    stream = source.send(claim.volume_id, during.number, first.number)
    target.receive(claim.volume_id, during, first, stream)
    live = source.writable_path(claim)
    nested.delete(live / "var" / "lib" / "layer")
    nested.delete(live / "kept")
    (live / "kept").mkdir()
    (live / "kept" / "file").write_text("a plain folder")
    source.take_snapshot(claim, is_whole=True)
    there = target.writable_path(moved(source, target, claim, parent=during))
    assert (there / "kept" / "file").read_text() == "a plain folder"
    assert list((there / "var" / "lib").iterdir()) == []


def test_a_copy_with_them_is_put_away_and_can_be_had_back_with_all_of_it(pool: BtrfsPool) -> None:
    claim, _ = volume_with_subvolumes(pool)
    last = pool.take_snapshot(claim)  # holds all but what is inside of them
    aside = put_away(pool, Claim(claim.volume_id, 2), last)
    assert aside is not None
    assert not pool.has_writable(claim.volume_id)
    rescued = a_claim()
    pool.clone_aside(aside.reference, rescued, None)
    assert (pool.writable_path(rescued) / "var/lib/layer/file").read_text() == "inside"
    assert (pool.writable_path(rescued) / "var/lib/layer/deeper/file").read_text() == "deeper"
    assert (pool.writable_path(rescued) / "kept/file").read_text() == "inside"


@pytest.mark.parametrize("how", ["put away", "removed"])
def test_they_are_purged_with_what_was_put_aside(pool: BtrfsPool, how: str) -> None:
    claim, first = volume_with_subvolumes(pool)
    if how == "put away":
        put_away(pool, Claim(claim.volume_id, 2), first)
    else:
        pool.discard(claim.volume_id, "demo", "node1", SURE)
    [aside] = pool.asides()
    pool.purge_aside(aside.reference)
    assert list((pool.root / "trash").iterdir()) == []


def test_a_removed_volume_comes_back_with_them(pool: BtrfsPool) -> None:
    claim, _ = volume_with_subvolumes(pool)
    pool.discard(claim.volume_id, "demo", "node1", SURE)
    assert pool.reclaim(claim.volume_id, SURE.confirm)
    assert (pool.writable_path(claim) / "var/lib/layer/file").read_text() == "inside"


def test_they_cannot_be_used_to_hold_more_than_the_volumes_size(pool: BtrfsPool) -> None:
    claim, _ = volume_with_subvolumes(pool, 32 * MIB)
    before = pool.used_bytes(claim.volume_id) or 0
    layer = pool.writable_path(claim) / "var" / "lib" / "layer"
    (layer / "first").write_bytes(os.urandom(8 * MIB))
    os.sync()
    assert (pool.used_bytes(claim.volume_id) or 0) >= before + 8 * MIB

    pool.contain(claim)
    with pytest.raises(OSError, match="quota"):
        (layer / "second").write_bytes(os.urandom(8 * MIB))
    (layer / "first").unlink()  # what is too much can be deleted
    pool.set_size(claim, None)
    (layer / "second").write_bytes(os.urandom(8 * MIB))


def test_a_volume_that_was_made_read_only_goes_on(pool: BtrfsPool) -> None:
    claim, first = a_volume(pool)
    subvolume.set_readonly(pool.writable_path(claim), is_readonly=True)
    assert pool.changed_volumes([claim]) == [claim]
    pool.take_snapshot(claim)
    assert written(pool, claim, "second") != first


@pytest.mark.parametrize("how", ["snapshot", "put away", "replaced", "removed"])
def test_nothing_users_do_to_a_volume_as_a_whole_keeps_it_in_place(
    pool: BtrfsPool, how: str
) -> None:
    claim, first = a_volume(pool)
    live = pool.writable_path(claim)
    (live / "file.txt").write_text("unsaved")
    subprocess.run(["chattr", "+i", str(live)], check=True)
    subvolume.set_readonly(live, is_readonly=True)
    if how == "snapshot":
        second = pool.take_snapshot(claim)
        assert second.number == first.number + 1
    elif how == "put away":
        assert put_away(pool, Claim(claim.volume_id, 2), first) is not None
        assert not pool.has_writable(claim.volume_id)
    elif how == "replaced":
        pool.adopt(Claim(claim.volume_id, 2), first)
        assert text_of(pool, Claim(claim.volume_id, 2)) == "saved"
    else:
        pool.discard(claim.volume_id, "demo", "node1", SURE)
        [aside] = pool.asides()
        pool.purge_aside(aside.reference)
        assert pool.asides() == []


def test_a_volume_that_was_given_anothers_identity_keeps_its_own(
    make_btrfs_pool: MakeBtrfsPool, caplog: pytest.LogCaptureFixture
) -> None:
    source, target = make_btrfs_pool(), make_btrfs_pool()
    claim, first = a_volume(source)
    give_identity(source.writable_path(claim), first.identity)
    assert source.changed_volumes([claim]) == [claim]
    (source.writable_path(claim) / "file.txt").write_text("second")
    second = source.take_snapshot(claim)
    assert second.identity != first.identity
    assert "undone" in caplog.text
    target.receive(claim.volume_id, first, None, source.send(claim.volume_id, first.number, None))
    assert text_of(target, moved(source, target, claim, parent=first)) == "second"


def a_volume(pool: BtrfsPool) -> tuple[Claim, Snapshot]:
    claim = a_claim()
    pool.create(claim)
    return claim, written(pool, claim, "saved")


def give_identity(path: Path, identity: str) -> None:
    """What `btrfs receive` does to a subvolume it has received; its owner may, too."""
    program = (
        "import fcntl, os, sys, uuid\n"
        "folder = os.open(sys.argv[1], os.O_RDONLY)\n"
        "asked = bytearray(uuid.UUID(sys.argv[2]).bytes + bytes(184))\n"
        "fcntl.ioctl(folder, 3 << 30 | 200 << 16 | 0x94 << 8 | 37, asked)\n"
    )
    subprocess.run(["python3", "-c", program, str(path), identity], check=True)
    assert subvolume.look(path).received_uuid == identity
