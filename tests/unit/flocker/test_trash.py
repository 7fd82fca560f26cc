"""Deleting for good; the rest of the trash needs a btrfs (test_pool_asides.py)."""

from pathlib import Path

from flocker import note, trash


def test_a_folder_is_deleted_with_notes_that_are_longer_than_a_file_name(tmp_path: Path) -> None:
    folder = tmp_path / "volume"
    folder.mkdir()
    note.write(folder / "record", "x" * 300)
    trash._delete(folder)
    assert not folder.exists()
