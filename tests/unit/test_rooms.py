"""Imports point down: packages, and the folders of driver and suite, are layers."""

from __future__ import annotations

import pytest

from tests.rooms import DRIVER, REPOSITORY, SUITE, Rooms, circles

LAYERED = [
    pytest.param(rooms, id=rooms.package or "repository") for rooms in (REPOSITORY, DRIVER, SUITE)
]
PICTURED = LAYERED[1:]


@pytest.mark.parametrize("rooms", PICTURED)
def test_every_folder_is_a_room_with_a_place(rooms: Rooms) -> None:
    assert rooms.folders() == set(rooms.order)


@pytest.mark.parametrize("rooms", LAYERED)
def test_a_room_imports_only_from_those_below_it(rooms: Rooms) -> None:
    assert rooms.upward() == set()


@pytest.mark.parametrize("rooms", LAYERED)
def test_neither_rooms_nor_modules_import_in_a_circle(rooms: Rooms) -> None:
    assert circles(rooms.room_imports()) == set()
    assert circles(rooms.imports()) == set()


@pytest.mark.parametrize("rooms", PICTURED)
def test_the_picture_of_the_rooms_is_current(rooms: Rooms) -> None:
    assert rooms.written() == rooms.picture(), "type: .venv/bin/python -m tests.rooms"


def test_an_import_that_points_up_is_named() -> None:
    upside_down = Rooms(SUITE.package, SUITE.order[::-1], SUITE.top)
    assert "acceptance.nodes.node imports acceptance.base.command" in upside_down.upward()


@pytest.mark.parametrize("package", ["acceptance", "bench", "judge", "features", "environment"])
def test_the_suite_and_the_driver_know_nothing_of_each_other(package: str) -> None:
    imports = REPOSITORY.room_imports()
    assert "flocker" not in imports[package]
    assert package not in imports["flocker"]


RUNS_SOMETHING = ("judge.nodes", "judge.drivers", "judge.machine")


def test_the_judge_knows_nothing_of_nodes_but_where_it_runs_on_them() -> None:
    strangers = {
        f"{module} imports {each}"
        for module, imported in REPOSITORY.imports().items()
        if REPOSITORY.room_of(module) == "judge" and not module.startswith(RUNS_SOMETHING)
        for each in imported
        if REPOSITORY.room_of(each) not in ("judge", "report")
    }
    assert strangers == set()
