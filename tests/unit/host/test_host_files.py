"""`make clean` leaves a fresh clone, and says so when it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from host import files


def test_everything_that_was_made_is_removed_but_what_links_lead_to(tmp_path: Path) -> None:
    checkout, others = tmp_path / "my checkout", tmp_path / "others"
    for folder in ("build/log", "host/__pycache__", "demo.egg-info", "box"):
        (checkout / folder).mkdir(parents=True)
    (checkout / "box/vagrant1.box").touch()
    (checkout / "box/README.md").touch()
    others.mkdir()
    (others / "pyvenv.cfg").touch()
    (checkout / ".venv").symlink_to(others)
    (checkout / ".vagrant").symlink_to(tmp_path / "nowhere")
    for _ in range(2):
        files.remove_made(checkout, keep=())
        left = sorted(str(path.relative_to(checkout)) for path in checkout.rglob("*"))
        assert left == ["box", "box/README.md", "host"]
    assert (others / "pyvenv.cfg").exists()


def test_the_note_of_an_engine_that_stays_up_stays(tmp_path: Path) -> None:
    note = tmp_path / "build/engine/started.json"
    note.parent.mkdir(parents=True)
    for made in (note, note.with_name("dockerd.log"), tmp_path / "build/runs.jsonl"):
        made.touch()
    (tmp_path / "build/log").mkdir()
    files.remove_made(tmp_path, keep=[note])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [note]
    assert not (tmp_path / "build/log").exists()


def test_what_cannot_be_removed_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("in use")

    (tmp_path / "build").mkdir()
    (tmp_path / "build/kept").touch()
    monkeypatch.setattr("os.unlink", refuse)
    with pytest.raises(PermissionError, match="in use"):
        files.remove_made(tmp_path, keep=())


def test_a_file_is_written_whole_or_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = tmp_path / "note.json"
    files.write_whole(note, "one")
    real = Path.write_text

    def fill_the_disk(path: Path, text: str, **options: str) -> int:
        real(path, text[:1], **options)
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_text", fill_the_disk)
    with pytest.raises(OSError, match="no space"):
        files.write_whole(note, "other")
    assert note.read_text() == "one"
