"""Imports point down: the folders of the suite and the packages of the repository are layers."""

from __future__ import annotations

import re

import pytest

from host import ROOT
from tests.imports import circle, edges, upward

PACKAGES = ("flocker", "host", "box", "report", "acceptance", "bench", "features", "environment")
SUITE = tuple(f"acceptance.{room}" for room in ("base", "nodes", "machines", "app", "cluster"))
ROW = re.compile(r"^\| `(\w+)/` \|[^|]*\|([^|]*)\|$", re.MULTILINE)
APART = (("flocker", "acceptance"), ("flocker", "bench"), ("flocker", "features"))
"""Pairs that know nothing of each other: the suite sees the driver only as a user does."""


def test_no_package_imports_one_above_it() -> None:
    assert upward(edges(*PACKAGES), PACKAGES) == []


def test_no_room_of_the_suite_imports_one_above_it() -> None:
    found = edges("acceptance")
    assert found, "nothing was read"
    assert upward(found, (*SUITE, "acceptance")) == []


def test_the_documented_table_of_rooms_is_what_the_imports_say() -> None:
    imported: dict[str, set[str]] = {room: set() for room in SUITE}
    for module, other in edges("acceptance"):
        room, below = (".".join(name.split(".")[:2]) for name in (module, other))
        if room in SUITE and below in SUITE and room != below:
            imported[room].add(below.removeprefix("acceptance."))
    documented = {
        f"acceptance.{room}": set(filter(None, listed.strip().split(", ")))
        for room, listed in ROW.findall((ROOT / "docs" / "architecture.md").read_text())
        if f"acceptance.{room}" in SUITE
    }
    assert documented == imported


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_imports_itself_by_way_of_others(package: str) -> None:
    assert circle(edges(package)) == []


@pytest.mark.parametrize(("one", "other"), APART)
def test_the_suite_and_the_driver_know_nothing_of_each_other(one: str, other: str) -> None:
    packages = {name.partition(".")[0] for _, name in edges(one)}
    assert other not in packages
    packages = {name.partition(".")[0] for _, name in edges(other)}
    assert one not in packages


def test_an_import_that_points_up_is_named() -> None:
    found = [("a.low.x", "a.high.y"), ("a.high.y", "a.low.x"), ("a.low.x", "b")]
    assert upward(found, ("a.low", "a.high")) == ["a.low.x imports a.high.y"]
    assert set(circle(found)) == {"a.low.x", "a.high.y"}
