"""A question to etcd may be executed twice, and long after it was asked: nothing goes back then.

The next member is asked while the first may still do what it was asked, as soon as it can.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from flocker.base.errors import ControlPlaneAway, InUse, Refused, StaleEpoch
from flocker.base.records import Copy, Look, NamedSnapshot, Node, PoolKind, Snapshot
from flocker.consensus.copy_records import TOLD_AT_ONCE
from flocker.consensus.etcd_wire import delete
from flocker.consensus.keyspace import node_key
from flocker.consensus.ownership import Ownership
from flocker.membership.membership import READS
from tests.contract.flocker.consensus.test_ownership import (
    AT,
    BASE,
    a_volume,
    event,
    held,
    joined,
    made,
)
from tests.contract.flocker.late_etcd import Question, Way
from tests.twins.moves import start_move

pytestmark = pytest.mark.contract

LATER_BASE = Snapshot(BASE.number + 1, "identity-later")
LATER = "2026-01-01T00:00:01.000+00:00"


def writes(question: Question, kind: str) -> bool:
    """Tell whether a transaction puts a key of that kind."""
    begin = b64encode(f"flocker/{kind}".encode()).decode()[:-4]
    return any(
        each["request_put"]["key"].startswith(begin)
        for each in question["success"]
        if "request_put" in each
    )


def agreed(way: Way) -> dict[str, Any]:
    """All that is agreed about volumes. Nodes say the same of themselves every few seconds."""
    return {
        key: value
        for key, value in way.keys().items()
        if not key.startswith(("flocker/nodes/", "flocker/seen/"))
    }


class Life:
    """The events of a volume's life, one step after the other."""

    def __init__(self, node1: Ownership, node2: Ownership) -> None:
        self.node1, self.node2 = node1, node2
        self.volume = a_volume()
        self.named = NamedSnapshot(self.volume.id, BASE, AT)
        self.moved = self.volume.owned_by("node2", BASE)

    def create(self) -> None:
        self.node1.end_creations()
        self.node1.create(self.volume, event(self.volume, "created"))

    def mount_and_unmount(self) -> None:
        self.node1.mount(self.volume)
        self.node1.unmount(self.volume)

    def abandon_a_move(self) -> None:
        self.node2.abandon_move(start_move(self.node2, self.volume, "node2"))

    def lock_a_move_and_abandon_it(self) -> None:
        begun = self.node2.begin_move(self.volume, "node2")
        self.node2.abandon_move(self.node2.lock_move(self.volume, begun))

    def begin_a_move_that_is_not_locked(self) -> None:
        """So that it can still be mounted, whatever was asked about the one before."""
        begun = self.node2.begin_move(self.volume, "node2")
        self.node1.mount(self.volume)
        self.node1.unmount(self.volume)
        self.begun = begun

    def end_it(self) -> None:
        self.node2.abandon_move(self.begun)

    def write(self) -> None:
        self.node1.mount(self.volume)
        self.node1.unmount(self.volume)

    def keep_and_drop_a_snapshot(self) -> None:
        self.node1.keep_snapshots([(self.volume, self.named, event(self.volume, "snapshot"))])
        self.node1.drop_snapshot(self.named, event(self.volume, "pruned"))

    def keep_another_in_its_place(self) -> None:
        other = NamedSnapshot(self.volume.id, Snapshot(BASE.number, "another"), LATER)
        self.node1.keep_snapshots([(self.volume, other, event(self.volume, "snapshot", LATER))])
        self.node1.drop_snapshot(other, event(self.volume, "pruned", LATER))

    def tell_of_copies(self) -> None:
        for number, at in ((4, AT), (5, LATER)):
            copy = held(self.volume, "node2", Snapshot(number, f"identity-{number}"))
            self.node2.publish([(self.volume, copy)], Look("node2", at))

    def withdraw_and_tell_anew(self) -> None:
        copy = held(self.volume, "node2", Snapshot(5, "identity-5"))
        self.node2.withdraw([copy])
        self.node2.publish([(self.volume, copy)])
        self.node2.withdraw([copy])

    def begin_and_end_clients(self) -> None:
        for address in ("first", "second"):
            self.node1.begin_session(self.volume, address)
            self.node1.begin_root("node1", address)
        self.node1.end_session(self.volume.claim, "first")
        for address in self.node1.root("node1"):
            self.node1.end_root("node1", address)

    def begin_the_same_session_anew(self) -> None:
        self.node1.end_session(self.volume.claim, "second")
        self.node1.begin_session(self.volume, "second")
        self.node1.end_session(self.volume.claim, "second")

    def resize_there_and_back(self) -> None:
        larger = replace(self.volume, size_bytes=5)
        self.node1.change(self.volume, larger, event(self.volume, "resized"))
        self.node1.change(larger, self.volume, event(self.volume, "resized", LATER))

    def move(self) -> None:
        move = start_move(self.node2, self.volume, "node2")
        self.node2.report_move(replace(move, bytes_done=5))
        self.node2.report_move(replace(move, bytes_done=9))
        self.node2.finish_move(self.volume, move, BASE, event(self.volume, "moved"))

    def promote(self) -> None:
        self.node2.promote(self.moved, held(self.moved, "node2"), event(self.moved, "promoted"))
        self.moved = self.moved.promoted_on("node2", BASE)

    def go_on(self) -> None:
        newer = replace(self.moved, owner="node1", epoch=7)
        self.node1.advance(self.moved, newer, event(self.moved, "imported"))
        self.moved = newer

    def tell_more_than_is_kept(self) -> None:
        for number in range(105):
            at = f"2026-01-02T00:00:00.{number:03}+00:00"
            self.node1.record(event(self.volume, f"{number}", at))

    def remove(self) -> None:
        self.node1.remove(self.moved, event(self.moved, "removed", "2026-01-03T00:00:00+00:00"))

    def undelete(self) -> None:
        removed = self.node1.removed(self.volume.id)
        assert removed is not None
        back = self.moved.owned_by("node1", BASE)
        self.node1.undelete(removed, back, event(back, "undeleted", "2026-01-04T00:00:00+00:00"))
        self.moved = back

    def remove_again(self) -> None:
        self.node1.remove(self.moved, event(self.moved, "removed", "2026-01-05T00:00:00+00:00"))

    def purge(self) -> None:
        removed = self.node1.removed(self.volume.id)
        assert removed is not None
        self.node1.purge(removed)

    def give_the_name_to_another(self) -> None:
        other = replace(a_volume(), name=self.volume.name)
        self.node1.create(other, event(other, "created"))

    def replace_a_lost_owner_and_forget_it(self) -> None:
        lost = replace(a_volume("node-gone"), pool="shared", replicas=0)
        self.node1.create(lost, event(lost, "created"))
        self.node1.promote_shared(lost, "node1", event(lost, "promoted"))
        gone = made(self.node1, "node-gone")
        self.node1.forget_volume(gone, event(gone, "forgotten"))
        self.node1.forget_node("node-gone")


