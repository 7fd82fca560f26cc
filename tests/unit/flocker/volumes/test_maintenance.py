"""A purge deletes on every node what was asked for, and nothing else."""

from __future__ import annotations

import errno

import pytest

from flocker.base.errors import ControlPlaneAway, NotAdmitted, PoolError, Refused
from flocker.volumes import maintenance
from tests.unit.flocker.cluster import MemoryCluster


@pytest.fixture
def demo(cluster: MemoryCluster) -> MemoryCluster:
    """demo, old and other with copies everywhere, old removed; on node3 a copy that lost."""
    for name in ("demo", "old", "other"):
        cluster["node1"].driver.create(name, {})
        cluster["node1"].write(name, "text")
    cluster.replicate()
    cluster["node2"].driver.remove("old")
    cluster["node3"].write("other", "only on node3")
    cluster.lose("node3")
    cluster["node1"].failover.promote("other")
    cluster.bring_back("node3")
    return cluster


def asides(cluster: MemoryCluster) -> dict[str, list[str]]:
    """Node -> the names of the volumes that something was put aside of."""
    machines = cluster.machines.values()
    return {each.name: sorted(it.volume for it in each.pool.asides()) for each in machines}


def test_a_removed_volume_is_purged_everywhere(demo: MemoryCluster) -> None:
    assert asides(demo) == {"node1": ["old"], "node2": ["old"], "node3": ["old", "other"]}
    answer = demo["node2"].maintenance.purge("old")
    assert asides(demo) == {"node1": [], "node2": [], "node3": ["other"]}
    assert demo.state.removed == {}
    assert [(each["node"], len(each["purged"])) for each in answer["nodes"]] == [
        ("node1", 1), ("node2", 1), ("node3", 1),
    ]  # fmt: skip
    assert demo["node1"].read("demo") == "text"
    with pytest.raises(Refused, match="no removed volume 'old' is kept"):
        demo["node1"].operations.recovery.undelete("old")


def test_all_keeps_what_only_a_replaced_owner_had(demo: MemoryCluster) -> None:
    [lost] = [each for each in demo["node3"].pool.asides() if each.why == "conflict"]
    answer = demo["node1"].maintenance.purge(None)
    assert asides(demo) == {"node1": [], "node2": [], "node3": ["other"]}
    assert answer["kept"] == [lost.reference]
    demo["node1"].maintenance.purge(lost.reference)
    assert asides(demo)["node3"] == []


@pytest.fixture
def lost(demo: MemoryCluster) -> MemoryCluster:
    """node1 wrote to demo and was lost; node2 took it over, and demo was removed there."""
    demo["node1"].write("demo", "only on node1")
    demo.lose("node1")
    demo["node2"].failover.promote("demo")
    demo["node2"].write("demo", "after that")
    demo["node2"].driver.remove("demo")
    demo.bring_back("node1")
    return demo


def listed(cluster: MemoryCluster, volume: str) -> list[str]:
    """What `flocker conflicts` lists of a volume."""
    found = cluster["node2"].operations.recovery.conflicts()["asides"]
    return [each["reference"] for each in found if each["volume"] == volume]


def test_what_only_a_lost_owner_had_of_a_removed_volume_is_listed(lost: MemoryCluster) -> None:
    node1 = lost["node1"]
    node1.reconciler.tidy()
    [reference] = listed(lost, "demo")
    told = lost["node2"].operations.overview.history("demo")["events"]
    assert any(reference in each["why"] for each in told)
    node1.reconciler.tidy()
    assert listed(lost, "demo") == [reference], "once"
    node1.driver.create("saved", {"from": reference})
    assert node1.read("saved") == "only on node1"
    lost["node2"].operations.recovery.undelete("demo")
    assert node1.read("demo") == "after that"
    assert listed(lost, "demo") == [reference]


