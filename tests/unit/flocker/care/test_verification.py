"""Copies are compared with what their owner has: when asked for, and now and then."""

from __future__ import annotations

from typing import Any, cast

import pytest

from acceptance.base.waiting import eventually
from flocker.api.metrics import health
from flocker.base.errors import PoolError, Refused, VolumeNotFound
from tests.twins.memory_pool import MemoryPool
from tests.unit.flocker.cluster import Machine, MemoryCluster


def results(answer: dict[str, Any]) -> dict[str, str]:
    return {copy["node"]: copy["result"] for copy in answer["copies"]}


def damage(cluster: MemoryCluster, node: str) -> None:
    cast(MemoryPool, cluster[node].pool).damage(cluster.volume("demo").id)


def said_by(machine: Machine) -> list[str]:
    problems: list[str] = machine.operations.overview.status()["problems"]
    return problems


@pytest.mark.parametrize("node", ["node1", "node2"])
def test_copies_that_are_right_are_the_same(demo: MemoryCluster, node: str) -> None:
    answer = demo[node].verification.verify("demo")
    assert results(answer) == {"node1": "same", "node2": "same", "node3": "same"}
    assert answer["volume"] == "demo"
    assert said_by(demo["node1"]) == []


def test_a_copy_that_differs_is_found_and_shown_until_it_is_right_again(
    demo: MemoryCluster,
) -> None:
    damage(demo, "node2")
    answer = demo["node3"].verification.verify("demo")
    assert results(answer) == {"node1": "same", "node2": "differs", "node3": "same"}
    [problem] = said_by(demo["node1"])
    assert problem.startswith(
        "volume 'demo': the copy on node2 is not what the owner has in snapshot 1: "
    )

    demo["node1"].write("demo", "later")
    demo.replicate()
    assert set(results(demo["node1"].verification.verify("demo")).values()) == {"same"}
    assert said_by(demo["node1"]) == []


def test_a_replica_that_is_behind_is_compared_at_what_it_has(demo: MemoryCluster) -> None:
    demo["node1"].write("demo", "later")
    demo["node1"].publish()
    demo["node3"].follow()
    answer = demo["node1"].verification.verify("demo")
    assert [(copy["node"], copy["snapshot"]) for copy in answer["copies"]] == [
        ("node1", 1), ("node1", 2), ("node2", 1), ("node3", 2),
    ]  # fmt: skip
    assert {copy["result"] for copy in answer["copies"]} == {"same"}


@pytest.mark.parametrize(("bad", "others"), [("node2", "same"), ("node1", "not compared")])
def test_what_cannot_be_read_is_found(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch, bad: str, others: str
) -> None:
    def unreadable(*_: object) -> None:
        raise PoolError("file.txt cannot be read: Input/output error")

    monkeypatch.setattr(demo[bad].pool, "digest", unreadable)
    answer = demo["node1"].verification.verify("demo")
    assert results(answer)[bad] == "unreadable"
    assert results(answer)["node3"] == others
    [problem] = said_by(demo["node1"])
    assert f"the copy on {bad} cannot be read: file.txt" in problem


def test_a_node_that_is_away_is_no_bad_copy(demo: MemoryCluster) -> None:
    demo["node2"].is_up = False
    answer = demo["node1"].verification.verify("demo")
    assert results(answer) == {"node1": "same", "node2": "not compared", "node3": "same"}
    assert said_by(demo["node1"]) == []


@pytest.mark.parametrize("lease", ["has ended", "has not ended"])
def test_a_bad_copy_that_cannot_be_compared_again_stays_bad(
    demo: MemoryCluster, lease: str
) -> None:
    damage(demo, "node2")
    demo["node1"].verification.verify("demo")
    demo["node2"].is_up = False
    if lease == "has ended":
        demo.ownership.expire("node2")
    for _ in range(2):
        answer = demo["node1"].verification.verify("demo")
        assert results(answer)["node2"] == "not compared"
        [problem] = said_by(demo["node1"])
        assert "the copy on node2 is not what the owner has in snapshot 1: " in problem

    demo["node2"].is_up = True
    demo["node2"].announce()
    demo["node1"].write("demo", "later")
    demo.replicate()
    assert set(results(demo["node1"].verification.verify("demo")).values()) == {"same"}
    assert said_by(demo["node1"]) == []


