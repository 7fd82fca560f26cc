"""Nodes go on when an owner is lost: one after the other, or the node that a person chooses."""

from __future__ import annotations

import errno
import re
import threading
from typing import cast

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import PoolError, Refused, TransferFailed
from flocker.moving import giving_up
from flocker.moving.succession import TURN_SECONDS
from tests.twins.memory_pool import MemoryPool
from tests.unit.flocker.borders import questions
from tests.unit.flocker.cluster import Machine, MemoryCluster

FAILOVERS = ("manual", "auto")


@pytest.fixture
def demo(cluster: MemoryCluster) -> MemoryCluster:
    """Two volumes of node1 that say "hello", with replicas on the others."""
    for failover in FAILOVERS:
        cluster["node1"].driver.create(failover, {"failover": failover})
        cluster["node1"].write(failover, "hello")
    cluster.replicate()
    return cluster


def only_node3_follows(cluster: MemoryCluster, volume: str) -> None:
    cluster["node1"].write(volume, "newer")
    cluster["node1"].publish()
    cluster["node3"].follow()


def cannot_fetch(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise TransferFailed("it broke off")

    monkeypatch.setattr(machine.peers, "stream", fail)


def break_pool(machine: Machine) -> None:
    cast(MemoryPool, machine.pool).is_read_only = True


# By themselves


def test_candidates_take_their_turns(demo: MemoryCluster) -> None:
    demo.lose("node1")
    break_pool(demo["node3"])
    for seconds in (0.0, TURN_SECONDS - 1):
        for name in ("node2", "node3"):
            demo[name].clock += seconds
            demo[name].failover.take_over_lost(demo.state)
        assert demo.volume("auto").owner == "node1", "node3 is first, and cannot"
    demo["node2"].clock += 1
    demo["node2"].failover.take_over_lost(demo.state)
    assert demo.volume("auto").owner == "node2"
    assert demo["node2"].read("auto") == "hello"
    assert demo.volume("manual").owner == "node1"


def test_a_turn_is_counted_from_the_last_time_that_the_owner_was_lost(demo: MemoryCluster) -> None:
    node2 = demo["node2"]
    demo.lose("node1")
    node2.failover.take_over_lost(demo.state)
    demo.bring_back("node1")
    node2.clock += TURN_SECONDS
    node2.failover.take_over_lost(demo.state)
    demo.lose("node1")
    node2.failover.take_over_lost(demo.state)
    assert demo.volume("auto").owner == "node1"


def test_the_next_candidate_goes_on_from_its_older_copy(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_node3_follows(demo, "auto")
    demo.lose("node1")
    cannot_fetch(demo["node2"], monkeypatch)
    for _ in range(2):
        demo["node2"].failover.take_over_lost(demo.state)
        demo["node2"].clock += TURN_SECONDS
    demo["node2"].failover.take_over_lost(demo.state)
    assert demo["node2"].read("auto") == "hello"


def test_the_first_candidate_that_comes_late_finds_another_owner(demo: MemoryCluster) -> None:
    demo.lose("node1")
    before = demo.state
    demo["node2"].failover.take_over_lost(before)
    demo["node2"].clock += TURN_SECONDS
    demo["node2"].failover.take_over_lost(before)
    demo["node3"].failover.take_over_lost(before)
    assert demo.volume("auto").owner == "node2"
    assert demo.volume("auto").epoch == 2


# A person chooses


def test_a_person_may_choose_a_node_with_an_older_copy(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_node3_follows(demo, "manual")
    demo.lose("node1")
    cannot_fetch(demo["node2"], monkeypatch)
    until = demo.state.copies_of(demo.volume("manual"))["node2"].taken_at
    with pytest.raises(Refused, match=f"`flocker promote --here manual` .* {re.escape(until)}"):
        demo["node2"].operations.moves.promote("manual", here=False)
    answer = demo["node2"].operations.moves.promote("manual", here=True)
    assert answer["lost_after"] == until
    assert demo["node2"].read("manual") == "hello"


def test_who_chooses_a_node_gets_the_newest_copy_that_can_be_had(demo: MemoryCluster) -> None:
    only_node3_follows(demo, "manual")
    demo.lose("node1")
    demo["node2"].failover.promote("manual", here=True)
    assert demo["node2"].read("manual") == "newer"


def test_an_owner_that_is_there_is_not_replaced_by_choosing(demo: MemoryCluster) -> None:
    for volume in FAILOVERS:
        with pytest.raises(Refused, match="is owned by node1, which is up"):
            demo["node2"].failover.promote(volume, here=True)


# An owner whose pool cannot write


@pytest.fixture
def broken(demo: MemoryCluster) -> MemoryCluster:
    """Containers use both volumes on node1, whose pool has just become read-only."""
    for volume in FAILOVERS:
        demo["node1"].run(volume)
    demo["node1"].containers.on_stop = lambda volume: demo["node1"].driver.unmount(volume, "writer")
    break_pool(demo["node1"])
    return demo


def test_a_node_whose_pool_cannot_write_gives_its_auto_volumes_up(broken: MemoryCluster) -> None:
    node1 = broken["node1"]
    node1.look_at_pool()
    assert node1.containers.stopped == ["writer"]
    assert node1.containers.running == {"manual": ["writer"]}
    assert broken.state.nodes["node1"].gives_up
    broken["node3"].failover.take_over_lost(broken.state)
    assert broken.volume("auto").owner == "node3"
    assert broken["node3"].read("auto") == "hello"
    assert broken.volume("manual").owner == "node1"
    why = broken.ownership.history(broken.volume("auto").id)[-1].why
    assert why.startswith("node1 cannot write to its pool: it gave the volume up; what it wrote")


def test_all_auto_volumes_are_given_up_at_once(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each alone may take as long as there is."""
    node1 = demo["node1"]
    node1.driver.create("other", {"failover": "auto"})
    for volume in (*FAILOVERS, "other"):
        node1.run(volume)
    node1.containers.on_stop = lambda volume: node1.driver.unmount(volume, "writer")
    break_pool(node1)
    asked = questions(node1.containers, monkeypatch)
    node1.look_at_pool()
    assert asked == [["auto", "other"]]
    assert demo.state.nodes["node1"].gives_up


def test_one_failure_is_no_reason_to_give_up(broken: MemoryCluster) -> None:
    node1 = broken["node1"]
    node1.pool_health.look()
    cast(MemoryPool, node1.pool).is_read_only = False
    node1.look_at_pool()
    assert node1.containers.stopped == []
    assert not broken.state.nodes["node1"].gives_up


def test_a_node_gives_nothing_up_while_something_still_uses_it(broken: MemoryCluster) -> None:
    node1 = broken["node1"]
    node1.containers.kill_users = lambda _: None  # type: ignore[method-assign]
    node1.containers.on_stop = lambda _: None
    node1.look_at_pool()
    assert not broken.state.nodes["node1"].gives_up
    assert (
        "not given up yet: volume 'auto' is in use"
        in node1.operations.overview.status()["problems"][0]
    )
    broken["node3"].failover.take_over_lost(broken.state)
    assert broken.volume("auto").owner == "node1"


@pytest.mark.parametrize(
    "why",
    [PoolError("cannot end process 7749"), OSError(errno.EMFILE, "Too many open files")],
    ids=["a process does not end", "the look for it fails"],
)
def test_a_node_that_cannot_end_what_uses_its_volumes_lets_its_lease_end(
    broken: MemoryCluster, why: Exception
) -> None:
    """A process that waits for a dead disk takes no signal."""
    node1 = broken["node1"]

    def nothing_ends(_: object) -> None:
        raise why

    node1.containers.kill_users = nothing_ends  # type: ignore[method-assign]
    node1.look_at_pool()
    assert not node1.giving_up.is_silent, "the first try may have met a moment"
    node1.giving_up.look()
    assert node1.giving_up.is_silent
    assert "lets its lease end" in node1.operations.overview.status()["problems"][0]
    broken.ownership.expire("node1")
    node1.announce()
    assert "node1" not in broken.state.nodes
    broken["node3"].failover.take_over_lost(broken.state)
    assert broken.volume("auto").owner == "node3"


def test_a_node_whose_look_for_users_hangs_lets_its_lease_end(
    broken: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1, answered = broken["node1"], threading.Event()

    def hang(_: object) -> None:
        answered.wait(60)

    monkeypatch.setattr(giving_up, "TRY_SECONDS", 0.1)
    with monkeypatch.context() as stuck:
        stuck.setattr(node1.containers, "kill_users", hang)
        looking = threading.Thread(target=node1.look_at_pool)
        looking.start()
        eventually(lambda: node1.giving_up.is_silent, is_=True, within=20)
        [problem, *_] = node1.operations.overview.status()["problems"]
        assert problem.endswith("what uses them does not end: the look for it hangs")
        answered.set()
        looking.join()
    assert not node1.giving_up.is_silent, "it has come back"


def test_a_silent_node_is_not_heard_of_when_others_have_taken_its_volumes_over(
    broken: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = broken["node1"]
    with monkeypatch.context() as stuck:
        stuck.setattr(node1.containers, "kill_users", lambda _: None)
        stuck.setattr(node1.containers, "on_stop", lambda _: None)
        node1.look_at_pool()
        node1.giving_up.look()
        broken.ownership.expire("node1")
        broken["node3"].failover.take_over_lost(broken.state)
        assert broken.volume("auto").owner == "node3"
        node1.look_at_pool()
        assert node1.giving_up.is_silent
        assert "node1" not in broken.state.nodes, "a person could not promote the others"
    node1.look_at_pool()
    assert broken.state.nodes["node1"].gives_up, "nothing is used any more"
    assert broken.volume("auto").owner == "node3"


def test_a_node_that_cannot_ask_etcd_does_not_say_that_a_use_does_not_end(
    broken: MemoryCluster,
) -> None:
    node1 = broken["node1"]
    node1.etcd.away_for = {"unmount"}
    node1.look_at_pool()
    node1.giving_up.look()
    assert not node1.giving_up.is_silent
    assert (
        "not given up yet: etcd does not answer"
        in node1.operations.overview.status()["problems"][0]
    )
    node1.etcd.away_for = set()
    node1.look_at_pool()
    assert broken.state.nodes["node1"].gives_up


def test_a_silent_node_is_heard_of_again_when_its_pool_writes_again(
    broken: MemoryCluster,
) -> None:
    node1 = broken["node1"]
    node1.containers.kill_users = lambda _: None  # type: ignore[method-assign]
    node1.containers.on_stop = lambda _: None
    node1.look_at_pool()
    node1.giving_up.look()
    assert node1.giving_up.is_silent
    cast(MemoryPool, node1.pool).is_read_only = False
    node1.look_at_pool()
    assert not node1.giving_up.is_silent
    assert "node1" in broken.state.nodes


def test_nothing_is_mounted_or_promoted_where_the_pool_cannot_write(broken: MemoryCluster) -> None:
    node1 = broken["node1"]
    node1.look_at_pool()
    with pytest.raises(Refused, match="cannot be used on node1: the pool cannot be written to"):
        node1.driver.mount("auto", "another")
    assert broken.volume("auto").id not in broken.state.mounts
    broken.lose("node2")
    broken["node2"].is_up = False
    assert node1.operations.overview.status()["problems"][0].startswith(
        "the pool cannot be written to"
    )


def test_a_candidate_whose_pool_cannot_write_has_no_turn(demo: MemoryCluster) -> None:
    break_pool(demo["node3"])
    demo["node3"].look_at_pool()
    demo.lose("node1")
    with pytest.raises(Refused, match="cannot be used on node3"):
        demo["node3"].failover.promote("auto")
    demo["node2"].failover.take_over_lost(demo.state)
    assert demo.volume("auto").owner == "node2"


def test_a_pool_that_writes_again_keeps_what_nobody_has_taken(broken: MemoryCluster) -> None:
    node1 = broken["node1"]
    node1.look_at_pool()
    given_up = broken.state
    cast(MemoryPool, node1.pool).is_read_only = False
    node1.pool_health.look()
    node1.giving_up.look()
    node1.run("auto")  # its record still says that it gives the volume up
    broken["node3"].failover.take_over_lost(given_up)
    assert broken.volume("auto").owner == "node1"
    node1.announce()
    assert not broken.state.nodes["node1"].gives_up
    assert node1.operations.overview.status()["problems"] == []


def test_a_removed_volume_comes_back_once_nobody_takes_it_over(demo: MemoryCluster) -> None:
    """The last writes of its owner are not on the others, and are in it again."""
    node1 = demo["node1"]
    node1.write("auto", "not copied")
    node1.driver.remove("auto")
    break_pool(node1)
    node1.look_at_pool()
    cast(MemoryPool, node1.pool).is_read_only = False
    with pytest.raises(Refused, match="cannot be used on node1: the pool cannot be written to"):
        node1.operations.recovery.undelete("auto")
    node1.pool_health.look()
    node1.giving_up.look()
    with pytest.raises(Refused, match="take it over from node1, which gives up"):
        node1.operations.recovery.undelete("auto")  # its record still says so
    assert [aside.why for aside in node1.pool.asides()] == ["removed"]
    node1.announce()
    node1.operations.recovery.undelete("auto")
    demo["node3"].failover.take_over_lost(demo.state)
    assert demo.volume("auto").owner == "node1"
    assert node1.read("auto") == "not copied"


def test_what_a_broken_pool_still_has_is_put_aside_when_it_writes_again(
    broken: MemoryCluster,
) -> None:
    node1 = broken["node1"]
    cast(MemoryPool, node1.pool).is_read_only = False
    node1.write("auto", "not copied", "another")
    break_pool(node1)
    node1.look_at_pool()
    broken["node3"].failover.take_over_lost(broken.state)
    cast(MemoryPool, node1.pool).is_read_only = False
    node1.look_at_pool()
    node1.reconciler.tidy()
    [aside] = node1.operations.recovery.conflicts()["asides"]
    node1.driver.create("rescued", {"from": aside["reference"]})
    assert node1.read("rescued") == "not copied"
    assert node1.read("auto") == "hello"


def test_a_mount_elsewhere_waits_for_the_takeover(broken: MemoryCluster) -> None:
    broken["node1"].look_at_pool()
    broken["node2"].mirror.changes = lambda *_, **__: (  # type: ignore[method-assign,assignment]
        broken["node3"].failover.take_over_lost(broken.state) or broken.state
    )
    assert broken["node2"].read("auto") == "hello"