@pytest.mark.parametrize("has_looked", [True, False])
@pytest.mark.parametrize("reference", ["demo", None])
def test_a_purge_keeps_what_only_a_lost_owner_had_and_says_so(
    lost: MemoryCluster, reference: str | None, *, has_looked: bool
) -> None:
    node1 = lost["node1"]
    if has_looked:
        node1.reconciler.tidy()
    answer = lost["node2"].maintenance.purge(reference)
    [kept] = listed(lost, "demo")
    assert kept in answer["kept"]
    assert lost.state.removed == {} or reference
    node1.driver.create("saved", {"from": kept})
    assert node1.read("saved") == "only on node1"
    purged = lost["node2"].maintenance.purge(kept)
    assert purged["kept"] == []
    assert listed(lost, "demo") == []


def test_a_purge_says_nothing_of_what_was_kept_of_other_volumes(demo: MemoryCluster) -> None:
    assert demo["node1"].maintenance.purge("old")["kept"] == []


def test_a_node_that_does_not_answer_is_named(demo: MemoryCluster) -> None:
    demo.lose("node3")
    answer = demo["node1"].maintenance.purge("old")
    assert answer["silent"] == ["node3"]
    assert asides(demo) == {"node1": [], "node2": [], "node3": ["old", "other"]}
    demo["node2"].is_up = False  # its lease has not run out yet
    assert demo["node1"].maintenance.purge(None)["silent"] == ["node2", "node3"]


