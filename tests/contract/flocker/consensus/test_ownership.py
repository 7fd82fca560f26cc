"""What every Ownership promises, run on memory and on a real etcd."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import InUse, MoveCancelled, MoveUnderWay, NotAdmitted, Refused, StaleEpoch
from flocker.base.records import (
    ClusterState,
    Copy,
    Cut,
    Event,
    Look,
    NamedSnapshot,
    Node,
    Snapshot,
    Volume,
)
from flocker.consensus.ownership import SNAPSHOTS_AT_ONCE, Ownership
from tests.contract.flocker.etcd_members import Join
from tests.twins.memory_ownership import MemoryOwnership
from tests.twins.moves import start_move

pytestmark = pytest.mark.contract

BASE = Snapshot(7, "identity-7")
AT = "2026-01-01T00:00:00.000+00:00"


def a_volume(owner: str = "node1") -> Volume:
    """A volume no other test has."""
    volume_id = str(uuid.uuid4())
    return Volume(f"v-{volume_id}", volume_id, owner, 1, AT)


def event(volume: Volume, what: str = "something", at: str = AT, node: str = "node1") -> Event:
    return Event(volume.id, volume.name, at, node, what, "a test")


def joined(join: Join, node: str) -> Ownership:
    view = join()
    view.announce(Node(node, "127.0.0.1", "0", 0, 1))
    return view


def made(view: Ownership, owner: str = "node1") -> Volume:
    volume = a_volume(owner)
    assert view.create(volume, event(volume, "created")) == volume
    return volume


def many_made(view: Ownership, number: int) -> list[Volume]:
    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(lambda _: made(view), range(number)))


def held(volume: Volume, node: str, snapshot: Snapshot = BASE) -> Copy:
    return Copy(volume.id, node, snapshot, AT)


def a_serial() -> str:
    return uuid.uuid4().hex.upper()


def let_expire(view: Ownership, node: str) -> None:
    """End a node's daemon, and wait until its lease has run out."""
    if isinstance(view, MemoryOwnership):
        view.expire(node)
        view.restart(node)
    eventually(lambda: node in view.state().nodes, is_=False, within=30)


def said(view: Ownership, volume: Volume) -> list[str]:
    return [event.what for event in view.history(volume.id)]


def test_a_name_belongs_to_the_machine_that_announced_it_first(join: Join) -> None:
    name = f"node-{uuid.uuid4()}"
    first = Node(name, "127.0.0.1", "0", 0, 1, machine="first")
    second = Node(name, "127.0.0.2", "0", 0, 1, machine="second")
    join().announce(first)
    other = join()
    for may_replace in (False, True):
        with pytest.raises(NotAdmitted, match=f"not {name}: .* \\(127.0.0.1\\), which is up"):
            other.announce(second, may_replace=may_replace)
    assert other.state().nodes[name] == first


def test_what_an_owner_gives_up_can_be_promoted_once_it_is_not_mounted(join: Join) -> None:
    name = f"node-{uuid.uuid4()}"
    owner, other = joined(join, name), joined(join, "node2")
    auto, manual = (replace(a_volume(name), failover=failover) for failover in ("auto", "manual"))
    for volume in (auto, manual):
        owner.create(volume, event(volume, "created"))
        owner.mount(volume)
    owner.announce(Node(name, "127.0.0.1", "0", 0, 1, gives_up=True))
    with pytest.raises(InUse):
        other.promote(auto, held(auto, "node2"), event(auto, "promoted"))
    for volume in (auto, manual):
        owner.unmount(volume)
    with pytest.raises(Refused, match="which is there"):
        other.promote(manual, held(manual, "node2"), event(manual, "promoted"))
    assert other.promote(auto, held(auto, "node2"), event(auto, "promoted")).owner == "node2"
    with pytest.raises(StaleEpoch):
        owner.mount(auto)


