"""The folders of the driver are the layers that it is built of."""

from __future__ import annotations

import pytest

from tests.rooms import PACKAGE, ROOMS, circles, imports, picture, room_imports, room_of, written


def test_every_folder_is_a_room_with_a_place() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_those_below_it(room: str) -> None:
    below = ROOMS[: ROOMS.index(room)]
    upwards = {
        f"{module} imports {each}"
        for module, imported in imports().items()
        for each in imported
        if room_of(module) == room and room_of(each) not in (room, *below) and each != "flocker"
    }
    assert upwards == set()


def test_neither_rooms_nor_modules_import_in_a_circle() -> None:
    assert circles(room_imports()) == set()
    assert circles(imports()) == set()


def test_the_picture_of_the_rooms_is_current() -> None:
    assert written() == picture(), "type: .venv/bin/python -m tests.rooms"
