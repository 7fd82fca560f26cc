"""What every Ownership promises, run on memory and on a real etcd."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from flocker.errors import InUse, MoveUnderWay, StaleEpoch
from flocker.ownership import Node, Ownership
from tests.contract.flocker.conftest import a_volume

pytestmark = pytest.mark.contract

Join = Callable[[], Ownership]


def joined(join: Join, node: str) -> Ownership:
    view = join()
    view.announce(Node(node, "127.0.0.1", "0", 0, 1))
    return view


def test_a_volume_is_seen_by_all_nodes(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = a_volume()
    assert node1.create(volume) == volume
    assert node2.volume(volume.name) == volume
    assert volume in node2.volumes()
    assert node2.volume("never-made") is None


def test_two_nodes_that_create_one_name_get_one_volume(join: Join) -> None:
    views = [joined(join, f"node{number}") for number in range(8)]
    name = a_volume().name
    wishes = [replace(a_volume(f"node{number}"), name=name) for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        made = list(
            threads.map(lambda pair: pair[0].create(pair[1]), zip(views, wishes, strict=True))
        )
    assert len({volume.id for volume in made}) == 1


def test_a_mounted_volume_is_neither_moved_nor_removed(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = node1.create(a_volume())
    node1.mount(volume)
    node1.mount(volume)
    assert node2.mounts()[volume.id] == "node1"
    with pytest.raises(InUse, match="node1"):
        node2.start_move(volume, "node2")
    with pytest.raises(InUse):
        node2.remove(volume)
    node1.unmount(volume)
    node1.unmount(volume)
    assert volume.id not in node2.mounts()
    node2.remove(volume)
    assert node1.volume(volume.name) is None


def test_a_moving_volume_is_not_mounted_moved_or_removed(join: Join) -> None:
    node1, node2, node3 = (joined(join, name) for name in ("node1", "node2", "node3"))
    volume = node1.create(a_volume())
    move = node2.start_move(volume, "node2")
    assert move in node3.moves()
    with pytest.raises(MoveUnderWay, match="node2"):
        node1.mount(volume)
    with pytest.raises(MoveUnderWay):
        node3.start_move(volume, "node3")
    with pytest.raises(MoveUnderWay):
        node1.remove(volume)
    node2.abandon_move(move)
    node2.abandon_move(move)
    node1.mount(volume)


def test_a_finished_move_changes_owner_and_epoch_and_ends(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = node1.create(a_volume())
    move = node2.start_move(volume, "node2")
    moved = node2.finish_move(volume, move)
    assert (moved.owner, moved.epoch, moved.id) == ("node2", 2, volume.id)
    assert node1.volume(volume.name) == moved
    assert move.volume_id not in [other.volume_id for other in node1.moves()]
    node2.mount(moved)


def test_what_was_true_before_a_move_is_refused_after_it(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = node1.create(a_volume())
    node2.finish_move(volume, node2.start_move(volume, "node2"))
    for act in (node1.mount, node1.remove, lambda old: node1.start_move(old, "node1")):
        with pytest.raises(StaleEpoch):
            act(volume)


def test_a_move_that_was_abandoned_cannot_be_finished(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = node1.create(a_volume())
    move = node2.start_move(volume, "node2")
    node2.abandon_move(move)
    with pytest.raises(StaleEpoch):
        node2.finish_move(volume, move)
    second = node2.start_move(volume, "node2")
    node2.abandon_move(move)  # of the first one: says nothing, ends nothing
    with pytest.raises(StaleEpoch):
        node2.finish_move(volume, move)
    assert node2.finish_move(volume, second).owner == "node2"


def test_a_target_takes_over_the_move_it_left_behind(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = node1.create(a_volume())
    left = node2.start_move(volume, "node2")
    again = node2.start_move(volume, "node2")
    with pytest.raises(StaleEpoch):
        node2.finish_move(volume, left)
    assert node2.finish_move(volume, again).owner == "node2"


def test_a_move_cannot_be_finished_over_a_mount(join: Join) -> None:
    """The mover was paused, its move ran out, and the owner went on working."""
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = node1.create(a_volume())
    move = node2.start_move(volume, "node2")
    node2.abandon_move(move)
    node1.mount(volume)
    with pytest.raises(StaleEpoch):
        node2.finish_move(volume, move)
    assert node1.volume(volume.name) == volume


def test_progress_is_published_only_for_the_move_under_way(join: Join) -> None:
    node1, node2 = joined(join, "node1"), joined(join, "node2")
    volume = node1.create(a_volume())
    move = node2.start_move(volume, "node2")
    node2.report_move(replace(move, bytes_done=5, bytes_total=10))
    [seen] = [other for other in node1.moves() if other.volume_id == volume.id]
    assert (seen.bytes_done, seen.percent) == (5, 50)
    moved = node2.finish_move(volume, move)
    assert moved.epoch == 2
    node2.report_move(replace(move, bytes_done=6, bytes_total=10))
    assert volume.id not in [other.volume_id for other in node1.moves()]


def test_nodes_are_those_that_announced_themselves(join: Join) -> None:
    first, _ = joined(join, "node-a"), joined(join, "node-b")
    assert {"node-a", "node-b"} <= {node.name for node in first.nodes()}