def test_a_volume_is_locked_only_for_the_last_part_of_its_move(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = made(node1)
    begun = node2.begin_move(volume, "node2")
    node1.mount(volume)
    with pytest.raises(InUse):
        node2.lock_move(volume, begun)
    node1.unmount(volume)
    with pytest.raises(StaleEpoch):
        node2.finish_move(volume, begun, BASE, event(volume, "moved"))
    with pytest.raises(MoveUnderWay):
        joined(join, "node3").begin_move(volume, "node3")
    for _ in range(2):
        locked = node2.lock_move(volume, begun)
    assert node2.report_move(replace(begun, bytes_done=5))
    assert node1.move(volume.id) == replace(locked, bytes_done=5)
    with pytest.raises(MoveUnderWay):
        node1.mount(volume)
    assert node2.finish_move(volume, locked, BASE, event(volume, "moved")).owner == "node2"


def test_a_move_that_somebody_ended_is_neither_locked_nor_finished(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = made(node1)
    begun = node2.begin_move(volume, "node2")
    node1.abandon_move(begun)
    assert not node2.report_move(begun)
    with pytest.raises(MoveCancelled):
        node2.lock_move(volume, begun)
    locked = start_move(node2, volume, "node2")
    node1.abandon_move(locked)
    with pytest.raises(StaleEpoch):
        node2.finish_move(volume, locked, BASE, event(volume, "moved"))
    node1.mount(volume)


def test_a_volume_is_seen_by_all_nodes(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = replace(
        a_volume(),
        size_bytes=1 << 30,
        replicas=1,
        failover="auto",
        base=BASE,
        made_from="demo@3",
        cuts=(Cut(2, 3), Cut(5, 7)),
    )
    assert node1.create(volume, event(volume, "created")) == volume
    assert node2.volume(volume.name) == volume
    assert node2.state().volumes[volume.name] == volume
    assert node2.volume("never-made") is None
    assert said(node2, volume) == ["created"]


def test_two_nodes_that_create_one_name_get_one_volume(join: Join) -> None:
    views = [joined(join, f"node{number}") for number in range(8)]
    name = a_volume().name
    wishes = [replace(a_volume(f"node{number}"), name=name) for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        created = list(
            threads.map(
                lambda pair: pair[0].create(pair[1], event(pair[1], "created")),
                zip(views, wishes, strict=True),
            )
        )
    assert len({volume.id for volume in created}) == 1
    told = [each for wish in wishes for each in views[0].history(wish.id)]
    assert [each.volume_id for each in told] == [created[0].id], "only what happened is told of"


def test_a_record_is_changed_only_from_what_it_is(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = made(node1)
    resized = replace(volume, size_bytes=5)
    node2.change(volume, resized, event(volume, "resized"))
    assert node1.volume(volume.name) == resized
    with pytest.raises(StaleEpoch):
        node1.change(volume, replace(volume, replicas=0), event(volume, "never"))
    assert node1.volume(volume.name) == resized
    assert said(node1, volume) == ["created", "resized"]


def test_a_record_that_went_back_is_replaced_by_a_later_one(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = made(node1)
    newer = replace(volume, owner="node2", epoch=3)
    imported = event(volume, "imported")
    node1.mount(volume)
    with pytest.raises(InUse):
        node2.advance(volume, newer, imported)
    node1.unmount(volume)
    move = start_move(node1, volume, "node2")
    with pytest.raises(MoveUnderWay):
        node2.advance(volume, newer, imported)
    node1.abandon_move(move)
    with pytest.raises(StaleEpoch):
        node2.advance(replace(volume, size_bytes=5), newer, imported)
    for _ in range(2):
        node2.advance(volume, newer, imported)
    assert node1.volume(volume.name) == newer
    assert said(node1, volume) == ["created", "imported"]


def test_of_two_changes_at_once_one_is_refused(join: Join) -> None:
    views = [joined(join, f"node{number}") for number in range(4)]
    volume = made(views[0])

    def change(number: int) -> bool:
        try:
            resized = replace(volume, size_bytes=number + 1)
            views[number].change(volume, resized, event(volume, f"by {number}"))
        except StaleEpoch:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(change, range(4))) == [False, False, False, True]


def test_a_mounted_volume_is_neither_moved_nor_removed(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = made(node1)
    node1.mount(volume)
    node1.mount(volume)
    assert node2.state().mounts[volume.id] == "node1"
    begun = node2.begin_move(volume, "node2")
    with pytest.raises(InUse, match="node1"):
        node2.lock_move(volume, begun)
    node2.abandon_move(begun)
    with pytest.raises(InUse):
        node2.remove(volume, event(volume, "removed"))
    node1.unmount(volume)
    node1.unmount(volume)
    assert volume.id not in node2.state().mounts
    node2.remove(volume, event(volume, "removed"))
    assert node1.volume(volume.name) is None


def test_fifty_mounts_at_once_are_all_recorded(join_for_long: Join) -> None:
    node1 = joined(join_for_long, "node1")
    volumes = [made(node1) for _ in range(50)]
    with ThreadPoolExecutor(50) as threads:
        list(threads.map(node1.mount, volumes))
    assert {volume.id for volume in volumes} <= node1.state().mounts.keys()


def test_a_moving_volume_is_not_mounted_moved_or_removed(join: Join) -> None:
    node1, node2, node3 = (joined(join, name) for name in ("node1", "node2", "node3"))
    volume = made(node1)
    move = start_move(node2, volume, "node2")
    assert node3.state().moves[volume.id] == move
    with pytest.raises(MoveUnderWay, match="node2"):
        node1.mount(volume)
    with pytest.raises(MoveUnderWay):
        start_move(node3, volume, "node3")
    with pytest.raises(MoveUnderWay):
        node1.remove(volume, event(volume, "removed"))
    node2.abandon_move(move)
    node2.abandon_move(move)
    node1.mount(volume)


def test_a_finished_move_changes_owner_epoch_and_base_and_ends(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = made(node1)
    move = start_move(node2, volume, "node2")
    moved = node2.finish_move(volume, move, BASE, event(volume, "moved"))
    assert (moved.owner, moved.epoch, moved.id, moved.base) == ("node2", 2, volume.id, BASE)
    assert node1.volume(volume.name) == moved
    assert volume.id not in node1.state().moves
    assert said(node1, volume) == ["created", "moved"]
    node2.mount(moved)


def test_both_ends_of_a_finished_move_hold_its_base(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = made(node1)
    node1.publish([(volume, held(volume, "node1", Snapshot(6, "identity-6")))])
    third = held(volume, "node3", Snapshot(6, "identity-6"))
    node1.publish([(volume, third)])
    move = start_move(node2, volume, "node2")
    happened = event(volume, "moved")
    node2.finish_move(volume, move, BASE, happened)
    ends = {node: Copy(volume.id, node, BASE, happened.at) for node in ("node1", "node2")}
    assert node1.state().copies_of(volume) == {**ends, "node3": third}


def test_a_move_of_a_volume_without_replicas_leaves_none(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = replace(a_volume(), replicas=0)
    node1.create(volume, event(volume, "created"))
    move = start_move(node2, volume, "node2")
    node2.finish_move(volume, move, BASE, event(volume, "moved"))
    assert node1.state().copies_of(volume) == {}


def test_what_was_true_before_a_move_is_refused_after_it(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = made(node1)
    move = start_move(node2, volume, "node2")
    node2.finish_move(volume, move, BASE, event(volume, "moved"))
    for act in (
        node1.mount,
        lambda old: node1.remove(old, event(old, "never")),
        lambda old: start_move(node1, old, "node1"),
    ):
        with pytest.raises(StaleEpoch):
            act(volume)


def test_a_move_that_was_abandoned_cannot_be_finished(join: Join) -> None:
    node2 = joined(join, "node2")
    volume = made(node2)
    move = start_move(node2, volume, "node2")
    node2.abandon_move(move)
    with pytest.raises(StaleEpoch):
        node2.finish_move(volume, move, BASE, event(volume, "moved"))
    second = start_move(node2, volume, "node2")
    node2.abandon_move(move)  # of the first one: says nothing, ends nothing
    with pytest.raises(StaleEpoch):
        node2.finish_move(volume, move, BASE, event(volume, "moved"))
    assert node2.finish_move(volume, second, BASE, event(volume, "moved")).owner == "node2"


def test_a_target_takes_over_the_move_it_left_behind(join: Join) -> None:
    node2 = joined(join, "node2")
    volume = made(node2)
    left = start_move(node2, volume, "node2")
    again = start_move(node2, volume, "node2")
    with pytest.raises(StaleEpoch):
        node2.finish_move(volume, left, BASE, event(volume, "moved"))
    assert node2.finish_move(volume, again, BASE, event(volume, "moved")).owner == "node2"


def test_a_move_cannot_be_finished_over_a_mount(join: Join) -> None:
    """The mover was paused, its move ran out, and the owner went on working."""
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = made(node1)
    move = start_move(node2, volume, "node2")
    node2.abandon_move(move)
    node1.mount(volume)
    with pytest.raises(StaleEpoch):
        node2.finish_move(volume, move, BASE, event(volume, "moved"))
    assert node1.volume(volume.name) == volume


def test_progress_is_published_only_for_the_move_under_way(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = made(node1)
    move = start_move(node2, volume, "node2")
    node2.report_move(replace(move, bytes_done=5, bytes_total=10))
    seen = node1.state().moves[volume.id]
    assert (seen.bytes_done, seen.percent) == (5, 50)
    assert node1.move(volume.id) == seen
    assert node2.finish_move(volume, move, BASE, event(volume, "moved")).epoch == 2
    node2.report_move(replace(move, bytes_done=6, bytes_total=10))
    assert volume.id not in node1.state().moves
    assert node1.move(volume.id) is None


def test_a_node_that_is_there_is_not_replaced(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = made(node1)
    with pytest.raises(Refused, match="node1, which is there"):
        node2.promote(volume, held(volume, "node2"), event(volume, "promoted"))
    assert node1.volume(volume.name) == volume
    assert said(node1, volume) == ["created"]


def test_a_node_that_is_away_is_replaced_and_moves_to_others_end(join: Join) -> None:
    node2, node3 = joined(join, "node2"), joined(join, "node3")
    volume = made(node2, owner="never-announced")
    move = start_move(node3, volume, "node3")
    promoted = node2.promote(volume, held(volume, "node2"), event(volume, "promoted"))
    assert (promoted.owner, promoted.epoch, promoted.base) == ("node2", 2, BASE)
    assert node3.volume(volume.name) == promoted
    assert volume.id not in node3.state().moves
    assert said(node3, volume) == ["created", "promoted"]
    with pytest.raises(StaleEpoch):
        node3.finish_move(volume, move, BASE, event(volume, "moved"))
    with pytest.raises(StaleEpoch):
        node3.promote(volume, held(volume, "node3"), event(volume, "promoted"))
    node2.mount(promoted)


def test_a_shared_volume_moves_and_is_promoted_without_a_snapshot(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = replace(a_volume("node1"), pool="shared", replicas=0)
    node1.create(volume, event(volume, "created"))
    with pytest.raises(Refused, match="node1, which is there"):
        node2.promote_shared(volume, "node2", event(volume, "promoted"))
    move = start_move(node2, volume, "node2")
    moved = node2.finish_move(volume, move, None, event(volume, "moved"))
    assert node2.finish_move(volume, move, None, event(volume, "moved")) == moved
    assert (moved.owner, moved.epoch, moved.base) == ("node2", 2, None)
    assert node1.volume(volume.name) == moved
    assert volume.id not in node1.state().copies


def test_a_lost_owner_of_a_shared_volume_is_replaced_once(join: Join) -> None:
    node2, node3 = joined(join, "node2"), joined(join, "node3")
    lost = replace(a_volume("never-announced"), pool="shared", replicas=0)
    node2.create(lost, event(lost, "created"))
    start_move(node3, lost, "node3")
    promoted = node2.promote_shared(lost, "node2", event(lost, "promoted"))
    assert node2.promote_shared(lost, "node2", event(lost, "promoted")) == promoted
    assert (promoted.owner, promoted.epoch, promoted.cuts) == ("node2", 2, ())
    assert lost.id not in node3.state().moves
    with pytest.raises(StaleEpoch):
        node3.promote_shared(lost, "node3", event(lost, "promoted"))
    assert said(node3, lost) == ["created", "promoted"]


def test_an_owner_that_lost_its_copy_begins_anew_from_a_replica(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = made(node1)
    for _ in range(2):  # its answer may have been lost
        promoted = node1.promote(volume, held(volume, "node1"), event(volume, "promoted"))
    assert (promoted.owner, promoted.epoch, promoted.base) == ("node1", 2, BASE)
    assert node2.volume(volume.name) == promoted
    assert said(node2, volume) == ["created", "promoted"]
    with pytest.raises(StaleEpoch):
        start_move(node2, volume, "node2")


@pytest.mark.parametrize("replicas", [0, 2])
def test_a_promotion_says_what_the_new_owner_holds(join: Join, replicas: int) -> None:
    node2 = joined(join, "node2")
    volume = replace(a_volume("never-announced"), replicas=replicas)
    node2.create(volume, event(volume, "created"))
    behind = held(volume, "node2", Snapshot(6, "identity-6"))
    node2.publish([(volume, behind)])
    promoted = node2.promote(volume, held(volume, "node2"), event(volume, "promoted"))
    assert promoted.cuts == (Cut(promoted.epoch, BASE.number),)
    kept = held(volume, "node2") if replicas else behind
    assert node2.state().copies_of(volume) == {"node2": kept}


def test_of_two_imports_of_one_volume_one_is_refused(join: Join) -> None:
    """Its record was lost, and nodes have its data: under another name it is the same volume."""
    nodes = [joined(join, f"node{number}") for number in (1, 2, 3)]
    lost = a_volume()
    wishes = [
        replace(lost, owner=f"node{number}", epoch=5, name=f"{lost.name}-{number}")
        for number in (1, 2, 3)
    ]
    with ThreadPoolExecutor(3) as threads:
        made_of = list(
            threads.map(
                lambda pair: pair[0].create(pair[1], event(pair[1], "imported")),
                zip(nodes, wishes, strict=True),
            )
        )
    assert len(set(made_of)) == 1
    there = [each for each in nodes[0].state().volumes.values() if each.id == lost.id]
    assert there == [made_of[0]]


def test_a_removed_volume_is_not_created_again(join: Join) -> None:
    node1 = joined(join, "node1")
    volume = made(node1)
    node1.remove(volume, event(volume, "removed"))
    with pytest.raises(Refused, match="was removed"):
        node1.create(volume, event(volume, "created"))
    assert node1.volume(volume.name) is None


def test_a_snapshot_is_kept_beside_that_of_an_earlier_epoch(join: Join) -> None:
    """A promotion left a snapshot behind that a person had asked for, and its number came again."""
    node1 = joined(join, "node1")
    volume = made(node1)
    left, new = (
        NamedSnapshot(volume.id, Snapshot(3, f"identity-{epoch}", epoch), AT) for epoch in (1, 2)
    )
    node1.keep_snapshots([(volume, left, event(volume, "snapshot"))])
    promoted = node1.promote(
        volume, held(volume, "node1", Snapshot(2, "identity")), event(volume, "promoted")
    )
    node1.keep_snapshots([(promoted, new, event(volume, "snapshot"))])
    state = node1.state()
    assert state.named(promoted) == [new]
    assert sorted(state.snapshots[volume.id].values(), key=lambda it: it.key) == [left, new]
    node1.drop_snapshot(new, event(volume, "pruned"))
    assert list(node1.state().snapshots[volume.id].values()) == [left]


def test_a_snapshot_is_kept_only_for_the_owner_there_is(join: Join) -> None:
    node1 = joined(join, "node1")
    volume = made(node1)
    taken = NamedSnapshot(volume.id, Snapshot(3, "identity", 1), AT)
    node1.promote(volume, held(volume, "node1"), event(volume, "promoted"))
    with pytest.raises(StaleEpoch):
        node1.keep_snapshots([(volume, taken, event(volume, "snapshot"))])
    assert said(node1, volume) == ["created", "promoted"]


def test_of_several_snapshots_all_are_kept_or_none(join: Join) -> None:
    node1 = joined(join, "node1")
    volumes = many_made(node1, SNAPSHOTS_AT_ONCE)
    kept = [
        (each, NamedSnapshot(each.id, Snapshot(3, "identity", 1), AT), event(each, "snapshot"))
        for each in volumes
    ]
    for _ in range(2):
        node1.keep_snapshots(kept)
    assert {said(node1, each)[-1] for each in volumes} == {"snapshot"}
    assert all(node1.state().named(each) for each in volumes)
    later = [
        (each, replace(named, snapshot=Snapshot(4, "later", 1)), told) for each, named, told in kept
    ]
    node1.promote(volumes[-1], held(volumes[-1], "node1"), event(volumes[-1], "promoted"))
    with pytest.raises(StaleEpoch):
        node1.keep_snapshots(later)
    state = node1.state()
    assert {named.snapshot.number for each in volumes for named in state.named(each)} == {3}
    assert {len(said(node1, each)) for each in volumes[:-1]} == {2}


def test_nothing_is_told_of_a_volume_that_is_purged(join: Join) -> None:
    node1 = joined(join, "node1")
    volume = made(node1)
    node1.remove(volume, event(volume, "removed"))
    node1.purge(node1.state().removed[volume.id])
    node1.record(event(volume, "conflict"))
    assert said(node1, volume) == []


def test_a_removed_volume_can_be_had_back(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = made(node1)
    copy = Copy(volume.id, "node2", BASE, AT)
    node2.publish([(volume, copy)])
    node1.remove(volume, event(volume, "removed", at=AT))
    node1.remove(volume, event(volume, "removed", at=AT))  # as after a lost answer
    state = node2.state()
    removed = state.removed[volume.id]
    assert (removed.volume, removed.removed_at) == (volume, AT)
    assert node2.removed(volume.id) == removed
    assert volume.name not in state.volumes
    assert state.copies_of(volume) == {"node2": copy}, "whoever wants it back needs them"

    back = replace(volume, epoch=2, owner="node2")
    node2.undelete(removed, back, event(volume, "undeleted"))
    node2.undelete(removed, back, event(volume, "undeleted"))
    state = node1.state()
    assert state.volumes[volume.name] == back
    assert volume.id not in state.removed
    assert node1.removed(volume.id) is None
    assert said(node1, volume) == ["created", "removed", "undeleted"]


@pytest.mark.parametrize("way", ["undeleted", "imported", "imported over an older record"])
def test_no_auto_volume_comes_back_to_a_node_that_others_take_it_from(join: Join, way: str) -> None:
    """They would continue from their own copies, which may have less."""
    name = f"node-{uuid.uuid4()}"
    view = join()
    auto, manual = (replace(a_volume(name), failover=failover) for failover in ("auto", "manual"))
    bring_auto_back, bring_manual_back = (coming_back(view, each, way) for each in (auto, manual))
    with pytest.raises(Refused, match=f"take it over from {name}, whose lease has ended"):
        bring_auto_back()
    view.announce(Node(name, "127.0.0.1", "0", 0, 1, gives_up=True))
    with pytest.raises(Refused, match=f"take it over from {name}, which gives up"):
        bring_auto_back()
    bring_manual_back()
    view.announce(Node(name, "127.0.0.1", "0", 0, 1))
    bring_auto_back()
    for volume in (auto, manual):
        assert view.volume(volume.name) == replace(volume, epoch=2)


def coming_back(view: Ownership, volume: Volume, way: str) -> Callable[[], object]:
    """Have all ready for a volume to come back with its next epoch, and return the last step."""
    back, told = replace(volume, epoch=2), event(volume, way)
    if way == "imported":
        return lambda: view.create(back, told)
    view.create(volume, event(volume, "created"))
    if way == "imported over an older record":
        return lambda: view.advance(volume, back, told)
    view.remove(volume, event(volume, "removed"))
    return lambda: view.undelete(view.state().removed[volume.id], back, told)


def test_a_removed_volume_is_not_put_over_another_of_its_name(join: Join) -> None:
    node1 = joined(join, "node1")
    volume = made(node1)
    node1.remove(volume, event(volume, "removed"))
    removed = node1.state().removed[volume.id]
    other = replace(a_volume(), name=volume.name)
    node1.create(other, event(other, "created"))
    with pytest.raises(Refused, match="already"):
        node1.undelete(removed, replace(volume, epoch=2), event(volume, "undeleted"))
    assert node1.volume(volume.name) == other
    node1.purge(removed)
    node1.remove(other, event(other, "removed"))
    with pytest.raises(Refused, match="any more"):
        node1.undelete(removed, replace(volume, epoch=2), event(volume, "undeleted"))


def test_a_purged_volume_leaves_nothing(join: Join) -> None:
    node1 = joined(join, "node1")
    volume, other = made(node1), made(node1)
    for each in (volume, other):
        node1.publish([(each, Copy(each.id, "node1", BASE, AT))])
        node1.keep_snapshots([(each, NamedSnapshot(each.id, BASE, AT), event(each, "snapshot"))])
        node1.remove(each, event(each, "removed"))
    removed = node1.state().removed[volume.id]
    node1.purge(replace(removed, removed_at="another time"))
    assert volume.id in node1.state().removed, "that was not the one that is removed"
    node1.purge(removed)
    node1.purge(removed)
    state = node1.state()
    for table in (state.removed, state.copies, state.snapshots):
        assert volume.id not in table
        assert other.id in table
    assert said(node1, volume) == []
    assert len(said(node1, other)) == 3


def test_a_volume_that_is_back_is_not_purged(join: Join) -> None:
    node1 = joined(join, "node1")
    volume = made(node1)
    node1.publish([(volume, Copy(volume.id, "node1", BASE, AT))])
    node1.remove(volume, event(volume, "removed"))
    removed = node1.state().removed[volume.id]
    node1.undelete(removed, volume, event(volume, "undeleted"))
    node1.purge(removed)
    assert node1.state().copies_of(volume)
    assert node1.volume(volume.name) == volume


def test_a_volume_is_forgotten_when_its_owner_is_and_nobody_has_a_copy(join: Join) -> None:
    node1 = joined(join, "node1")
    volume, other = made(node1, "node-gone"), made(node1)
    node1.publish([(volume, held(volume, "node-gone"))])
    node1.publish([(volume, held(volume, "node1"))])
    node1.publish([(other, held(other, "node1"))])
    with pytest.raises(Refused):
        node1.forget_volume(volume, event(volume, "forgotten"))
    node1.withdraw([held(volume, "node1")])
    with pytest.raises(StaleEpoch):
        node1.forget_volume(replace(volume, epoch=2), event(volume, "forgotten"))
    node1.forget_volume(volume, event(volume, "forgotten"))
    node1.forget_volume(volume, event(volume, "forgotten"))
    assert node1.volume(volume.name) is None
    assert node1.state().copies_of(volume) == {}
    assert said(node1, volume) == ["created", "forgotten"]
    assert node1.state().copies_of(other)
    with pytest.raises(Refused):  # its owner has been seen
        node1.forget_volume(other, event(other, "forgotten"))


def test_a_node_is_forgotten_with_the_copies_it_held(join: Join) -> None:
    volumes = many_made(joined(join, "node1"), 130)
    node1 = joined(join, "node1")
    for node in ("node-gone", "node1"):
        node1.publish([(volume, held(volume, node)) for volume in volumes])
    with pytest.raises(Refused):
        node1.forget_node("node1")
    node1.forget_node("node-gone")
    node1.forget_node("node-gone")
    state = node1.state()
    assert [set(state.copies_of(volume)) for volume in volumes] == [{"node1"}] * 130
    assert "node1" in state.seen


def test_nobody_joins_under_the_name_of_a_node_that_was_forgotten(join: Join) -> None:
    name = f"node-{uuid.uuid4()}"
    node1 = joined(join, "node1")
    node1.forget_node(name)
    for machine in ("", "first"):
        for may_replace in (False, True):
            node = Node(name, "127.0.0.1", "0", 0, 1, machine=machine)
            with pytest.raises(NotAdmitted, match=f"{name} was retired with `flocker forget"):
                join().announce(node, may_replace=may_replace)
    state = node1.state()
    assert name in state.retired
    assert name not in state.nodes


def refused(view: Ownership, node: str) -> list[str]:
    """The authorities that etcd believes no more, of those that signed for a node."""
    return sorted(each for each, name in view.state().refused.items() if name == node)


def test_the_authority_of_a_node_that_was_forgotten_is_refused(join: Join) -> None:
    node1, name, authority = joined(join, "node1"), f"node-{uuid.uuid4()}", a_serial()
    gone = Node(name, "127.0.0.1", "0", 0, 1, machine="gone", authority=authority)
    join().announce(gone)
    assert refused(node1, name) == []
    let_expire(node1, name)
    for _ in range(2):
        node1.forget_node(name)
        assert refused(node1, name) == [authority]
    for _ in range(2):
        retired_at = node1.state().retired[name]
        node1.forget_node(name)
        assert node1.state().retired[name] == retired_at


def test_a_node_that_tells_no_authority_is_forgotten_all_the_same(join: Join) -> None:
    node1, name = joined(join, "node1"), f"node-{uuid.uuid4()}"
    join().announce(Node(name, "127.0.0.1", "0", 0, 1))
    let_expire(node1, name)
    node1.forget_node(name)
    assert name in node1.state().retired
    assert refused(node1, name) == []


def test_the_authority_that_a_machine_had_before_is_refused(join: Join) -> None:
    node1, name = joined(join, "node1"), f"node-{uuid.uuid4()}"
    former, present = a_serial(), a_serial()
    before = Node(name, "127.0.0.1", "0", 0, 1, machine="it", authority=former)
    join().announce(before)
    for _ in range(2):
        let_expire(node1, name)
        join().announce(replace(before, authority=present))
        assert refused(node1, name) == [former]
    let_expire(node1, name)
    node1.forget_node(name)
    assert refused(node1, name) == sorted([former, present])


def test_a_machine_that_was_replaced_can_read_that_it_was(join: Join) -> None:
    node1, name = joined(join, "node1"), f"node-{uuid.uuid4()}"
    former, present = a_serial(), a_serial()
    old = Node(name, "127.0.0.1", "0", 0, 1, machine="old", authority=former)
    join().announce(old)
    let_expire(node1, name)
    new = replace(old, machine="new", authority=present)
    join().announce(new, may_replace=True)
    assert refused(node1, name) == []
    with pytest.raises(NotAdmitted, match="the name belongs to another machine"):
        join().announce(old)
    let_expire(node1, name)
    node1.forget_node(name)
    assert refused(node1, name) == [present]


def test_an_authority_that_cannot_be_read_for_once_is_not_refused(join: Join) -> None:
    node1, name = joined(join, "node1"), f"node-{uuid.uuid4()}"
    authority = a_serial()
    node = Node(name, "127.0.0.1", "0", 0, 1, machine="it", authority=authority)
    for told in (authority, "", authority):
        join().announce(replace(node, authority=told))
        let_expire(node1, name)
    assert refused(node1, name) == []
    node1.forget_node(name)
    assert refused(node1, name) == [authority]


def test_copies_are_published_and_withdrawn_by_node(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = made(node1)
    older = Copy(volume.id, "node2", BASE, AT)
    newer = replace(older, snapshot=Snapshot(8, "identity-8"))
    own = replace(newer, node="node1")
    node1.publish([(volume, own)])
    node2.publish([(volume, older)])
    node2.publish([(volume, newer)])
    assert node1.state().copies_of(volume) == {"node1": own, "node2": newer}
    node2.withdraw([older])
    assert node1.state().copies_of(volume) == {"node1": own, "node2": newer}, "a newer one stays"
    node2.withdraw([newer])
    node2.withdraw([newer])
    assert node1.state().copies_of(volume) == {"node1": own}
    node1.withdraw([own])
    assert volume.id not in node1.state().copies


def test_many_copies_are_published_and_withdrawn_at_once(join: Join) -> None:
    node1 = joined(join, "node1")
    volumes = many_made(node1, 250)
    look = Look("node1", AT, {volumes[0].id: ""})
    node1.publish([(volume, held(volume, "node1")) for volume in volumes], look)
    state = node1.state()
    assert all(state.copies_of(volume) == {"node1": held(volume, "node1")} for volume in volumes)
    assert state.looks["node1"] == look
    node1.withdraw([held(volume, "node1") for volume in volumes])
    state = node1.state()
    assert not any(state.copies_of(volume) for volume in volumes)


def test_what_is_published_late_or_twice_changes_nothing(join: Join) -> None:
    node1 = joined(join, "node1")
    volume, other = made(node1), made(node1)
    older = [(each, held(each, "node1", Snapshot(6, "identity-6", 1))) for each in (volume, other)]
    newer = held(volume, "node1")
    node1.publish(older)
    node1.publish([(volume, newer)])
    for _ in range(2):
        node1.publish(older)
    assert node1.state().copies_of(volume) == {"node1": newer}
    assert node1.state().copies_of(other) == {"node1": older[1][1]}


def test_a_copy_of_a_volume_that_moved_meanwhile_is_not_published(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume, other = made(node1), made(node1)
    move = start_move(node2, volume, "node2")
    moved = node2.finish_move(volume, move, BASE, event(volume, "moved"))
    late = held(volume, "node1", Snapshot(8, "identity-8", 1))
    node1.publish([(volume, late), (other, held(other, "node1"))])
    assert node1.state().copies_of(volume) == {
        node: held(volume, node) for node in ("node1", "node2")
    }
    assert node1.state().copies_of(other) == {"node1": held(other, "node1")}, "it is not held up"
    back = held(volume, "node1", Snapshot(8, "identity-8b", 2))
    node1.publish([(moved, back)])
    assert node1.state().copies_of(volume)["node1"] == back


def test_a_copy_of_a_volume_that_was_resized_meanwhile_is_published(join: Join) -> None:
    node1 = joined(join, "node1")
    volume = made(node1)
    node1.change(volume, replace(volume, size_bytes=5), event(volume, "resized"))
    node1.publish([(volume, held(volume, "node1"))])
    assert node1.state().copies_of(volume) == {"node1": held(volume, "node1")}


def test_a_copy_of_a_volume_that_was_removed_meanwhile_is_not_published(join: Join) -> None:
    node1 = joined(join, "node1")
    volume = made(node1)
    node1.remove(volume, event(volume, "removed"))
    node1.publish([(volume, held(volume, "node1"))], Look("node1", AT))
    assert node1.state().copies_of(volume) == {}
    assert node1.state().looks["node1"] == Look("node1", AT)
    again = replace(a_volume(), name=volume.name)
    node1.create(again, event(again, "created"))
    node1.publish([(volume, held(volume, "node1"))])
    assert node1.state().copies_of(volume) == {}, "the name is another volume's"


def test_a_former_owner_says_less_once_a_promotion_left_some_behind(join: Join) -> None:
    node2 = joined(join, "node2")
    volume = made(node2, owner="never-announced")
    node2.publish([(volume, held(volume, "never-announced", Snapshot(9, "identity-9", 1)))])
    promoted = node2.promote(volume, held(volume, "node2"), event(volume, "promoted"))
    part = held(volume, "never-announced")
    node2.publish([(promoted, part)])
    assert node2.state().copies_of(volume)["never-announced"] == part


def test_a_look_is_announced_and_forgotten_with_its_node(join: Join) -> None:
    node1 = joined(join, "node1")
    node = Node("node-looking", "127.0.0.1", "0", 0, 1)
    look = Look(node.name, AT, {"some volume": AT})
    joined(join, node.name).announce(node, look)
    assert node1.state().looks[node.name] == look
    node1.publish([], Look("never-announced", AT))
    node1.forget_node("never-announced")
    assert "never-announced" not in node1.state().looks


def test_named_snapshots_are_in_order_of_number(join: Join) -> None:
    node1 = joined(join, "node1")
    volume = made(node1)
    named = [
        NamedSnapshot(volume.id, Snapshot(number, f"identity-{number}"), AT, f"label {number}")
        for number in (10, 9)
    ]
    for each in named:
        node1.keep_snapshots([(volume, each, event(volume, f"snapshot {each.snapshot.number}"))])
    assert node1.state().named(volume) == named[::-1]
    assert sorted(said(node1, volume)) == ["created", "snapshot 10", "snapshot 9"]


def test_a_snapshot_nobody_wants_any_more_is_dropped(join: Join) -> None:
    node1 = joined(join, "node1")
    volume = made(node1)
    first, second = (
        NamedSnapshot(volume.id, Snapshot(number, f"identity-{number}"), AT) for number in (1, 2)
    )
    for each in (first, second):
        node1.keep_snapshots([(volume, each, event(volume, "snapshot"))])
    for _ in range(2):  # its answer may have been lost
        node1.drop_snapshot(first, event(volume, "pruned"))
    assert node1.state().named(volume) == [second]
    node1.drop_snapshot(second, event(volume, "pruned"))
    assert volume.id not in node1.state().snapshots
    assert "pruned" in said(node1, volume)


def test_history_is_in_order_of_time_whoever_wrote_it(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume, other = made(node1), made(node1)
    for second in (3, 1, 2):
        at = f"2026-01-01T00:00:0{second}.000+00:00"
        node1.record(event(volume, f"at {second}", at))
        node2.record(event(other, f"other at {second}", at, "node2"))
    assert said(node2, volume) == ["created", "at 1", "at 2", "at 3"]
    of_all = [each for each in node1.history(None) if each.volume_id in (volume.id, other.id)]
    assert [each.at for each in of_all] == sorted(each.at for each in of_all)
    assert len(of_all) == 8
    assert node1.history("no-such-id") == []


def test_the_last_hundred_events_of_a_volume_are_kept(join: Join) -> None:
    node1 = joined(join, "node1")
    volume, other = made(node1), made(node1)
    for number in range(105):
        node1.record(event(volume, f"{number}", at=f"2026-01-02T00:00:00.{number:03}+00:00"))
    assert said(node1, volume) == [str(number) for number in range(5, 105)]
    assert said(node1, other) == ["created"]


def test_two_events_of_one_moment_are_both_kept(join: Join) -> None:
    node1 = joined(join, "node1")
    volume = made(node1)
    for what in ("restored", "kept", "kept"):
        node1.record(event(volume, what))
    assert sorted(said(node1, volume)) == ["created", "kept", "restored"]


def test_nodes_are_those_that_announced_themselves(join: Join) -> None:
    first, _ = joined(join, "node-a"), joined(join, "node-b")
    state = first.state()
    assert state.nodes["node-a"] == Node("node-a", "127.0.0.1", "0", 0, 1)
    assert {"node-a", "node-b"} <= state.seen.keys()


def test_every_change_is_followed(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    before = made(node1)
    stopping = threading.Event()
    seen: list[ClusterState] = []

    def follow() -> None:
        seen.extend(node2.follow(stopping))

    thread = threading.Thread(target=follow)
    thread.start()
    eventually(lambda: bool(seen) and before.name in seen[-1].volumes, is_=True, within=10)
    first = seen[-1]
    volume = made(node1)
    node1.mount(volume)
    eventually(lambda: seen[-1].mounts.get(volume.id), is_="node1", within=10)
    assert seen[-1].volumes[volume.name] == volume
    node1.unmount(volume)
    node1.publish([(volume, Copy(volume.id, "node1", BASE, AT))])
    eventually(lambda: "node1" in seen[-1].copies_of(volume), is_=True, within=10)
    assert volume.id not in seen[-1].mounts
    node1.remove(volume, event(volume, "removed"))
    eventually(lambda: volume.id in seen[-1].removed, is_=True, within=10)
    assert volume.name not in seen[-1].volumes
    assert volume.name not in first.volumes, "a ClusterState that was handed out does not change"
    assert seen[-1] == node1.state()

    stopping.set()
    thread.join(2)
    assert not thread.is_alive(), "following ends when it is told to"