STEPS = [name for name in vars(Life) if not name.startswith("_")]
CHANGES = {name for name in dir(Ownership) if not name.startswith("_")} - {*READS}


class Noting:
    """A node's view that notes the names of the calls."""

    def __init__(self, view: Ownership, called: set[str]) -> None:
        self._view = view
        self._called = called

    def __getattr__(self, name: str) -> Any:
        self._called.add(name)
        return getattr(self._view, name)


def test_whatever_is_executed_again_changes_nothing(way: Way) -> None:
    """After each step everything is executed once more that was ever asked."""
    called = {"announce"}
    node1, node2 = (
        cast(Ownership, Noting(joined(way.join, name), called)) for name in ("node1", "node2")
    )
    life = Life(node1, node2)
    changed = set()
    for step in STEPS:
        before = agreed(way)
        getattr(life, step)()
        after = agreed(way)
        changed |= {step} if after != before else set()
        for question in list(way.asked):
            way.execute(question)
            assert agreed(way) == after, f"after {step}: {question}"
    assert {"create", "move", "promote", "remove", "undelete", "purge"} <= changed
    assert called >= CHANGES


def test_what_a_round_tells_of_is_one_transaction(way: Way) -> None:
    """However many volumes changed, as far as etcd takes them at once."""
    node1 = joined(way.join, "node1")
    volumes = [made(node1) for _ in range(TOLD_AT_ONCE + 1)]
    told = [(volume, held(volume, "node1")) for volume in volumes]
    way.asked.clear()
    node1.publish(told[:-1], Look("node1", AT))
    [question] = [each for each in way.asked if writes(each, "copies/")]
    assert writes(question, "looks/")
    way.asked.clear()
    node1.publish([(volume, held(volume, "node1", LATER_BASE)) for volume in volumes])
    assert len([each for each in way.asked if writes(each, "copies/")]) == 2


def test_a_creation_that_was_given_up_is_never_made(way: Way) -> None:
    """Its data is freed a minute after: then it would be a volume without data."""
    node1 = joined(way.join, "node1")
    volume = a_volume()
    way.is_held = lambda question: writes(question, "volumes/")
    with pytest.raises(ControlPlaneAway):
        node1.create(volume, event(volume, "created"))
    way.is_held = lambda _: False
    node1.end_creations()
    for question in way.held:
        way.execute(question)
    assert node1.volume(volume.name) is None


