"""Volumes that all nodes reach, as their owners change: two nodes' clients of a real Ceph."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import HoldsMore, PoolError, StaleEpoch
from flocker.base.records import Claim
from flocker.pool.shared_pool import SharedPool
from tests.contract.flocker.ceph.clients import Writer
from tests.contract.flocker.ceph.fixtures import SharedNodes
from tests.contract.flocker.pool.test_pool import a_claim, text_of, written

pytestmark = pytest.mark.contract

MIB = 1 << 20


class PowerCut(Exception):
    """The node is gone."""


class FailingMonitors:
    """Monitors whose node loses its power before a call of that number, counted from 0."""

    def __init__(self, monitors: object, cut_before: int) -> None:
        self._monitors = monitors
        self._left = cut_before

    def __getattr__(self, name: str) -> object:
        if self._left == 0:
            raise PowerCut
        self._left -= 1
        return getattr(self._monitors, name)


def later(claim: Claim) -> Claim:
    return Claim(claim.volume_id, claim.epoch + 1)


def lines(pool: SharedPool, claim: Claim) -> list[str]:
    return (pool.writable_path(claim) / "lines").read_text().splitlines()


@pytest.fixture
def used(shared_nodes: SharedNodes) -> Iterator[tuple[SharedPool, Claim, Writer]]:
    """A node's volume, and a container on it that has saved a line."""
    pool, claim = shared_nodes.pool(), a_claim()
    pool.create(claim)
    with Writer(pool.writable_path(claim)) as writer:
        assert (writer.write("saved"), writer.flush()) == (0, 0)
        yield pool, claim, writer


def test_a_planned_move_loses_nothing_and_copies_nothing(shared_nodes: SharedNodes) -> None:
    here, there, claim = shared_nodes.pool(), shared_nodes.pool(), a_claim()
    here.create(claim)
    (here.writable_path(claim) / "file.txt").write_text("not flushed")
    here.close(claim.volume_id)
    assert shared_nodes.records.by_epoch(claim.volume_id) == {}
    there.take_over(later(claim), {})
    assert text_of(there, later(claim)) == "not flushed"
    with pytest.raises(StaleEpoch, match="at epoch 2 in the shared pool, asked for at epoch 1"):
        here.writable_path(claim)
    with pytest.raises(StaleEpoch):
        here.take_snapshot(claim)


def test_an_owner_that_is_replaced_while_it_writes_is_stopped(
    shared_nodes: SharedNodes, used: tuple[SharedPool, Claim, Writer]
) -> None:
    here, claim, writer = used
    there = shared_nodes.pool()
    former = shared_nodes.records.by_epoch(claim.volume_id)
    assert [len(addresses) for addresses in former.values()] == [1]
    for _ in range(2):
        there.take_over(later(claim), former)
    assert lines(there, later(claim)) == ["saved"]
    eventually(lambda: writer.write("lost") or writer.flush(), is_=errno.ESHUTDOWN, within=20)
    assert lines(there, later(claim)) == ["saved"]
    with pytest.raises(StaleEpoch):
        here.take_over(claim, former)


@pytest.mark.parametrize("cut_before", range(3))
def test_a_takeover_that_was_cut_off_is_finished_by_the_next(
    shared_nodes: SharedNodes, used: tuple[SharedPool, Claim, Writer], cut_before: int
) -> None:
    """Before the identity goes, before the address is blocked, and after both."""
    _, claim, writer = used
    former = shared_nodes.records.by_epoch(claim.volume_id)
    monitors = shared_nodes.monitors
    shared_nodes.monitors = FailingMonitors(monitors, cut_before)  # type: ignore[assignment]
    there = shared_nodes.pool()
    try:
        there.take_over(later(claim), former)
    except PowerCut:
        assert cut_before < 2
        with pytest.raises(StaleEpoch):
            there.writable_path(later(claim))
    shared_nodes.monitors = monitors
    there = shared_nodes.restarted()
    there.take_over(later(claim), former)
    assert lines(there, later(claim)) == ["saved"]
    eventually(lambda: writer.write("lost") or writer.flush(), is_=errno.ESHUTDOWN, within=20)
    assert lines(there, later(claim)) == ["saved"]


def test_an_owner_of_long_ago_is_stopped_too(
    shared_nodes: SharedNodes, used: tuple[SharedPool, Claim, Writer]
) -> None:
    """A takeover ended before it had blocked anybody, and the next node has the next epoch."""
    _, claim, writer = used
    there, former = shared_nodes.pool(), shared_nodes.records.by_epoch(claim.volume_id)
    much_later = Claim(claim.volume_id, 5)
    there.take_over(much_later, former)
    assert lines(there, much_later) == ["saved"]
    eventually(lambda: writer.write("lost") or writer.flush(), is_=errno.ESHUTDOWN, within=20)
    assert lines(there, much_later) == ["saved"]


def test_nobody_uses_a_mount_whose_address_is_not_recorded(shared_nodes: SharedNodes) -> None:
    pool, claim = shared_nodes.pool(), a_claim()
    pool.create(claim)
    shared_nodes.records.epochs[claim.volume_id] = 2
    with pytest.raises(StaleEpoch, match="another owner"):
        pool.writable_path(claim)
    assert claim.volume_id not in Path("/proc/self/mountinfo").read_text()
    shared_nodes.records.epochs[claim.volume_id] = 1
    assert pool.writable_path(claim).is_dir()


