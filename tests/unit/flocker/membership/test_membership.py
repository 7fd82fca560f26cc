"""Two machines of one name: the second one does not join, and nothing on it uses a volume."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from flocker.api.metrics import health
from flocker.base.admitted import OnlyWhenAdmitted
from flocker.base.errors import ControlPlaneAway, NotAdmitted, Refused
from flocker.consensus.etcd_wire import put
from flocker.consensus.keyspace import FORMAT, FORMAT_KEY
from tests.unit.flocker.cluster import PATIENCE_SECONDS, Machine, MemoryCluster

CHANGES = (
    "create",
    "remove",
    "mount",
    "unmount",
    "begin_move",
    "lock_move",
    "begin_session",
    "end_session",
    "begin_root",
    "end_root",
    "root",
    "promote",
    "publish",
    "withdraw",
)


def copy_of(machine: Machine, folder: Path) -> Machine:
    """Another machine that was started from a copy of a machine's disk."""
    shutil.copytree(machine.folder, folder, symlinks=True)
    return Machine(machine.name, machine.cluster, folder, "another board")


def new_one(machine: Machine, folder: Path) -> Machine:
    """A machine that was set up under the name of another one."""
    folder.mkdir()
    return Machine(machine.name, machine.cluster, folder)


def test_a_copy_of_a_disk_does_not_join(demo: MemoryCluster, tmp_path: Path) -> None:
    before = demo.state
    second = copy_of(demo["node1"], tmp_path / "second")
    with pytest.raises(NotAdmitted, match="not node1: the name belongs to another machine"):
        second.announce()
    assert demo.state == before
    demo["node1"].announce()


def test_a_second_machine_changes_nothing(demo: MemoryCluster, tmp_path: Path) -> None:
    second = copy_of(demo["node1"], tmp_path / "second")
    before = demo.state
    for call in CHANGES:
        with pytest.raises(NotAdmitted, match="have this one take its place"):
            getattr(second.ownership, call)()
    assert demo.state == before
    assert second.ownership.state() == before, "it may look"


def test_nothing_is_mounted_on_a_second_machine(demo: MemoryCluster, tmp_path: Path) -> None:
    second = copy_of(demo["node1"], tmp_path / "second")
    second.answer_seconds = 0
    with pytest.raises(NotAdmitted):
        second.driver.mount("demo", "reader")
    with pytest.raises(ControlPlaneAway):
        second.driver.create("other", {})
    assert "other" not in demo.state.volumes


def test_a_second_machine_has_no_other_node_change_anything(
    demo: MemoryCluster, tmp_path: Path
) -> None:
    """A request of its engine would be done by the owner, who may."""
    second = copy_of(demo["node1"], tmp_path / "second")
    demo["node2"].write("demo", "node2's now")
    with pytest.raises(NotAdmitted):
        second.driver.remove("demo")
    with pytest.raises(NotAdmitted):
        second.driver.create("other", {"from": "demo"})
    assert demo.state.volumes.keys() == {"demo"}


@pytest.mark.parametrize("failover", ["manual", "auto"])
def test_a_second_machine_stops_what_uses_volumes(
    demo: MemoryCluster, tmp_path: Path, failover: str
) -> None:
    node1 = demo["node1"]
    node1.driver.create("ledger", {"failover": failover})
    second = copy_of(node1, tmp_path / "second")
    volume = demo.volume("ledger")
    second.containers.running["ledger"] = ["writer"]
    second.containers.mounts.add(volume.id)
    with pytest.raises(NotAdmitted):
        second.announce()
    assert second.containers.stopped == ["writer"]
    assert second.containers.killed == [volume.id]
    assert node1.containers.stopped == []


