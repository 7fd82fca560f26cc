"""The trash of a shared pool: nothing is left of a failure, and each copy has its own name."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from datetime import datetime, tzinfo
from pathlib import Path

import pytest

from flocker.base.errors import PoolError
from flocker.pool import shared_trash
from flocker.pool.shared_trash import SharedTrash


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "trash"


@pytest.fixture
def trash(root: Path) -> SharedTrash:
    return SharedTrash(lambda: root)


@pytest.fixture
def in_one_second(monkeypatch: pytest.MonkeyPatch) -> None:
    class Still(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Still:
            return cls(2026, 11, 22, 19, tzinfo=tz)

    monkeypatch.setattr(shared_trash, "datetime", Still)


def put(trash: SharedTrash, number: int) -> str:
    with trash.place("id", "demo", "node1", "restored") as entry:
        entry.content.mkdir()
        (entry.content / "number").write_text(str(number))
    return entry.aside.reference


@pytest.mark.usefixtures("in_one_second")
def test_what_is_put_aside_in_one_second_keeps_its_own_name(trash: SharedTrash) -> None:
    first, second = put(trash, 1), put(trash, 2)
    shutil.rmtree(trash.find(first).folder)
    third = put(trash, 3)
    found = {each: (trash.find(each).content / "number").read_text() for each in (second, third)}
    assert found == {second: "2", third: "3"}


def test_nothing_is_left_of_what_could_not_be_put_aside(trash: SharedTrash, root: Path) -> None:
    with (
        pytest.raises(PoolError, match="Ceph is in the way"),
        trash.place("id", "demo", "node1", "removed"),
    ):
        raise PoolError("Ceph is in the way")
    assert list(root.iterdir()) == []


def test_a_storage_that_answers_nothing_more_does_not_hide_the_first_failure(
    trash: SharedTrash, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a node that Ceph has just stopped: every call fails, also one that only looks."""

    def refused(_: Path) -> bool:
        raise OSError(errno.ESHUTDOWN, os.strerror(errno.ESHUTDOWN))

    with (
        pytest.raises(PoolError, match="was not removed"),
        trash.place("id", "demo", "node1", "removed"),
    ):
        monkeypatch.setattr(Path, "is_dir", refused)
        raise PoolError("volume id was not removed")


def test_two_nodes_may_delete_the_same_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A week after it was put aside all of them do so, and a large one takes minutes."""
    folder = tmp_path / "volume"
    for name in ("one", "two"):
        (folder / ".snap" / name).mkdir(parents=True)
        (folder / name).mkdir()
        (folder / name / "file").touch()
    monkeypatch.setattr(os, "unlink", after_another_node(os.unlink))
    monkeypatch.setattr(os, "rmdir", after_another_node(os.rmdir))
    shared_trash.delete(folder)
    assert not folder.exists()


def after_another_node(delete: Callable[..., None]) -> Callable[..., None]:
    def late(*what: object, **where: object) -> None:
        delete(*what, **where)
        delete(*what, **where)

    return late