def test_an_owner_that_could_not_be_read_stays_bad_while_nothing_is_compared(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object) -> None:
        raise PoolError("file.txt cannot be read: Input/output error")

    monkeypatch.setattr(demo["node1"].pool, "digest", unreadable)
    demo["node1"].verification.verify("demo")
    for name in ("node2", "node3"):
        demo[name].is_up = False
    assert set(results(demo["node1"].verification.verify("demo")).values()) == {"not compared"}
    [problem] = said_by(demo["node1"])
    assert "the copy on node1 cannot be read: file.txt" in problem


def test_a_bad_copy_that_is_given_up_is_no_trouble_any_more(demo: MemoryCluster) -> None:
    damage(demo, "node2")
    demo["node1"].verification.verify("demo")
    demo.ownership.withdraw([demo.state.copies_of(demo.volume("demo"))["node2"]])
    demo["node1"].verification.verify("demo")
    assert said_by(demo["node1"]) == []


def test_a_copy_that_could_not_be_compared_is_due_the_next_day(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = demo["node1"].verification
    demo["node2"].is_up = False
    node1.verify_one()
    monkeypatch.setattr("flocker.care.verification.AGAIN_SECONDS", -60.0)
    node1.verify_one()  # it is up, and still does not answer
    demo["node2"].is_up = True
    node1.verify_one()
    [verified] = node1.results()
    assert {copy["result"] for copy in verified["copies"]} == {"same"}
    node1.verify_one()
    assert node1.results() == [verified]


def test_a_bad_copy_that_could_not_be_compared_again_is_due_the_next_day(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = demo["node1"].verification
    damage(demo, "node2")
    node1.verify("demo")
    demo["node2"].is_up = False
    node1.verify("demo")
    [known] = node1.results()
    demo["node2"].is_up = True
    demo["node1"].write("demo", "later")
    demo.replicate()
    node1.verify_one()
    assert node1.results() == [known]
    monkeypatch.setattr("flocker.care.verification.AGAIN_SECONDS", -60.0)
    node1.verify_one()
    assert said_by(demo["node1"]) == []


def test_nothing_to_compare_is_refused(cluster: MemoryCluster) -> None:
    cluster["node1"].driver.create("single", {"replicas": "0"})
    with pytest.raises(Refused, match="'single' has no copy on another node"):
        cluster["node1"].verification.verify("single")
    with pytest.raises(VolumeNotFound):
        cluster["node1"].verification.verify("nowhere")


def test_a_snapshot_stays_while_it_is_read(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node2, volume = demo["node2"], demo.volume("demo")
    read = node2.pool.digest

    def slow(*arguments: Any) -> Any:
        for text in ("two", "three", "four", "five", "six"):
            demo["node1"].write("demo", text)
            demo.replicate()
        return read(*arguments)

    monkeypatch.setattr(node2.pool, "digest", slow)
    assert results(demo["node1"].verification.verify("demo"))["node2"] == "same"
    demo["node1"].write("demo", "seven")
    demo.replicate()
    assert 1 not in [each.number for each in node2.pool.snapshots(volume.id)]


def test_volumes_are_compared_one_after_the_other_and_not_too_often(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = demo["node1"]
    node1.driver.create("other", {})
    node1.write("other", "hello")
    demo["node2"].driver.create("elsewhere", {})
    demo["node2"].write("elsewhere", "hello")
    demo.replicate()
    for _ in range(4):
        node1.verification.verify_one()
    assert sorted(each["volume"] for each in node1.verification.results()) == ["demo", "other"]
    first = [each["at"] for each in node1.verification.results()]
    node1.verification.verify_one()
    assert [each["at"] for each in node1.verification.results()] == first

    monkeypatch.setattr("flocker.care.verification.EACH_SECONDS", 0)

    def all_are_newer() -> bool:
        node1.verification.verify_one()
        later = [each["at"] for each in node1.verification.results()]
        return all(new > old for new, old in zip(later, first, strict=True))

    # Times are told in milliseconds, and a comparison here may take less.
    eventually(all_are_newer, is_=True, within=5)


def test_results_survive_a_restart_of_the_daemon(demo: MemoryCluster) -> None:
    damage(demo, "node2")
    demo["node1"].verification.verify("demo")
    demo["node1"].start()
    assert len(said_by(demo["node1"])) == 1
    (demo["node1"].folder / "verified.json").write_text("{")
    demo["node1"].start()
    assert said_by(demo["node1"]) == []


def test_a_bad_copy_makes_its_owner_unhealthy(demo: MemoryCluster) -> None:
    damage(demo, "node2")
    demo["node1"].verification.verify("demo")
    status = {**demo["node1"].operations.overview.status(), "etcd": None}
    _, answer = health(status)
    assert [each for each in answer["problems"] if "the copy on node2" in each]