def test_mounts_outlive_the_daemon(
    shared_nodes: SharedNodes, used: tuple[SharedPool, Claim, Writer]
) -> None:
    pool, claim, writer = used
    path = pool.writable_path(claim)
    again = shared_nodes.restarted()
    assert again.writable_path(claim) == path
    assert (writer.write("more"), writer.flush()) == (0, 0)
    with pytest.raises(PoolError, match=r"cannot be unmounted: .*busy"):
        again.close(claim.volume_id)
    assert lines(again, claim) == ["saved", "more"]
    writer.end()
    again.close(claim.volume_id)
    assert shared_nodes.records.by_epoch(claim.volume_id) == {}
    assert lines(shared_nodes.restarted(), claim) == ["saved", "more"]


def test_a_client_that_does_not_answer_the_next_daemon_is_its_own_all_the_same(
    shared_nodes: SharedNodes, used: tuple[SharedPool, Claim, Writer]
) -> None:
    """As while Ceph is away. What it has not written yet would be lost with the next move."""
    _, claim, writer = used
    assert writer.write("more") == 0
    with shared_nodes.client_paused(claim):
        again = shared_nodes.restarted()
        assert again.opened() == [claim]
    writer.end()
    again.close(claim.volume_id)
    shared_nodes.records.epochs[claim.volume_id] = 2
    other = shared_nodes.pool()
    other.take_over(later(claim), shared_nodes.records.by_epoch(claim.volume_id))
    assert lines(other, later(claim)) == ["saved", "more"]


def test_a_client_whose_address_was_never_recorded_is_not_used_by_the_next_daemon(
    shared_nodes: SharedNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody could keep it out: the daemon was killed before it wrote the address down."""
    pool, claim = shared_nodes.pool(), a_claim()
    pool.create(claim)

    def die(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as killed:
        killed.setattr(shared_nodes.records, "begin", die)
        with pytest.raises(SystemExit):
            pool.writable_path(claim)
    again = shared_nodes.restarted()
    assert again.writable_path(claim).is_dir()
    assert again.opened() == [claim]
    assert len(shared_nodes.records.of(claim)) == 1


def test_a_mount_whose_client_was_killed_is_made_anew(shared_nodes: SharedNodes) -> None:
    pool, claim = shared_nodes.pool(), a_claim()
    pool.create(claim)
    written(pool, claim, "text")
    for daemon in (pool, shared_nodes.restarted()):
        shared_nodes.kill_client(claim)
        began = time.monotonic()
        assert text_of(daemon, claim) == "text"
        assert time.monotonic() - began < 30, "the storage waits a minute for a client that is lost"


def test_what_a_restore_replaced_is_kept_and_one_that_was_cut_off_is_finished(
    shared_nodes: SharedNodes,
) -> None:
    pool, claim = shared_nodes.pool(), a_claim()
    pool.create(claim, 8 * MIB)
    first = written(pool, claim, "first")
    written(pool, claim, "second")
    pool.restore(claim, first, 8 * MIB)
    [aside] = pool.asides()
    assert aside.why == "restored"
    pool.close(claim.volume_id)
    live = pool.root / claim.volume_id / "live.1"
    live.rename(live.with_name("ready.1"))  # the power was cut between two renames
    assert text_of(pool, claim) == "first"
    live.with_name("ready.1").mkdir()  # and here before the first of them
    assert text_of(pool, claim) == "first"
    assert not live.with_name("ready.1").exists()


@pytest.mark.parametrize("step", ["ready.1", "copy", "live.1"])
def test_a_restore_is_not_disturbed_by_another_node(
    shared_nodes: SharedNodes, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """As by one that purges what an earlier restore has replaced."""
    pool, other, claim = shared_nodes.pool(), shared_nodes.pool(), a_claim()
    pool.create(claim)
    first = written(pool, claim, "first")
    written(pool, claim, "second")
    rename = Path.rename

    def renamed(path: Path, target: Path) -> Path:
        done = rename(path, target)
        if target.name == step:
            other.close(claim.volume_id)
        return done

    monkeypatch.setattr(Path, "rename", renamed)
    pool.restore(claim, first, None)
    assert text_of(pool, claim) == "first"


def test_a_folder_that_somebody_made_on_the_storage_is_no_volume(shared_nodes: SharedNodes) -> None:
    pool, claim = shared_nodes.pool(), a_claim()
    pool.create(claim)
    (pool.root / "notes").mkdir()
    assert pool.volume_ids() == [claim.volume_id]
    assert pool.writable_ids() == {claim.volume_id}


def test_a_size_is_a_limit_for_containers(shared_nodes: SharedNodes) -> None:
    pool, claim = shared_nodes.pool(), a_claim()
    pool.create(claim, 4 * MIB)
    with Writer(pool.writable_path(claim)) as writer:

        def add() -> int:
            return writer.write("x" * MIB) or writer.flush()

        eventually(add, is_=errno.EDQUOT, within=20)
        with pytest.raises(HoldsMore):
            pool.set_size(claim, 2 * MIB)
        pool.set_size(claim, 16 * MIB)
        eventually(add, is_=0, within=10)
    eventually(lambda: (pool.used_bytes(claim.volume_id) or 0) > 3 * MIB, is_=True, within=10)


def test_a_client_that_ceph_shuts_out_is_replaced_by_the_next_use(
    shared_nodes: SharedNodes, used: tuple[SharedPool, Claim, Writer]
) -> None:
    """As it does by itself to a node that was paused for some minutes."""
    pool, claim, writer = used
    assert pool.problem(claim.volume_id) is None
    [address] = shared_nodes.records.of(claim)
    shared_nodes.monitors.block(address)
    eventually(lambda: writer.write("more") or writer.flush(), is_=errno.ESHUTDOWN, within=20)
    assert "start its containers again" in str(pool.problem(claim.volume_id))
    writer.end()
    assert lines(pool, claim)[0].startswith("saved")  # and what was taken before it was shut out
    (pool.writable_path(claim) / "lines").write_text("new")
    assert pool.problem(claim.volume_id) is None
    assert shared_nodes.records.of(claim) != [address]
