"""Every fault heals, whatever else goes wrong; the nodes are stand-ins that remember commands."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from acceptance.cluster import disk
from acceptance.cluster.faults import Faults
from acceptance.cluster.healing import Healing


class Nodes:
    """A cluster whose nodes do nothing but take notes."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.cannot: set[str] = set()
        self.machines = SimpleNamespace(
            power_off=lambda name: self._do(f"{name} off"),
            power_on=lambda name: self._do(f"{name} on"),
            pause=lambda name: self._do(f"{name} paused"),
            resume=lambda name: self._do(f"{name} resumed"),
        )
        self.nodes: list[Any] = [
            SimpleNamespace(
                name=f"node{number}",
                address=f"172.16.78.{number}",
                is_well=True,
                run=lambda command, number=number: self._do(f"node{number}: {command}"),
                close=lambda: None,
            )
            for number in (1, 2, 3)
        ]

    def wait_until_whole(self) -> None:
        self.done.append("whole")

    def _do(self, what: str) -> str:
        if any(each in what for each in self.cannot):
            raise RuntimeError(what)
        self.done.append(what)
        return ""


@pytest.fixture
def nodes() -> Nodes:
    return Nodes()


@pytest.fixture
def faults(nodes: Nodes) -> Faults:
    return Faults(nodes)  # type: ignore[arg-type]


def test_nothing_broken_needs_no_healing(nodes: Nodes, faults: Faults) -> None:
    faults.heal()
    assert nodes.done == []


def test_the_newest_fault_is_healed_first_and_all_nodes_are_well_again(
    nodes: Nodes, faults: Faults
) -> None:
    faults.power_off(nodes.nodes[0])
    faults.pause(nodes.nodes[1])
    assert [node.is_well for node in nodes.nodes] == [False, False, True]
    faults.heal()
    assert nodes.done == ["node1 off", "node2 paused", "node2 resumed", "node1 on", "whole"]
    assert all(node.is_well for node in nodes.nodes)


def test_what_was_mended_is_not_healed_again(nodes: Nodes, faults: Faults) -> None:
    faults.power_off(nodes.nodes[0])
    faults.power_on(nodes.nodes[0])
    assert nodes.nodes[0].is_well
    del nodes.done[:]
    faults.heal()
    assert nodes.done == []


def test_what_cannot_be_healed_keeps_nothing_else_from_it(nodes: Nodes, faults: Faults) -> None:
    faults.power_off(nodes.nodes[0])
    faults.pause(nodes.nodes[1])
    nodes.cannot = {"node2 resumed"}
    with pytest.raises(RuntimeError, match="node2 resumed"):
        faults.heal()
    assert nodes.done[-1] == "node1 on"


def test_a_fault_that_failed_half_way_is_healed(nodes: Nodes, faults: Faults) -> None:
    nodes.cannot = {"node1 off"}
    with pytest.raises(RuntimeError):
        faults.power_off(nodes.nodes[0])
    faults.heal()
    assert nodes.done == ["node1 on", "whole"]


@pytest.mark.parametrize(
    ("cause", "fails", "units"),
    [
        (Faults.kill_engine, "--signal=KILL docker", "docker"),
        (Faults.kill_driver, "--signal=KILL flocker", "flocker"),
        (Faults.replace_disk, "sudo find /var/lib/flocker", "flocker.socket flocker"),
    ],
    ids=["engine killed", "driver killed", "disk replaced"],
)
def test_a_fault_that_is_over_at_once_is_healed_if_it_failed_half_way(
    nodes: Nodes,
    faults: Faults,
    cause: Callable[[Faults, Any], None],
    fails: str,
    units: str,
) -> None:
    nodes.cannot = {fails}
    with pytest.raises(RuntimeError, match=fails):
        cause(faults, nodes.nodes[0])
    del nodes.done[:]
    faults.heal()
    start = f"sudo systemctl reset-failed {units} && sudo systemctl start {units}"
    assert nodes.done == [f"node1: {start}", "whole"]


def test_a_node_works_again_also_if_its_failing_disk_cannot_be_taken_away(nodes: Nodes) -> None:
    nodes.cannot = {"umount"}
    with pytest.raises(RuntimeError, match="umount"):
        disk.put_back(nodes.nodes[0])
    assert nodes.done == [f"node1: {disk.START}"]


def test_a_fault_that_is_over_at_once_leaves_nothing_to_heal(nodes: Nodes) -> None:
    healing = Healing()
    with healing.if_it_fails("content", "node1", lambda: nodes.done.append("healed")):
        assert healing
    assert not healing
    healing.end_all()
    assert nodes.done == []


def test_a_node_is_cut_off_from_every_other_one_in_both_directions(
    nodes: Nodes, faults: Faults
) -> None:
    faults.cut_off(nodes.nodes[0])
    [command] = nodes.done
    for rule in ("-s 172.16.78.2", "-d 172.16.78.2", "-s 172.16.78.3", "-d 172.16.78.3"):
        assert f"-A cut-off {rule} -j DROP" in command
    assert "172.16.78.1 " not in command


def test_etcd_is_started_on_all_nodes_before_they_are_waited_for(
    nodes: Nodes, faults: Faults
) -> None:
    faults.stop_etcd(nodes.nodes)
    faults.start_etcd()
    starts = [what for what in nodes.done if "start --no-block etcd" in what]
    assert len(starts) == 3
    assert nodes.done[-1] == "whole"
