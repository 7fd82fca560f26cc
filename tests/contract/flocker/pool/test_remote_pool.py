"""Everything that a pool promises which all nodes reach, run on memory and on a real Ceph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from flocker.base.errors import StaleEpoch
from flocker.base.records import Claim
from flocker.pool.references import Names
from flocker.pool.remote_pool import RemotePool
from tests.contract.flocker.ceph.fixtures import SharedNodes
from tests.contract.flocker.conftest import SURE
from tests.contract.flocker.pool.test_pool import a_claim, text_of, written
from tests.twins.memory_remote import MemoryStorage
from tests.twins.memory_sessions import MemorySessions

pytestmark = pytest.mark.contract


@dataclass(frozen=True)
class Nodes:
    """Nodes that reach one storage; `records` are the addresses of their clients."""

    another: Callable[[], RemotePool]
    records: MemorySessions


@pytest.fixture(params=["memory", "ceph"])
def nodes(request: pytest.FixtureRequest, tmp_path: Path) -> Nodes:
    if request.param == "ceph":
        shared: SharedNodes = request.getfixturevalue("shared_nodes")
        return Nodes(shared.pool, shared.records)
    storage, records = MemoryStorage(tmp_path / "storage"), MemorySessions()
    return Nodes(lambda: storage.way(Names(), records, lambda _: False), records)


def later(claim: Claim) -> Claim:
    return Claim(claim.volume_id, claim.epoch + 1)


def test_a_volume_is_mounted_by_its_first_use_until_it_is_closed(nodes: Nodes) -> None:
    pool, claim = nodes.another(), a_claim()
    pool.create(claim)
    assert (pool.epoch(claim.volume_id), pool.opened()) == (1, [])
    assert pool.mountpoint(claim.volume_id) is None
    path = pool.writable_path(claim)
    assert pool.writable_path(claim) == path
    assert (pool.mountpoint(claim.volume_id), pool.opened()) == (path, [claim])
    assert len(nodes.records.of(claim)) == 1
    for _ in range(2):
        pool.close(claim.volume_id)
        assert (pool.mountpoint(claim.volume_id), pool.opened()) == (None, [])
        assert nodes.records.of(claim) == []
    assert pool.writable_path(claim).is_dir()


def test_every_node_sees_a_volume_and_only_its_owner_opens_it(nodes: Nodes) -> None:
    here, there, claim = nodes.another(), nodes.another(), a_claim()
    here.create(claim)
    snapshot = written(here, claim, "text")
    here.close(claim.volume_id)
    assert there.volume_ids() == [claim.volume_id]
    assert there.snapshots(claim.volume_id) == [snapshot]
    for _ in range(2):
        there.take_over(later(claim), {})
    assert here.epoch(claim.volume_id) == there.epoch(claim.volume_id) == 2
    assert text_of(there, later(claim)) == "text"
    with pytest.raises(StaleEpoch):
        here.writable_path(claim)
    with pytest.raises(StaleEpoch):
        here.take_over(claim, {})


def test_a_volume_that_is_not_there_has_no_epoch_and_is_not_taken_over(nodes: Nodes) -> None:
    pool, claim = nodes.another(), a_claim()
    assert pool.epoch(claim.volume_id) is None
    assert pool.problem(claim.volume_id) is not None
    pool.take_over(claim, {})
    pool.close(claim.volume_id)
    pool.cut_off(claim.volume_id)
    assert pool.volume_ids() == []


def test_a_client_that_was_cut_off_is_closed_and_does_not_come_back(nodes: Nodes) -> None:
    here, there, claim = nodes.another(), nodes.another(), a_claim()
    here.create(claim)
    here.writable_path(claim)
    former = nodes.records.by_epoch(claim.volume_id)
    there.take_over(later(claim), former)
    here.cut_off(claim.volume_id)
    here.close(claim.volume_id)
    assert here.opened() == []
    with pytest.raises(StaleEpoch):
        here.writable_path(claim)
    assert there.writable_path(later(claim)).is_dir()


def test_each_snapshot_is_a_new_one_and_can_be_dropped(nodes: Nodes) -> None:
    pool, claim = nodes.another(), a_claim()
    pool.create(claim)
    first = written(pool, claim, "first")
    second = pool.take_snapshot(claim)
    assert second != first
    for _ in range(2):
        pool.drop_snapshot(claim.volume_id, first)
        assert pool.snapshots(claim.volume_id) == [second]
    copy = a_claim()
    pool.clone(claim.volume_id, second, copy, None)
    assert text_of(pool, copy) == "first"


def test_what_is_removed_has_no_client(nodes: Nodes) -> None:
    pool, claim = nodes.another(), a_claim()
    pool.create(claim)
    written(pool, claim, "text")
    pool.discard(claim.volume_id, "ledger", "node1", SURE)
    assert (pool.opened(), pool.volume_ids()) == ([], [])
    assert pool.reclaim(claim.volume_id, lambda: None)
    assert text_of(pool, claim) == "text"
