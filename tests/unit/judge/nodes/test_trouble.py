"""Every fault comes before one comes again, each is mended, and all of it is in the history."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest

from acceptance.base.waiting import eventually
from acceptance.cluster.lasting import DEAF, FULL, SLOW, Fault, closed, frozen
from judge.chance import seeded
from judge.history import Effect, FaultBegan, FaultEnded
from judge.nodes import trouble
from judge.nodes.trouble import KINDS, Trouble, drawn
from judge.recorder import Recorder
from tests.unit.acceptance.cluster.test_faults import Nodes


def test_each_fault_comes_before_any_comes_again() -> None:
    some = list(islice(drawn(seeded(1), KINDS, ["node1", "node2"]), 3 * len(KINDS)))
    for first in range(0, len(some), len(KINDS)):
        names = {kind.name for kind, _ in some[first : first + len(KINDS)]}
        assert names == {kind.name for kind in KINDS}
    assert {node for _, node in some} == {"node1", "node2"}


def test_the_same_seed_draws_the_same_faults() -> None:
    first, second = (list(islice(drawn(seeded(3), KINDS, ["a", "b"]), 20)) for _ in range(2))
    assert first == second


class Cluster(Nodes):
    def node(self, name: str) -> Any:
        return next(node for node in self.nodes if node.name == name)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(trouble, "CALM_SECONDS", (0.0, 0.001))
    monkeypatch.setattr(trouble, "FAULT_SECONDS", (0.0, 0.001))
    pauses = tuple(kind for kind in KINDS if kind.name == "paused")
    monkeypatch.setattr(trouble, "KINDS", pauses)
    return Cluster()


def test_faults_come_and_go_and_are_noted(cluster: Cluster) -> None:
    recorder = Recorder(lambda: float(len(cluster.done)))
    some = Trouble([cluster], recorder, 1)  # type: ignore[list-item]
    some.start()
    eventually(lambda: len(cluster.done) >= 6, is_=True, within=10)
    some.stop()
    assert some.wrong == []
    steps = [step.split()[-1] for step in cluster.done]
    assert steps == ["paused", "resumed"] * (len(steps) // 2)
    began = [each for each in recorder.history() if isinstance(each, FaultBegan)]
    ended = [each.fault for each in recorder.history() if isinstance(each, FaultEnded)]
    assert [each.fault for each in began] == ended
    assert {each.effects for each in began} == {(Effect.UNREACHABLE, Effect.SUSPENDED)}


def test_nothing_more_goes_wrong_after_what_cannot_be_mended(cluster: Cluster) -> None:
    cluster.cannot = {f"node{number} resumed" for number in (1, 2, 3)}
    some = Trouble([cluster, cluster], Recorder(lambda: 0.0), 1)  # type: ignore[list-item]
    some.start()
    eventually(lambda: bool(some.wrong), is_=True, within=10)
    some.stop()
    assert "resumed" in some.wrong[0]
    assert len(cluster.done) <= 2  # one may have begun beside it


@pytest.mark.parametrize(
    "fault", [DEAF, FULL, SLOW, closed(4523), frozen("docker")], ids=lambda fault: fault.name
)
def test_a_fault_ends_also_if_it_began_half_way(fault: Fault) -> None:
    nodes = Nodes()
    fault.end(nodes.nodes[0], ["172.16.78.2"])
    assert nodes.done
    assert all("2>/dev/null" in step or "rm -f" in step or "CONT" in step or "grep -q" in step
               for step in nodes.done)  # fmt: skip