def test_what_cannot_be_purged_is_told(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(reference: str) -> None:
        raise PoolError(f"{reference}: Directory not empty")

    monkeypatch.setattr(demo["node2"].pool, "purge_aside", refuse)
    node2 = demo["node1"].maintenance.purge("old")["nodes"][1]
    assert node2["purged"] == []
    assert "Directory not empty" in node2["failed"][0]


def test_a_disk_that_cannot_be_read_keeps_no_other_node_from_purging(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(demo["node1"].pool, "volume_ids", fail)
    answer = demo["node1"].maintenance.purge("old")
    assert "Input/output error" in answer["nodes"][0]["failed"][0]
    assert [len(each["purged"]) for each in answer["nodes"]] == [0, 1, 1]


def test_a_purge_tells_what_it_has_deleted_though_the_room_is_not_known(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise PoolError("the pool could not be flushed")

    monkeypatch.setattr(demo["node1"].pool, "await_deletions", fail)
    answer = demo["node1"].maintenance.purge("old")
    assert answer["silent"] == []
    own = answer["nodes"][0]
    assert len(own["purged"]) == 1
    assert own["failed"] == ["it is not known how much was freed: the pool could not be flushed"]


def test_a_removal_that_the_disk_was_in_the_way_of_can_be_purged(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1, volume = demo["node1"], demo.volume("demo")
    with monkeypatch.context() as full:

        def refuse(*_: str) -> None:
            raise PoolError("No space left on device")

        full.setattr(node1.pool, "discard", refuse)
        node1.driver.remove("demo")
    assert volume.id in node1.pool.volume_ids()
    node1.maintenance.purge("demo")
    assert volume.id not in node1.pool.volume_ids()
    assert [each.volume for each in node1.pool.asides()] == ["old"]


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("demo", "has not been removed; `docker volume rm demo` removes it"),
        ("never", "nothing is kept as 'never'; `flocker trash` lists what can be purged"),
        ("demo@node1-20261122T190000Z", "nothing is kept as"),
    ],
)
def test_what_is_not_there_to_be_purged_is_refused(
    demo: MemoryCluster, reference: str, why: str
) -> None:
    before = asides(demo)
    with pytest.raises(Refused, match=why):
        demo["node1"].maintenance.purge(reference)
    assert asides(demo) == before
    assert demo["node1"].read("demo") == "text"


# Forgetting


@pytest.fixture
def gone(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
    """node3 went with "only", which nobody else has, and with "copied"; long ago by the clock."""
    cluster["node3"].driver.create("only", {"replicas": "0"})
    cluster["node3"].driver.create("copied", {})
    cluster["node3"].write("copied", "text")
    cluster.replicate()
    cluster.lose("node3")
    monkeypatch.setattr(maintenance, "GONE_SECONDS", -1)
    return cluster


def test_a_volume_that_is_gone_gives_its_name_back(gone: MemoryCluster) -> None:
    node1 = gone["node1"]
    with pytest.raises(Refused, match=r"may come back; .* `flocker forget node3` first"):
        node1.maintenance.forget("only")
    with pytest.raises(Refused, match=r"have copies of: copied; `flocker promote` each"):
        node1.maintenance.forget("node3")
    node1.failover.promote("copied")
    assert node1.maintenance.forget("node3") == {"volume": None, "node": "node3"}
    assert "node3" not in gone.state.seen
    assert not any("node3" in held for held in gone.state.copies.values())
    node1.maintenance.forget("only")
    assert "only" not in gone.state.volumes
    node1.driver.create("only", {})
    node1.write("only", "new")
    assert node1.operations.overview.history("only")["events"][-1]["what"] == "created"


def test_a_node_is_forgotten_with_its_member_of_etcd_even_at_the_second_attempt(
    gone: MemoryCluster,
) -> None:
    node1, etcd = gone["node1"], gone.ownership.etcd
    node1.failover.promote("copied")
    etcd.members = [{"ID": str(number), "name": f"node{number}"} for number in (1, 2, 3)]
    etcd.before = keep_members
    with pytest.raises(Refused, match="node3 is retired, but is still a member of etcd: not now"):
        node1.maintenance.forget("node3")
    etcd.before = None
    assert node1.maintenance.forget("node3") == {"volume": None, "node": "node3"}
    assert [each["name"] for each in etcd.members] == ["node1", "node2"]
    assert node1.maintenance.forget("node3") == {"volume": None, "node": "node3"}


def keep_members(path: str, _: object) -> None:
    if path == "/cluster/member/remove":
        raise ControlPlaneAway("not now")


def test_a_node_that_comes_back_after_all_does_not_join(gone: MemoryCluster) -> None:
    gone["node1"].failover.promote("copied")
    gone["node1"].maintenance.forget("node3")
    node3 = gone["node3"]
    node3.is_up = True
    node3.start()
    assert "node3" not in gone.state.nodes
    with pytest.raises(NotAdmitted, match="node3 was retired"):
        node3.driver.mount("copied", "reader")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("copied", "node1, node2 holds a copy of volume 'copied'; `flocker promote copied`"),
        ("here", "is owned by node1, which is up; `docker volume rm here`"),
        ("node1", "node1 is up"),
        ("never", "no volume and no node 'never'"),
    ],
)
def test_what_can_still_be_had_is_not_forgotten(gone: MemoryCluster, name: str, why: str) -> None:
    gone["node1"].driver.create("here", {})
    before = gone.state
    with pytest.raises(Refused, match=why):
        gone["node1"].maintenance.forget(name)
    assert gone.state == before


def test_a_node_that_may_only_be_booting_is_not_forgotten(
    gone: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone["node1"].failover.promote("copied")
    monkeypatch.setattr(maintenance, "GONE_SECONDS", 600)
    with pytest.raises(Refused, match="may come back: node1 has missed it for 0 of 600 s"):
        gone["node1"].maintenance.forget("node3")


def test_no_clock_that_is_wrong_has_a_node_forgotten(cluster: MemoryCluster) -> None:
    """node3's was hours behind, and node1's steps forward."""
    node1 = cluster["node1"]
    cluster.ownership.ahead["node3"] -= 10000
    cluster["node3"].announce()
    cluster.lose("node3")
    cluster.ownership.ahead["node1"] += 10000
    with pytest.raises(Refused, match="may come back"):
        node1.maintenance.forget("node3")
    node1.live(540)
    with pytest.raises(Refused, match=r"may come back: node1 has missed it for 5[0-9]* of 600 s"):
        node1.maintenance.forget("node3")
    node1.live(90)
    node1.maintenance.forget("node3")
    assert "node3" not in cluster.state.seen


def test_an_absence_counts_from_when_it_was_first_noticed(cluster: MemoryCluster) -> None:
    """Not from the question, and a node that was heard of meanwhile is another absence."""
    node1 = cluster["node1"]
    cluster.lose("node3")
    node1.live(700)
    cluster.bring_back("node3")
    cluster.live(60)
    cluster.lose("node3")
    with pytest.raises(Refused, match="may come back"):
        node1.maintenance.forget("node3")
    node1.live(700)
    node1.maintenance.forget("node3")
    assert "node3" not in cluster.state.seen
