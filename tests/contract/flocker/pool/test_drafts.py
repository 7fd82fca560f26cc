"""The draft of a replica: snapshots are taken of it, and share their commits."""

from __future__ import annotations

import subprocess
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flocker.base.errors import PoolError, TransferFailed
from flocker.base.records import Claim, Snapshot
from flocker.btrfs import subvolume
from flocker.pool.btrfs_pool import BtrfsPool
from flocker.streams import send_stream
from flocker.streams.send_stream import Beginning
from tests.contract.flocker.conftest import MakeBtrfsPool
from tests.contract.flocker.pool.test_btrfs_crash import PowerCut, cut, folder_of
from tests.contract.flocker.pool.test_pool import text_of, written
from tests.contract.flocker.pool.test_pool_batches import both_hold, small

pytestmark = pytest.mark.contract

MANY = 16  # volumes


def commits(pool: BtrfsPool) -> int:
    """The number of transactions that were committed to a pool's disk."""
    found = ["findmnt", "-no", "UUID", "--target", str(pool.root)]
    asked = subprocess.run(found, check=True, capture_output=True, text=True)
    stats = Path("/sys/fs/btrfs") / asked.stdout.strip() / "commit_stats"
    numbers = dict(line.split() for line in stats.read_text().splitlines())
    return int(numbers["commits"])


def follow(
    source: BtrfsPool, target: BtrfsPool, claim: Claim, last: Snapshot, text: str
) -> Snapshot:
    """Write a text in one pool, and bring the copy in the other up to date."""
    taken = written(source, claim, text)
    stream = small(source, claim, taken, last)
    assert target.settle([target.stage(claim.volume_id, taken, last, stream)]) == [None]
    return taken


def begun(stream: bytes) -> Beginning:
    said = send_stream.parse(stream)
    assert said is not None
    assert isinstance(said[0], Beginning)
    return said[0]


def content(target: BtrfsPool, claim: Claim, snapshot: Snapshot) -> str:
    return (folder_of(target, claim).snapshot(snapshot.number) / "file.txt").read_text()


def test_increments_that_arrive_together_share_commits(make_btrfs_pool: MakeBtrfsPool) -> None:
    source, target = make_btrfs_pool(), make_btrfs_pool()
    known = [both_hold(source, target) for _ in range(MANY)]
    arriving = []
    for claim, first in known:
        second = written(source, claim, "second")
        arriving.append((claim.volume_id, second, first, small(source, claim, second, first)))
    before = commits(target)
    with ThreadPoolExecutor(MANY) as threads:
        staged = list(threads.map(lambda each: target.stage(*each), arriving))
    assert target.settle(staged) == [None] * MANY
    assert commits(target) - before < MANY


def test_a_copy_of_a_copy_has_the_same_identity(make_btrfs_pool: MakeBtrfsPool) -> None:
    source, first_copy, second_copy = (make_btrfs_pool() for _ in range(3))
    claim, first = both_hold(source, first_copy)
    whole = b"".join(first_copy.send(claim.volume_id, first.number, None))
    assert begun(whole).uuid == uuid.UUID(first.identity).bytes
    second_copy.receive(claim.volume_id, first, None, [whole])
    second = follow(source, first_copy, claim, first, "second")
    increment = small(first_copy, claim, second, first)
    assert begun(increment).uuid == uuid.UUID(second.identity).bytes
    assert begun(increment).parent_uuid == uuid.UUID(first.identity).bytes
    second_copy.receive(claim.volume_id, second, first, [increment])
    third = follow(source, first_copy, claim, second, "third")
    for pool in (first_copy, second_copy):
        assert pool.snapshots(claim.volume_id)[:2] == [first, second]
    assert content(first_copy, claim, third) == "third"
    assert content(second_copy, claim, second) == "second"


