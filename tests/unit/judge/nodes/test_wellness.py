"""A node's troubles are found in its status and in its journal."""

from __future__ import annotations

from typing import Any

import pytest

from judge.nodes.wellness import unforeseen, unwell

VOLUME = {
    "name": "first",
    "replicas": 2,
    "mounted_on": None,
    "move": None,
    "problem": None,
    "stuck": {},
    "copies": [{"is_current": True}, {"is_current": True}, {"is_current": False}],
}
NODE = {"name": "node1", "is_alive": True, "problems": []}


def status(*, node: dict[str, Any] | None = None, volume: dict[str, Any] | None = None) -> Any:
    return {
        "is_connected": True,
        "pool_problem": None,
        "problems": [],
        "nodes": [NODE | (node or {})],
        "volumes": [VOLUME | (volume or {})],
    }


def test_a_node_may_be_well() -> None:
    assert unwell(status()) == []


@pytest.mark.parametrize(
    ("different", "told"),
    [
        ({"is_connected": False}, "etcd does not answer"),
        ({"pool_problem": "it is full"}, "it is full"),
        ({"problems": ["the fence does not look"]}, "the fence does not look"),
    ],
)
def test_what_is_wrong_with_the_node_itself_is_told(different: Any, told: str) -> None:
    assert unwell(status() | different) == [told]


@pytest.mark.parametrize(
    ("node", "told"),
    [
        ({"is_alive": False}, "node1 is away"),
        ({"problems": ["its pool is full"]}, "node1: its pool is full"),
    ],
)
def test_what_is_wrong_with_any_node_is_told(node: dict[str, Any], told: str) -> None:
    assert unwell(status(node=node)) == [told]


@pytest.mark.parametrize(
    ("volume", "told"),
    [
        ({"copies": [{"is_current": True}]}, "first: 1 of 2 replicas are current"),
        ({"move": {"target": "node3"}}, "first: on its way to node3"),
        ({"mounted_on": "node2"}, "first: mounted on node2"),
        ({"problem": "it cannot be sent"}, "first: it cannot be sent"),
        ({"stuck": {"node2": "no room"}}, "first: node2: no room"),
    ],
)
def test_what_is_wrong_with_a_volume_is_told(volume: dict[str, Any], told: str) -> None:
    assert unwell(status(volume=volume)) == [told]


def trace(error: str) -> str:
    return f'Traceback (most recent call last):\n  File "x.py", line 1, in y\n    z()\n{error}\n'


def test_an_error_nobody_foresaw_is_found_in_a_journal() -> None:
    defect = trace("KeyError: 'a'")
    assert unforeseen(f"INFO x: before\n{defect}INFO x: after\n") == [defect.strip()]


@pytest.mark.parametrize(
    "error",
    [
        "flocker.errors.PoolError: no",
        "flocker.base.errors.PoolError: no",
        "ConnectionResetError: [Errno 104]",
        "ssl.SSLError: x",
    ],
)
def test_an_error_that_was_foreseen_is_not(error: str) -> None:
    assert unforeseen(trace(error)) == []


def test_of_errors_that_follow_each_other_the_last_one_counts() -> None:
    both = (
        f"{trace('KeyError: 1')}\nThe above exception was the direct cause of the following:\n\n"
        f"{trace('flocker.errors.Refused: no')}INFO x: after\n"
    )
    assert unforeseen(both) == []
