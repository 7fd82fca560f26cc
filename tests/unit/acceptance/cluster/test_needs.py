"""A scenario that these nodes cannot run is told why."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from acceptance.cluster.needs import NEEDS, unmet
from acceptance.machines.protocol import Ability


def cluster(nodes: int = 3, version: str = "26.1", status: int = 0, *abilities: Ability) -> Any:
    node = SimpleNamespace(
        engine=SimpleNamespace(is_at_least=lambda wanted: float(version) >= float(wanted)),
        type=lambda _: SimpleNamespace(exit_status=status),
    )
    machines = SimpleNamespace(abilities=frozenset(abilities))
    return SimpleNamespace(nodes=[node] * nodes, machines=machines)


EVERYTHING = cluster(3, "26.1", 0, *Ability)
LACKING = {
    "vagrant": cluster(),
    "power": cluster(),
    "pause": cluster(),
    "vm": cluster(3, "26.1", 0, Ability.POWER),
    "three_nodes": cluster(2),
    "ceph": cluster(status=1),
    "failing_disk": cluster(status=1),
    "compose_plugin": cluster(status=1),
    "subfolder": cluster(version="20.10"),
}


@pytest.mark.parametrize("tag", NEEDS)
def test_what_is_missing_is_the_reason(tag: str) -> None:
    assert unmet(["slow", tag], LACKING[tag]) == NEEDS[tag].reason
    assert unmet(["slow", tag], EVERYTHING) is None