@pytest.mark.parametrize("step", ["set_received", "set_readonly"])
def test_a_copy_that_is_sent_stays_a_copy_whatever_is_cut_off(
    make_btrfs_pool: MakeBtrfsPool, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    source, target = make_btrfs_pool(), make_btrfs_pool()
    claim, first = both_hold(source, target)
    path = folder_of(target, claim).snapshot(first.number)
    real = subvolume.set_readonly

    def cut_the_second(path: Path, *, is_readonly: bool) -> None:
        if is_readonly:
            raise PowerCut
        real(path, is_readonly=is_readonly)

    cuts: dict[str, Callable[..., None]] = {"set_received": cut, "set_readonly": cut_the_second}
    with monkeypatch.context() as broken:
        broken.setattr(subvolume, step, cuts[step])
        with pytest.raises(PowerCut):
            next(target.send(claim.volume_id, first.number, None))
    assert not subvolume.look(path).is_readonly
    assert target.snapshots(claim.volume_id) == [first]

    target = BtrfsPool(target.root)
    assert subvolume.look(path).is_readonly
    assert target.snapshots(claim.volume_id) == [first]
    whole = b"".join(target.send(claim.volume_id, first.number, None))
    assert begun(whole).uuid == uuid.UUID(first.identity).bytes


def test_a_copy_is_given_its_identity_when_its_stream_is_read(
    make_btrfs_pool: MakeBtrfsPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that asks for one serves all other nodes, and must not wait for commits."""
    source, target = make_btrfs_pool(), make_btrfs_pool()
    claim, first = both_hold(source, target)

    def refuse(*_: object) -> None:
        raise PoolError("Input/output error")

    monkeypatch.setattr(subvolume, "set_received", refuse)
    stream = target.send(claim.volume_id, first.number, None)
    with pytest.raises(PoolError, match="Input/output error"):
        next(stream)


def test_a_stream_does_not_wait_for_a_snapshot_that_is_being_taken(
    make_btrfs_pool: MakeBtrfsPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A volume to which much is written must not hold up what is sent with it."""
    source, target = make_btrfs_pool(), make_btrfs_pool()
    claim, first = both_hold(source, target)
    later = Claim(claim.volume_id, 2)
    target.adopt(later, first)
    second, third = written(target, later, "second"), written(target, later, "third")
    small(target, later, second, first)  # from now on the kernel knows the first
    taking, goes_on = threading.Event(), threading.Event()
    real = subvolume.snapshot

    def slow(*arguments: Path, readonly: bool = False) -> None:
        taking.set()
        assert goes_on.wait(30)
        real(*arguments, readonly=readonly)

    monkeypatch.setattr(subvolume, "snapshot", slow)
    with ThreadPoolExecutor() as threads:
        fourth = threads.submit(written, target, later, "fourth")
        try:
            assert taking.wait(10)
            for ends in ((second, first), (third, second)):
                assert threads.submit(small, target, later, *ends).result(10)
        finally:
            goes_on.set()
        assert fourth.result(10).number == third.number + 1


def test_a_copy_that_is_writable_for_a_while_makes_no_room_for_another_of_its_number(
    make_btrfs_pool: MakeBtrfsPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = make_btrfs_pool(), make_btrfs_pool()
    claim, first = both_hold(source, target)
    whole = b"".join(source.send(claim.volume_id, first.number, None))
    with monkeypatch.context() as broken:
        broken.setattr(subvolume, "set_received", cut)
        with pytest.raises(PowerCut):
            next(target.send(claim.volume_id, first.number, None))
    other = Snapshot(first.number, str(uuid.uuid4()), first.epoch)
    with pytest.raises(TransferFailed, match="another snapshot 1 is here already"):
        target.receive(claim.volume_id, other, None, [whole])
    assert target.snapshots(claim.volume_id) == [first]
    assert content(target, claim, first) == "first"


@pytest.mark.parametrize("what", ["written to", "of another snapshot", "gone"])
def test_a_draft_that_is_not_the_parent_is_made_anew(
    make_btrfs_pool: MakeBtrfsPool, what: str
) -> None:
    source, target = make_btrfs_pool(), make_btrfs_pool()
    claim, first = both_hold(source, target)
    draft = folder_of(target, claim).draft
    if what == "written to":
        (draft / "more").write_text("of nobody")
        subvolume.sync(target.root)
    elif what == "gone":
        subvolume.delete(draft)
    else:
        follow(source, target, claim, first, "in between")
    last = follow(source, target, claim, first, "later")
    assert content(target, claim, last) == "later"
    names = {path.name for path in folder_of(target, claim).snapshot(last.number).iterdir()}
    assert names == {"file.txt"}


def test_a_stream_that_fails_leaves_no_draft(make_btrfs_pool: MakeBtrfsPool) -> None:
    source, target = make_btrfs_pool(), make_btrfs_pool()
    claim, first = both_hold(source, target)
    second = written(source, claim, "second")
    stream = small(source, claim, second, first)
    wrong = Snapshot(second.number, str(uuid.uuid4()), second.epoch)
    with pytest.raises(TransferFailed, match=f"arrived as {second.identity}"):
        target.stage(claim.volume_id, wrong, first, stream)
    assert not folder_of(target, claim).draft.exists()


def test_a_draft_that_could_not_be_deleted_is_no_parent(
    make_btrfs_pool: MakeBtrfsPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of a stream may be in it, and its generation does not tell before the next commit."""
    source, target = make_btrfs_pool(), make_btrfs_pool()
    claim, first = both_hold(source, target)
    more = source.writable_path(claim) / "more"
    more.write_text("for a while")
    second = written(source, claim, "second")
    stream = small(source, claim, second, first)

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PoolError(f"{path}: Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(subvolume, "snapshot", refuse)
        broken.setattr(subvolume, "delete", refuse)
        with pytest.raises(TransferFailed, match="Input/output error"):
            target.stage(claim.volume_id, second, first, stream)
    assert folder_of(target, claim).draft.is_dir()
    more.unlink()
    third = follow(source, target, claim, first, "third")
    assert content(target, claim, third) == "third"
    names = {path.name for path in folder_of(target, claim).snapshot(third.number).iterdir()}
    assert names == {"file.txt"}


def test_an_owner_has_no_draft(make_btrfs_pool: MakeBtrfsPool) -> None:
    """Or it would keep the room of all that the owner deletes."""
    source, target = make_btrfs_pool(), make_btrfs_pool()
    claim, first = both_hold(source, target)
    assert folder_of(target, claim).draft.is_dir()
    later = Claim(claim.volume_id, 2)
    target.adopt(later, first)
    assert not folder_of(target, claim).draft.exists()
    assert text_of(target, later) == "first"


def test_an_owner_keeps_no_draft_of_what_arrived_late(make_btrfs_pool: MakeBtrfsPool) -> None:
    source, target = make_btrfs_pool(), make_btrfs_pool()
    claim, first = both_hold(source, target)
    second = written(source, claim, "second")
    staged = target.stage(claim.volume_id, second, first, small(source, claim, second, first))
    target.adopt(Claim(claim.volume_id, 2), first)
    assert target.settle([staged]) == [None]
    assert target.snapshots(claim.volume_id) == [first, second]
    assert not folder_of(target, claim).draft.exists()


def test_a_pool_that_is_opened_again_has_no_drafts(make_btrfs_pool: MakeBtrfsPool) -> None:
    """A crash may have left one in the middle of a stream."""
    source, target = make_btrfs_pool(), make_btrfs_pool()
    claim, first = both_hold(source, target)
    (folder_of(target, claim).draft / "half").write_text("a stream")
    target = BtrfsPool(target.root)
    assert not folder_of(target, claim).draft.exists()
    second = follow(source, target, claim, first, "second")
    assert content(target, claim, second) == "second"


def test_an_identity_that_is_no_uuid_names_no_file(make_btrfs_pool: MakeBtrfsPool) -> None:
    source, target = make_btrfs_pool(), make_btrfs_pool()
    claim, first = both_hold(source, target)
    second = written(source, claim, "second")
    stream = small(source, claim, second, first)
    wrong = Snapshot(second.number, "../../../harm", second.epoch)
    folder = folder_of(target, claim).path / "snapshots"
    before = sorted(folder.iterdir())
    with pytest.raises(TransferFailed, match="no UUID"):
        target.stage(claim.volume_id, wrong, first, stream)
    assert sorted(folder.iterdir()) == before