def test_a_node_that_has_a_lease_but_no_record_yet_mounts_nothing(way: Way) -> None:
    """Others see no owner, and promote."""
    node1, node2 = way.join(), joined(way.join, "node2")
    volume = made(node2)
    way.is_held = lambda question: writes(question, "nodes/")
    this = Node("node1", "127.0.0.1", "0", 0, 1)
    with pytest.raises(ControlPlaneAway):
        node1.announce(this)
    with pytest.raises(ControlPlaneAway, match="try again"):
        node1.mount(volume)
    way.is_held = lambda _: False
    promoted = node2.promote(volume, held(volume, "node2"), event(volume, "promoted"))
    node1.announce(this)
    with pytest.raises(StaleEpoch):
        node1.mount(volume)
    node2.mount(promoted)


def before(way: Way, kind: str, act: Callable[[], object]) -> None:
    """Have something happen once, just before a key of that kind is put."""

    def act_first(question: Question) -> bool:
        if writes(question, kind + "/"):
            way.is_held = lambda _: False
            act()
        return False

    way.is_held = act_first


def test_a_node_that_is_lost_while_it_mounts_has_nothing_mounted(way: Way) -> None:
    """After it has read that it is there, and before the mount is recorded."""
    node1, node2 = joined(way.join, "node1"), joined(way.join, "node2")
    volume = made(node1)

    before(way, "mounts", lambda: way.execute({"success": [delete(node_key("node1"))]}))
    with pytest.raises(ControlPlaneAway):
        node1.mount(volume)
    assert node2.state().mounts == {}


@pytest.mark.parametrize("pool", ["btrfs", "shared"])
def test_an_owner_that_is_back_while_it_is_replaced_stays(way: Way, pool: PoolKind) -> None:
    node1, node2 = way.join(), joined(way.join, "node2")
    volume = replace(a_volume(), pool=pool, replicas=0)
    node2.create(volume, event(volume, "created"))
    before(way, "volumes", lambda: node1.announce(Node("node1", "127.0.0.1", "0", 0, 1)))
    with pytest.raises(Refused, match="node1, which is there"):
        if pool == "shared":
            node2.promote_shared(volume, "node2", event(volume, "promoted"))
        else:
            node2.promote(volume, held(volume, "node2"), event(volume, "promoted"))
    assert node2.volume(volume.name) == volume


def test_a_mount_whose_node_is_not_seen_keeps_the_volume(way: Way) -> None:
    node1, node2 = joined(way.join, "node1"), joined(way.join, "node2")
    volume = made(node1)
    node1.mount(volume)
    way.execute({"success": [delete(node_key("node1"))]})
    assert "node1" not in node2.state().nodes
    with pytest.raises(InUse, match="node1"):
        node2.promote(volume, held(volume, "node2"), event(volume, "promoted"))
    assert node2.state().mounts == {volume.id: "node1"}


def test_a_late_lock_does_not_keep_the_owner_from_what_it_has_mounted(way: Way) -> None:
    node1, node2 = joined(way.join, "node1"), joined(way.join, "node2")
    volume = made(node1)
    move = node2.begin_move(volume, "node2")
    way.is_held = lambda question: writes(question, "moves/")
    with pytest.raises(ControlPlaneAway):
        node2.lock_move(volume, move)
    way.is_held = lambda _: False
    node1.mount(volume)
    for question in way.held:
        way.execute(question)
    assert not node1.state().moves[volume.id].is_locked


def test_a_late_unmount_does_not_end_the_next_mount(way: Way) -> None:
    node1 = joined(way.join, "node1")
    volume = made(node1)
    node1.mount(volume)
    way.is_held = lambda question: "compare" in question and bool(question["compare"])
    with pytest.raises(ControlPlaneAway):
        node1.unmount(volume)
    way.is_held = lambda _: False
    node1.mount(volume)
    for question in way.held:
        way.execute(question)
    assert node1.state().mounts == {volume.id: "node1"}


def test_a_copy_that_appears_while_a_volume_is_forgotten_keeps_it(way: Way) -> None:
    node1 = joined(way.join, "node1")
    volume = made(node1, "node-gone")
    way.is_held = lambda question: writes(question, "history/")
    with pytest.raises(ControlPlaneAway):
        node1.forget_volume(volume, event(volume, "forgotten"))
    way.is_held = lambda _: False
    node1.publish([(volume, Copy(volume.id, "node1", BASE, AT))])
    for question in way.held:
        way.execute(question)
    assert node1.volume(volume.name) == volume
