"""A planned move: nothing is lost, one node writes, whatever breaks on the way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import (
    ControlPlaneAway,
    FlockerError,
    InUse,
    MoveUnderWay,
    OwnerAway,
    StaleEpoch,
    StillCopying,
    TransferFailed,
)
from flocker.moving import handoff
from flocker.moving.transfer import Progress
from tests.unit.flocker.cluster import MemoryCluster


@pytest.fixture
def demo(cluster: MemoryCluster) -> MemoryCluster:
    """A cluster where node1 wrote "hello" to the volume "demo"."""
    cluster["node1"].driver.create("demo", {})
    cluster["node1"].write("demo", "hello")
    return cluster


def owner(cluster: MemoryCluster) -> str:
    return cluster.volume("demo").owner


def test_the_data_follows_the_container(demo: MemoryCluster) -> None:
    assert demo["node2"].read("demo") == "hello"
    assert owner(demo) == "node2"


def test_it_goes_round_and_comes_back(demo: MemoryCluster) -> None:
    for number, name in enumerate(["node2", "node3", "node1", "node3", "node2", "node1"]):
        demo[name].write("demo", f"text {number}")
        assert owner(demo) == name
    assert demo["node2"].read("demo") == "text 5"


def test_the_history_tells_of_the_move(demo: MemoryCluster) -> None:
    demo["node2"].read("demo")
    created, moved = demo.ownership.history(demo.volume("demo").id)
    assert (created.what, moved.what, moved.node) == ("created", "moved", "node2")
    assert moved.why.startswith("from node1: a container starts here; ")
    assert " bytes in " in moved.why


def test_the_record_tells_what_the_new_owner_began_with(demo: MemoryCluster) -> None:
    demo["node2"].read("demo")
    assert demo["node1"].pool.snapshots(demo.volume("demo").id) == [demo.volume("demo").base]


def test_only_the_owner_keeps_a_writable_copy(demo: MemoryCluster) -> None:
    demo["node2"].read("demo")
    volume = demo.volume("demo")
    machines = demo.machines.items()
    eventually(  # the old owner is told after the mount was answered
        lambda: [name for name, each in machines if each.pool.has_writable(volume.id)],
        is_=["node2"],
        within=5,
    )
    assert [each.pool.asides() for each in demo.machines.values()] == [[], [], []]


def test_the_snapshots_that_people_keep_come_along(cluster: MemoryCluster) -> None:
    """To a node that was no replica: the former owner may give its copy up later."""
    node1, node3 = cluster["node1"], cluster["node3"]
    node1.driver.create("demo", {"replicas": "1"})
    for text in ("first", "second", "last"):
        node1.write("demo", text)
        node1.operations.snapshots.snapshot(["demo"], text)
    cluster.replicate()
    assert node3.pool.snapshots(cluster.volume("demo").id) == []
    assert node3.read("demo") == "last"
    for number, text in enumerate(("first", "second", "last"), start=1):
        node3.operations.snapshots.restore(f"demo@{number}")
        assert node3.read("demo") == text


def test_what_a_replica_has_is_not_sent_again(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo.replicate()
    monkeypatch.setattr(demo["node1"].pool, "send", _broken)
    assert demo["node2"].read("demo") == "hello"


def test_a_volume_in_use_is_refused_with_node_and_container(demo: MemoryCluster) -> None:
    demo["node1"].run("demo", "app-redis-1")
    demo["node1"].run("demo", "backup")
    with pytest.raises(
        FlockerError,
        match="volume 'demo' is in use by container 'app-redis-1', container 'backup' on node1",
    ):
        demo["node2"].driver.mount("demo", "other")
    assert owner(demo) == "node1"
    assert demo.state.moves == {}


def test_an_owner_that_does_not_answer_is_named(demo: MemoryCluster) -> None:
    demo["node1"].is_up = False
    with pytest.raises(OwnerAway, match=r"owned by node1, which does not answer.*bring node1 back"):
        demo["node2"].driver.mount("demo", "other")
    assert demo.state.moves == {}


def test_a_mount_whose_answer_was_lost_does_not_hold_the_volume(demo: MemoryCluster) -> None:
    demo.ownership.mount(demo.volume("demo"))  # recorded, but nothing on node1 holds it
    assert demo["node2"].read("demo") == "hello"


def test_many_mounts_of_one_move_share_it(demo: MemoryCluster) -> None:
    with ThreadPoolExecutor(16) as threads:
        mounted = list(
            threads.map(lambda n: demo["node2"].driver.mount("demo", f"c{n}"), range(16))
        )
    assert len(set(mounted)) == 1
    assert demo.volume("demo").epoch == 2


def test_two_nodes_that_want_it_at_once_never_both_have_it(demo: MemoryCluster) -> None:
    def attempt(name: str) -> str | None:
        try:
            demo[name].driver.mount("demo", "container")
        except FlockerError:
            return None
        return name

    with ThreadPoolExecutor(2) as threads:
        got = [name for name in threads.map(attempt, ["node2", "node3"]) if name]
    assert got in (["node2"], ["node3"])
    assert owner(demo) == got[0]


class Gate:
    """Holds a stream open until the test lets it go on."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def around(self, send: Callable[..., Iterator[bytes]]) -> Callable[..., Iterator[bytes]]:
        def gated(*arguments: object) -> Iterator[bytes]:
            chunks = list(send(*arguments))
            yield chunks[0]
            self.reached.set()
            assert self.opened.wait(10)
            yield from chunks[1:]

        return gated


