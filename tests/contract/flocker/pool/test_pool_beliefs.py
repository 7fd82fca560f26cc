"""A pool takes away nothing that is wanted, whatever its caller believes; on memory and btrfs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from flocker.base.belief import Belief
from flocker.base.errors import Refused, StillWanted
from flocker.base.records import Claim, Snapshot, Volume
from flocker.engine.pool_mounts import PoolMounts
from flocker.pool.local_pool import LocalPool
from flocker.pool.volume_folder import live_of
from tests.contract.flocker.conftest import SURE, MakeBtrfsPool, MakePool
from tests.contract.flocker.pool.test_pool import a_claim, put_away, text_of, written
from tests.contract.flocker.pool.test_pool_asides import later
from tests.contract.flocker.writers import writers

pytestmark = pytest.mark.contract


def refuse() -> None:
    raise Refused("it is wanted after all")


@dataclass
class Used:
    """A volume with a snapshot of "first", and "second" written after it."""

    pool: LocalPool
    claim: Claim
    first: Snapshot
    mounted: set[str] = field(default_factory=set)

    @property
    def owned_elsewhere(self) -> Volume:
        claim = later(self.claim)
        return Volume("demo", claim.volume_id, "elsewhere", claim.epoch, "2026-01-01")

    def is_untouched(self) -> bool:
        kept = self.pool.snapshots(self.claim.volume_id) == [self.first]
        return kept and text_of(self.pool, self.claim) == "second" and not self.pool.asides()


@pytest.fixture
def used(make_pool: MakePool) -> Used:
    mounted: set[str] = set()
    pool, claim = make_pool(mounted.__contains__), a_claim()
    pool.create(claim)
    first = written(pool, claim, "first")
    (pool.writable_path(claim) / "file.txt").write_text("second")
    return Used(pool, claim, first, mounted)


TAKING: dict[str, Callable[[Used, Callable[[], None]], object]] = {
    "discard": lambda used, confirm: used.pool.discard(
        used.claim.volume_id, "demo", "node1", Belief(confirm, used.claim.epoch)
    ),
    "put away": lambda used, confirm: used.pool.put_away(used.owned_elsewhere, "node1", confirm),
    "adopt": lambda used, _: used.pool.adopt(later(used.claim), used.first),
}


@pytest.mark.parametrize("taking", TAKING)
def test_what_a_process_has_mounted_is_not_taken_away(used: Used, taking: str) -> None:
    used.mounted.add(used.claim.volume_id)
    with pytest.raises(StillWanted, match="mounted"):
        TAKING[taking](used, SURE.confirm)
    assert used.is_untouched()
    used.mounted.clear()
    TAKING[taking](used, SURE.confirm)
    assert len(used.pool.asides()) == 1


@pytest.mark.parametrize("taking", ["discard", "put away"])
def test_what_is_wanted_after_all_is_not_taken_away(used: Used, taking: str) -> None:
    with pytest.raises(Refused, match="after all"):
        TAKING[taking](used, refuse)
    assert used.is_untouched()


def test_a_later_epoch_than_believed_is_not_taken_away(used: Used) -> None:
    used.pool.readmit(later(used.claim))
    with pytest.raises(StillWanted, match="later"):
        used.pool.discard(used.claim.volume_id, "demo", "node1", Belief(refuse, used.claim.epoch))
    with pytest.raises(StillWanted, match="later"):
        used.pool.adopt(used.claim, used.first)
    assert text_of(used.pool, later(used.claim)) == "second"


def test_what_was_removed_after_all_is_not_brought_back(used: Used) -> None:
    """By who looked before, as a node that follows the volume."""
    used.pool.discard(used.claim.volume_id, "demo", "node1", SURE)
    with pytest.raises(Refused, match="after all"):
        used.pool.reclaim(used.claim.volume_id, refuse)
    assert used.pool.volume_ids() == []
    assert [aside.why for aside in used.pool.asides()] == ["removed"]
    assert used.pool.reclaim(used.claim.volume_id, SURE.confirm)
    assert used.is_untouched()
    assert not used.pool.reclaim(used.claim.volume_id, refuse), "nobody is asked for nothing"


def test_an_epoch_that_comes_again_from_an_older_etcd_replaces_nothing(make_pool: MakePool) -> None:
    """A backup was restored: the cluster is at epoch 2 again, this node was told of 5."""
    owner, pool, claim = make_pool(), make_pool(), a_claim()
    owner.create(claim)
    first = written(owner, claim, "first")
    pool.receive(claim.volume_id, first, None, owner.send(claim.volume_id, first.number, None))
    put_away(pool, later(claim, by=4), base=first)
    with pytest.raises(StillWanted, match="later"):
        pool.adopt(later(claim), first)
    assert not pool.has_writable(claim.volume_id)


@pytest.mark.parametrize("taking", ["discard", "put away"])
def test_etcd_is_asked_while_nobody_else_changes_the_volume(used: Used, taking: str) -> None:
    """So the look is not older than the lock."""
    seen: list[bool] = []

    def look() -> set[int]:
        seen.append(used.pool.has_writable(used.claim.volume_id))
        return set()

    other = threading.Thread(target=lambda: used.pool.prune(used.claim.volume_id, look))
    TAKING[taking](used, other.start)
    other.join(20)
    assert seen == [False], "the other thread came while etcd was asked"


def test_a_volume_a_container_has_is_not_taken_away(
    make_btrfs_pool: MakeBtrfsPool, tmp_path: Path
) -> None:
    """The kernel is asked, not a count."""
    pool = make_btrfs_pool(lambda id_: PoolMounts(partial(live_of, pool.root)).is_mounted(id_))
    claim = a_claim()
    pool.create(claim)
    with writers(tmp_path, [pool.writable_path(claim)]):
        with pytest.raises(StillWanted, match="mountinfo"):
            pool.discard(claim.volume_id, "demo", "node1", SURE)
        assert pool.has_writable(claim.volume_id)
    pool.discard(claim.volume_id, "demo", "node1", SURE)
    assert not pool.has_writable(claim.volume_id)