def test_a_second_machine_says_why(
    demo: MemoryCluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    second = copy_of(demo["node1"], tmp_path / "second")
    for _ in range(3):
        with pytest.raises(NotAdmitted):
            second.announce()
    assert caplog.text.count("the name belongs to another machine") == 1, "once"
    status = second.operations.overview.status()
    assert "the name belongs to another machine (127.0.0.1), which is up" in status["problems"][0]
    assert health(status)[0] == 503
    assert demo["node1"].operations.overview.status()["problems"] == []


def test_a_node_that_reboots_keeps_its_name_from_its_copy(
    demo: MemoryCluster, tmp_path: Path
) -> None:
    demo.lose("node1")
    second = copy_of(demo["node1"], tmp_path / "second")
    with pytest.raises(NotAdmitted, match="which is away"):
        second.announce()
    assert "node1" not in demo.state.nodes
    demo.bring_back("node1")
    assert demo["node1"].read("demo") == "hello"


def test_a_new_machine_takes_a_dead_ones_place(demo: MemoryCluster, tmp_path: Path) -> None:
    demo.lose("node1")
    new = new_one(demo["node1"], tmp_path / "new")
    demo.machines["node1"], old = new, demo["node1"]
    assert "node1" in demo.state.nodes
    with pytest.raises(Refused, match="whose pool does not have it"):
        new.driver.mount("demo", "reader")
    new.failover.promote("demo")
    assert new.read("demo") == "hello"
    old.start()
    with pytest.raises(NotAdmitted):
        old.driver.mount("demo", "writer")


def test_an_old_machine_that_was_replaced_stops_its_containers(
    demo: MemoryCluster, tmp_path: Path
) -> None:
    old = demo["node1"]
    old.run("demo")
    demo.ownership.expire("node1")  # it is cut off, and its container goes on
    demo.machines["node1"] = new_one(old, tmp_path / "new")
    with pytest.raises(NotAdmitted):
        old.announce()
    assert old.containers.stopped == ["writer"]
    with pytest.raises(NotAdmitted):
        old.driver.mount("demo", "writer")


def test_a_new_machine_waits_for_the_lease_of_the_one_it_replaces(
    demo: MemoryCluster, tmp_path: Path
) -> None:
    new = new_one(demo["node1"], tmp_path / "new")
    with pytest.raises(NotAdmitted, match="which is up"):
        new.announce()
    demo.ownership.expire("node1")
    new.announce()
    assert "node1" in demo.state.nodes


def test_a_new_machine_that_meets_the_other_for_longer_is_a_second_one(
    demo: MemoryCluster, tmp_path: Path
) -> None:
    new = new_one(demo["node1"], tmp_path / "new")
    new.clock += PATIENCE_SECONDS + 1
    with pytest.raises(NotAdmitted):
        new.announce()
    demo.lose("node1")
    with pytest.raises(NotAdmitted, match="which is away"):
        new.announce()
    demo.bring_back("node1")


@pytest.fixture
def cut_off(demo: MemoryCluster) -> Machine:
    """A node with a container that uses a volume, and which etcd does not answer any more."""
    machine = demo["node1"]
    machine.run("demo")
    machine.etcd.is_away = True
    demo.ownership.expire("node1")
    return machine


def test_a_node_that_etcd_refuses_hears_from_others_that_it_was_retired(
    demo: MemoryCluster, cut_off: Machine
) -> None:
    demo["node2"].failover.promote("demo")
    demo.ownership.forget_node("node1")
    cut_off.standing.look()
    assert cut_off.containers.stopped == ["writer"]
    with pytest.raises(NotAdmitted, match="node1 was retired with `flocker forget node1`"):
        cut_off.membership.check()
    [problem] = cut_off.operations.overview.status()["problems"]
    assert "give it another name" in problem


def test_a_node_that_etcd_does_not_answer_goes_on_unless_it_was_retired(
    demo: MemoryCluster, cut_off: Machine
) -> None:
    demo["node2"].is_up = False
    cut_off.standing.look()
    assert cut_off.containers.stopped == []
    assert cut_off.membership.problems() == []


def test_nobody_is_asked_while_etcd_answers(demo: MemoryCluster) -> None:
    demo["node1"].run("demo")
    demo.ownership.forget_node("away")
    demo["node2"].rights.retired_at = lambda _: "2026"  # type: ignore[method-assign]
    demo["node1"].standing.look()
    assert demo["node1"].containers.stopped == []


def test_a_name_that_was_forgotten_is_nobodys(demo: MemoryCluster, tmp_path: Path) -> None:
    second = copy_of(demo["node1"], tmp_path / "second")
    demo.lose("node1")
    demo["node2"].failover.promote("demo")
    demo.ownership.forget_node("node1")
    for machine in (second, new_one(demo["node1"], tmp_path / "new"), demo["node1"]):
        with pytest.raises(NotAdmitted, match="node1 was retired with `flocker forget node1`"):
            machine.announce()
        [problem] = machine.operations.overview.status()["problems"]
        assert "give it another name" in problem
    assert "node1" not in demo.state.nodes


def test_a_successor_of_another_name_takes_the_place_of_a_node_that_was_forgotten(
    demo: MemoryCluster, tmp_path: Path
) -> None:
    demo.lose("node1")
    demo["node2"].failover.promote("demo")
    demo.ownership.forget_node("node1")
    node4 = demo.machines["node4"] = Machine("node4", demo, tmp_path / "node4")
    node4.start()
    demo.replicate()
    assert set(demo.state.copies_of(demo.volume("demo"))) == {"node2", "node3", "node4"}
    node4.operations.moves.move("demo", None)
    assert node4.read("demo") == "hello"
    assert node4.operations.overview.status()["problems"] == []


def test_a_copy_takes_the_place_of_a_machine_that_is_gone(
    demo: MemoryCluster, tmp_path: Path
) -> None:
    """As the refusal tells a person to."""
    second = copy_of(demo["node1"], tmp_path / "second")
    demo.lose("node1")
    (second.folder / "machine.json").unlink()
    second.start()
    assert "node1" in demo.state.nodes
    assert second.operations.overview.status()["problems"] == []


def test_nothing_is_changed_before_it_is_known_whose_the_name_is(
    cluster: MemoryCluster,
) -> None:
    node1 = cluster["node1"]
    node1.etcd.away_for = {"announce"}
    node1.start()
    with pytest.raises(ControlPlaneAway, match="not joined the cluster yet"):
        node1.driver.create("demo", {})


def record_format(cluster: MemoryCluster, number: int) -> None:
    change = put(FORMAT_KEY, {"number": number})
    cluster.ownership.etcd.ask("/kv/txn", {"compare": [], "success": [change]})


def test_a_node_that_is_too_old_for_the_records_does_not_join(
    demo: MemoryCluster, tmp_path: Path
) -> None:
    running = demo["node1"]
    record_format(demo, FORMAT)
    running.announce()
    running.run("demo", "writer")
    before = demo.state
    record_format(demo, FORMAT + 1)
    started = Machine("node4", demo, tmp_path / "node4")
    for machine in (running, started):
        with pytest.raises(NotAdmitted, match="knows the cluster's records up to format 1"):
            machine.announce()
        with pytest.raises(NotAdmitted, match="install that version here"):
            machine.driver.create("other", {})
        [problem] = machine.operations.overview.status()["problems"]
        assert "the records have format 2" in problem
    assert demo.state == before
    assert running.containers.stopped == ["writer"]
    record_format(demo, FORMAT)
    for machine in (running, started):
        machine.announce()
        assert machine.operations.overview.status()["problems"] == []


def test_what_is_free_is_not_checked() -> None:
    def refuse() -> None:
        raise NotAdmitted("no")

    part = OnlyWhenAdmitted("text", refuse, free=("upper",))
    assert part.upper() == "TEXT"
    with pytest.raises(NotAdmitted):
        part.lower()


def test_an_old_machine_under_another_name_puts_aside_what_only_it_has(
    demo: MemoryCluster, tmp_path: Path
) -> None:
    old = demo["node1"]
    old.write("demo", "only here")
    demo.lose("node1")
    demo.machines["node1"] = new_one(old, tmp_path / "new")
    demo["node1"].failover.promote("demo")
    node4 = demo.machines["node4"] = Machine("node4", demo, old.folder)
    node4.pool = old.pool
    node4.start()
    assert node4.reconciler.catch_up(), node4.troubles.all()
    [aside] = node4.operations.recovery.conflicts()["asides"]
    node4.driver.create("rescued", {"from": aside["reference"]})
    assert node4.read("rescued") == "only here"
    assert node4.read("demo") == "hello"
