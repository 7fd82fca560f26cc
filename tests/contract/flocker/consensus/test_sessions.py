"""The clients of owners on a shared storage, as all nodes agree about them; memory and etcd."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flocker.base.errors import StaleEpoch
from flocker.base.records import Claim, Node, Removed
from tests.contract.flocker.consensus.test_ownership import (
    BASE,
    event,
    held,
    joined,
    let_expire,
    made,
)
from tests.contract.flocker.etcd_members import Join
from tests.twins.moves import start_move

pytestmark = pytest.mark.contract


def test_sessions_are_seen_by_all_until_they_end(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume, other = made(node1), made(node1)
    for _ in range(2):
        node1.begin_session(volume, "first")
    node1.begin_session(volume, "second")
    node1.begin_session(other, "another")
    assert node2.sessions(volume.id) == {1: ["first", "second"]}
    for _ in range(2):
        node1.end_session(volume.claim, "first")
    assert node2.sessions(volume.id) == {1: ["second"]}
    node1.end_session(volume.claim, "second")
    assert node2.sessions(volume.id) == {}
    assert node2.sessions(other.id) == {1: ["another"]}


def test_sessions_outlive_the_lease_of_their_node(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = made(node1)
    node1.mount(volume)
    node1.begin_session(volume, "first")
    let_expire(node1, "node1")
    promoted = node2.promote(volume, held(volume, "node2"), event(volume, "promoted"))
    assert node2.sessions(volume.id) == {1: ["first"]}
    node2.begin_session(promoted, "second")
    assert node2.sessions(volume.id) == {1: ["first"], 2: ["second"]}
    node2.end_session(Claim(volume.id, 1), "first")
    assert node2.sessions(volume.id) == {2: ["second"]}


def test_only_the_present_owner_begins_a_session(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = made(node1)
    move = start_move(node2, volume, "node2")
    moved = node2.finish_move(volume, move, BASE, event(volume, "moved"))
    with pytest.raises(StaleEpoch):
        node1.begin_session(volume, "late")
    with pytest.raises(StaleEpoch):
        node1.begin_session(replace(moved, id=made(node1).id), "of another volume")
    resized = replace(moved, size_bytes=5)
    node2.change(moved, resized, event(moved, "resized"))
    node2.begin_session(moved, "the same owner")
    assert node2.sessions(volume.id) == {2: ["the same owner"]}


def test_the_roots_of_lost_nodes_are_told_until_they_end(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    for _ in range(2):
        node1.begin_root("node1", "first")
    node1.begin_root("node1", "second")
    node2.begin_root("node2", "other")
    assert node1.root("node1") == ["first", "second"]
    assert node2.lost_roots() == {}
    let_expire(node1, "node1")
    node2.announce(Node("node2", "127.0.0.1", "0", 0, 1))
    assert node2.lost_roots() == {"node1": ["first", "second"]}
    for _ in range(2):
        node2.end_root("node1", "first")
    assert node2.lost_roots() == {"node1": ["second"]}
    node2.end_root("node1", "second")
    assert node2.lost_roots() == {}
    assert node1.root("node1") == []
    assert node2.root("node2") == ["other"]


def test_sessions_go_with_a_purged_volume(join: Join) -> None:
    node1 = joined(join, "node1")
    volume = made(node1)
    node1.begin_session(volume, "first")
    node1.remove(volume, event(volume, "removed"))
    removed = node1.removed(volume.id)
    assert isinstance(removed, Removed)
    assert node1.sessions(volume.id) == {1: ["first"]}
    node1.purge(removed)
    assert node1.sessions(volume.id) == {}
