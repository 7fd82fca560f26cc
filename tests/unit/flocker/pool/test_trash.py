"""The names of what is put aside, each given once, and its deletion."""

from __future__ import annotations

import errno
import json
import os
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import pytest

from flocker.base.errors import LostWrites
from flocker.pool import note, trash
from flocker.pool.trash import Entry, Trash

VOLUME_ID = "6f1c3d2e-0000-4000-8000-000000000001"


@pytest.fixture(autouse=True)
def always_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is put aside is put aside in one second."""

    class Noon(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Noon:
            return cls(2026, 1, 1, 12, tzinfo=tz or UTC)

    monkeypatch.setattr(trash, "datetime", Noon)


def put_aside(place: Trash) -> Entry:
    entry = place.prepare(VOLUME_ID, "demo", "node1", "removed")
    entry.content.mkdir()
    return entry


def test_a_reference_is_not_given_again_by_a_daemon_that_was_restarted(tmp_path: Path) -> None:
    first = put_aside(Trash(tmp_path))
    place = Trash(tmp_path)
    second = put_aside(place)
    assert first.aside.reference == "demo@node1-20260101T120000Z"
    assert second.aside.reference == "demo@node1-20260101T120000Z-2"
    assert {entry.folder for entry in place.entries()} == {first.folder, second.folder}


def test_a_reference_is_free_again_when_its_entry_is_gone(tmp_path: Path) -> None:
    place = Trash(tmp_path)
    first = put_aside(place)
    place.drop(first)
    assert put_aside(place).aside.reference == first.aside.reference


@pytest.mark.parametrize("at", ["yesterday", "2026-01-01T12:00:00", "", None, 7])
def test_a_damaged_time_in_a_note_hides_nothing(tmp_path: Path, at: object) -> None:
    damaged, whole = put_aside(Trash(tmp_path)), put_aside(Trash(tmp_path))
    (damaged.folder / "note").unlink()
    note.write(damaged.folder / "note", json.dumps({**damaged.aside.to_json(), "at": at}))
    entries = {entry.aside.reference: entry for entry in Trash(tmp_path).entries()}
    assert entries.keys() == {damaged.aside.reference, whole.aside.reference}
    read = datetime.fromisoformat(entries[damaged.aside.reference].aside.at)
    assert read.timestamp() == pytest.approx(damaged.folder.stat().st_mtime, abs=0.002)


def test_a_folder_is_deleted_with_notes_that_are_longer_than_a_file_name(tmp_path: Path) -> None:
    folder = tmp_path / "volume"
    folder.mkdir()
    note.write(folder / "record", "x" * 300)
    trash._delete(folder)
    assert not folder.exists()


def test_a_disk_that_reads_nothing_more_does_not_hide_the_first_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> bool:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with (
        pytest.raises(LostWrites),
        Trash(tmp_path).place(VOLUME_ID, "demo", "node1", "removed"),
    ):
        monkeypatch.setattr(Path, "is_dir", fail)
        raise LostWrites("/pool", "Input/output error")
