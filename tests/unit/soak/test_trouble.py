"""Every fault comes before one comes again, and what cannot be mended is told of."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest

from acceptance.base.waiting import eventually
from judge.chance import seeded
from tests.soak.on_nodes import trouble
from tests.soak.on_nodes.trouble import MOMENTS, STATES, Trouble, drawn
from tests.unit.acceptance.cluster.test_faults import Nodes

KINDS = [*MOMENTS, *STATES]


def test_each_fault_comes_before_any_comes_again() -> None:
    some = list(islice(drawn(seeded(1), KINDS, ["node1", "node2"]), 3 * len(KINDS)))
    for first in range(0, len(some), len(KINDS)):
        assert {kind for kind, _ in some[first : first + len(KINDS)]} == set(KINDS)
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
    monkeypatch.setattr(trouble, "MOMENTS", {})
    monkeypatch.setattr(trouble, "STATES", {"paused": STATES["paused"]})
    return Cluster()


def run(cluster: Cluster) -> Trouble:
    return Trouble(cluster, seed=1)  # type: ignore[arg-type]


def test_each_fault_is_over_before_the_next_one(cluster: Cluster) -> None:
    some = run(cluster)
    some.start()
    eventually(lambda: some.done["paused"] >= 3, is_=True, within=10)
    some.stop()
    steps = [step.split(maxsplit=1)[-1] for step in cluster.done]
    assert steps == ["paused", "resumed", "whole"] * (len(steps) // 3)
    assert some.wrong == []


def test_nothing_more_goes_wrong_after_what_cannot_be_mended(cluster: Cluster) -> None:
    cluster.cannot = {f"node{number} resumed" for number in (1, 2, 3)}
    some = run(cluster)
    some.start()
    eventually(lambda: len(some.wrong), is_=1, within=10)
    some.stop()
    assert "resumed" in some.wrong[0]
    assert len(cluster.done) == 1