@pytest.fixture
def gate(demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()
    for name in ("node2", "node3"):
        demo[name].answer_seconds = 0.2
        demo[name].start()
    pool = demo["node1"].pool
    monkeypatch.setattr(pool, "send", gate.around(pool.send))
    yield gate
    gate.opened.set()


def test_a_long_copy_is_answered_in_time_and_goes_on(demo: MemoryCluster, gate: Gate) -> None:
    node2 = demo["node2"].driver
    with pytest.raises(StillCopying, match=r"copying volume 'demo' from node1.*run the command"):
        node2.mount("demo", "container")
    assert owner(demo) == "node1"
    with pytest.raises(StillCopying):
        node2.mount("demo", "container")
    assert not demo["node2"].use.any(demo.volume("demo"))
    gate.opened.set()
    eventually(lambda: owner(demo), is_="node2", within=10)
    assert (node2.mount("demo", "container") / "file").read_text() == "hello"


def test_a_move_that_times_out_is_not_said_to_go_on(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def time_out(*_: object) -> None:
        raise TimeoutError("of the disk")

    monkeypatch.setattr(demo["node2"].pool, "adopt", time_out)
    with pytest.raises(TimeoutError, match="of the disk"):
        demo["node2"].driver.mount("demo", "container")
    assert owner(demo) == "node1"


@pytest.mark.usefixtures("gate")
def test_an_answer_that_comes_too_early_says_how_far_the_copy_is(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node2 = demo["node2"]
    monkeypatch.setattr(node2.transfers, "progress", lambda _: Progress(50, 100))
    with pytest.raises(StillCopying, match=r"from node1: 50 %, about \d+ s left; it continues"):
        node2.driver.mount("demo", "container")


def test_everybody_sees_how_far_a_long_copy_is(
    demo: MemoryCluster, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handoff, "REPORT_SECONDS", -1)
    with pytest.raises(StillCopying):
        demo["node2"].driver.mount("demo", "container")
    assert gate.reached.wait(10)
    [move] = demo.state.moves.values()
    assert (move.source, move.target) == ("node1", "node2")
    assert move.bytes_done > 0


def test_a_copy_whose_progress_cannot_be_published_goes_on(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handoff, "REPORT_SECONDS", -1)
    demo["node2"].etcd.away_for = {"report_move"}
    assert demo["node2"].read("demo") == "hello"


def test_while_it_is_copied_only_its_owner_may_have_it(demo: MemoryCluster, gate: Gate) -> None:
    with pytest.raises(StillCopying):
        demo["node2"].driver.mount("demo", "container")
    assert gate.reached.wait(10)
    assert demo["node1"].read("demo") == "hello"
    with pytest.raises(MoveUnderWay, match="on its way to node2"):
        demo["node3"].driver.mount("demo", "container")
    with pytest.raises(MoveUnderWay):
        demo["node1"].driver.remove("demo")


def test_a_source_that_dies_in_the_middle_keeps_the_volume(demo: MemoryCluster, gate: Gate) -> None:
    with pytest.raises(StillCopying):
        demo["node2"].driver.mount("demo", "container")
    assert gate.reached.wait(10)
    demo["node1"].is_up = False
    gate.opened.set()
    eventually(lambda: demo.state.moves, is_={}, within=10)
    assert owner(demo) == "node1"
    demo["node1"].is_up = True
    assert demo["node1"].read("demo") == "hello"
    assert demo["node2"].read("demo") == "hello"


def test_a_target_whose_lease_ran_out_does_not_become_the_owner(
    demo: MemoryCluster, gate: Gate
) -> None:
    """The owner goes on writing meanwhile, and not one of its writes is lost."""
    with pytest.raises(StillCopying):
        demo["node2"].driver.mount("demo", "container")
    assert gate.reached.wait(10)
    demo.ownership.expire("node2")
    demo["node1"].write("demo", "written meanwhile")
    gate.opened.set()
    demo["node2"].announce()
    eventually(
        lambda: demo["node2"].read("demo"),
        is_="written meanwhile",
        within=10,
        not_yet=(FlockerError,),
    )


@pytest.mark.parametrize("step", ["release", "snapshots", "stream"])
def test_a_peer_that_fails_at_any_step_changes_nothing(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(demo["node2"].peers, step, _broken)
        with pytest.raises(TransferFailed):
            demo["node2"].driver.mount("demo", "container")
    assert owner(demo) == "node1"
    assert demo.state.moves == {}
    assert demo["node1"].read("demo") == "hello"


@pytest.mark.parametrize("step", ["adopt", "receive"])
def test_a_pool_that_fails_at_any_step_changes_nothing(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(demo["node2"].pool, step, _broken)
        with pytest.raises(TransferFailed):
            demo["node2"].driver.mount("demo", "container")
    assert owner(demo) == "node1"
    assert demo.state.moves == {}
    demo["node1"].write("demo", "later")
    assert demo["node2"].read("demo") == "later"


@pytest.mark.parametrize("step", ["adopt", "receive"])
def test_a_move_that_failed_is_not_mistaken_for_a_conflict(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """What it fetched is what the owner wrote, so the node goes on from it as a replica."""
    node2 = demo["node2"]
    with monkeypatch.context() as patch:
        patch.setattr(node2.pool, step, _broken)
        with pytest.raises(TransferFailed):
            node2.driver.mount("demo", "container")
    demo["node1"].write("demo", "later")
    demo.replicate()
    assert node2.pool.asides() == []
    assert node2.read("demo") == "later"


def test_a_defect_is_told_and_leaves_the_volume_free(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def surprise(*_: object) -> None:
        raise KeyError("surprise")

    with monkeypatch.context() as patch:
        patch.setattr(demo["node2"].pool, "receive", surprise)
        with pytest.raises(KeyError):
            demo["node2"].driver.mount("demo", "container")
    assert demo.state.moves == {}
    assert demo["node2"].read("demo") == "hello"


@pytest.mark.parametrize("step", ["volume", "begin_move", "lock_move", "finish_move"])
def test_without_etcd_nothing_is_moved(demo: MemoryCluster, step: str) -> None:
    demo["node2"].etcd.away_for = {step}
    with pytest.raises(ControlPlaneAway):
        demo["node2"].driver.mount("demo", "container")
    assert owner(demo) == "node1"
    assert demo.state.moves == {}
    assert demo["node1"].read("demo") == "hello"


def test_a_mount_that_cannot_be_recorded_is_none(demo: MemoryCluster) -> None:
    node2 = demo["node2"]
    node2.etcd.away_for = {"mount"}
    with pytest.raises(ControlPlaneAway):
        node2.driver.mount("demo", "container")
    assert demo.state.mounts == {}
    assert not node2.use.any(demo.volume("demo"))
    assert demo["node3"].read("demo") == "hello"


def test_without_etcd_the_owner_hands_nothing_over(demo: MemoryCluster) -> None:
    demo["node1"].etcd.away_for = {"move"}
    with pytest.raises(ControlPlaneAway):
        demo["node2"].driver.mount("demo", "container")
    assert owner(demo) == "node1"
    assert demo.state.moves == {}


def test_a_commit_whose_answer_was_lost_is_found_by_the_retry(demo: MemoryCluster) -> None:
    demo["node2"].etcd.unheard = {"finish_move"}
    with pytest.raises(ControlPlaneAway):
        demo["node2"].driver.mount("demo", "container")
    demo["node2"].etcd.unheard = set()
    assert demo["node2"].read("demo") == "hello"
    demo["node2"].driver.mount("demo", "container")
    with pytest.raises(InUse):
        demo["node1"].driver.mount("demo", "container")


@pytest.fixture
def left_behind(demo: MemoryCluster) -> None:
    """etcd went away when node2 was about to finish a move, and is back now."""
    demo["node2"].etcd.away_for = {"finish_move", "abandon_move"}
    with pytest.raises(ControlPlaneAway):
        demo["node2"].driver.mount("demo", "container")
    demo["node2"].etcd.away_for = set()


@pytest.mark.usefixtures("left_behind")
def test_a_move_whose_end_was_lost_does_not_hold_the_volume_for_ever(demo: MemoryCluster) -> None:
    with pytest.raises(MoveUnderWay):
        demo["node3"].driver.mount("demo", "container")
    demo["node2"].reconciler.tidy()
    assert demo["node3"].read("demo") == "hello"


@pytest.mark.usefixtures("left_behind")
def test_the_same_node_takes_up_a_move_whose_end_was_lost(demo: MemoryCluster) -> None:
    assert demo["node2"].read("demo") == "hello"


@pytest.mark.usefixtures("left_behind")
def test_what_a_lost_move_left_on_its_target_is_no_conflict(demo: MemoryCluster) -> None:
    demo["node2"].reconciler.tidy()
    demo["node1"].write("demo", "later")
    demo["node3"].write("demo", "latest")
    demo["node2"].reconciler.tidy()
    assert demo["node2"].pool.asides() == []
    assert demo["node2"].read("demo") == "latest"


def test_tidying_leaves_a_move_alone_that_goes_on(demo: MemoryCluster, gate: Gate) -> None:
    with pytest.raises(StillCopying):
        demo["node2"].driver.mount("demo", "container")
    assert gate.reached.wait(10)
    demo["node2"].reconciler.tidy()
    gate.opened.set()
    eventually(lambda: owner(demo), is_="node2", within=10)


def test_an_old_owner_that_never_heard_of_the_move_cannot_write(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = demo.volume("demo")
    monkeypatch.setattr(demo["node2"].peers, "put_away", lambda *_: None)
    demo["node2"].write("demo", "newer")
    with pytest.raises(StaleEpoch):
        demo.ownership.mount(before)
    assert demo["node1"].read("demo") == "newer"
    assert demo["node1"].pool.asides() == []


def test_an_owner_that_was_overtaken_and_takes_it_back_keeps_what_it_had(
    demo: MemoryCluster,
) -> None:
    """A container starts there before the node has looked what changed while it was away."""
    demo.replicate()
    node1, node2 = demo["node1"], demo["node2"]
    node1.write("demo", "never replicated")
    demo.lose("node1")
    node2.failover.promote("demo")
    node2.write("demo", "newer")
    node1.is_up = True
    node1.start()
    assert node1.read("demo") == "newer"
    [aside] = node1.pool.asides()
    assert (aside.why, aside.volume) == ("conflict", "demo")
    node1.driver.create("lost", {"from": aside.reference})
    assert node1.read("lost") == "never replicated"


def _broken(*_: object) -> None:
    raise TransferFailed("it failed")


def test_a_move_whose_thread_could_not_be_started_can_be_tried_again(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    arrivals, volume = demo["node2"].arrivals, demo.volume("demo")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            arrivals.bring(volume, "asked for", 1)
    assert not arrivals.is_bringing(volume.id)
    assert arrivals.bring(volume, "asked for", 5).owner == "node2"
