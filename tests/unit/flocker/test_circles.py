"""No part of a node leads back to itself or up, by what it holds or by what it may call back."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from types import FunctionType, MethodType
from typing import Any

import pytest

from flocker.base.admitted import OnlyWhenAdmitted
from flocker.base.troubles import Troubles
from tests.rooms import DRIVER
from tests.unit.flocker.cluster import MemoryCluster


def inside(value: Any) -> Iterator[Any]:
    """The items of a container, and the objects that a function needs when it is called."""
    match value:
        case dict():
            yield from value.values()
        case list() | tuple() | set() | frozenset():
            yield from value
        case MethodType():
            yield value.__self__
        case FunctionType():
            yield from (cell.cell_contents for cell in value.__closure__ or ())
        case functools.partial():
            yield from (value.func, *value.args, *value.keywords.values())


def held(part: Any) -> Iterator[Any]:
    """The driver's objects that a part refers to, in its attributes or through callbacks."""
    ahead, seen = list(vars(part).values()), set()
    while ahead:
        value = ahead.pop()
        if is_part(value):
            yield value
        elif id(value) not in seen:
            seen.add(id(value))
            ahead += inside(value)


def is_part(value: Any) -> bool:
    return type(value).__module__.startswith("flocker.") and hasattr(value, "__dict__")


def reached(part: Any) -> list[tuple[Any, list[Any]]]:
    """The part and all parts that it leads to, each with those that it holds."""
    found: dict[int, tuple[Any, list[Any]]] = {}
    ahead = [part]
    while ahead:
        each = ahead.pop()
        if id(each) not in found:
            found[id(each)] = each, list(held(each))
            ahead += found[id(each)][1]
    return list(found.values())


def check(part: Any) -> int:
    """Return how many parts can be reached; raise CycleError if one leads back to itself."""
    graph = {id(each): {id(one) for one in parts} for each, parts in reached(part)}
    TopologicalSorter(graph).prepare()
    return len(graph)


def upward(part: Any) -> set[str]:
    """Each part that holds one of a room above its own; a part's wrapper is in no room."""
    ranks = {room: rank for rank, room in enumerate((*DRIVER.order, DRIVER.top))}

    def rank(each: Any) -> int:
        return ranks[DRIVER.room_of(type(each).__module__)]

    return {
        f"{type(each).__name__} holds {type(one).__name__}"
        for each, parts in reached(part)
        if not isinstance(each, OnlyWhenAdmitted)
        for one in parts
        if rank(each) < rank(one)
    }


def test_no_part_of_a_node_leads_back_to_itself(cluster: MemoryCluster) -> None:
    assert check(cluster["node1"].parts) > 50


def test_no_part_of_a_node_holds_one_of_a_room_above(cluster: MemoryCluster) -> None:
    assert upward(cluster["node1"].parts) == set()


def test_a_part_of_a_room_above_is_found_behind_a_callback(cluster: MemoryCluster) -> None:
    parts = cluster["node1"].parts
    vars(parts.context.troubles)["_callback"] = parts.copies.publisher.problems
    assert "Troubles holds Publisher" in upward(parts)


def test_a_circle_through_a_callback_is_found() -> None:
    one, other = Troubles(), Troubles()
    vars(one)["_callback"] = functools.partial(lambda: other.all())
    vars(other)["_callback"] = [one.all]
    with pytest.raises(CycleError):
        check(one)
