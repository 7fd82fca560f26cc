"""What runs on a node, here on a folder of this machine."""

import gzip
from pathlib import Path

import pytest

from bench import on_node


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    on_node.fill(tmp_path, "random", 2 * on_node.FILE_BYTES, "seed")
    return tmp_path


def test_same_seed_makes_the_same_data(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    on_node.fill(other, "random", 2 * on_node.FILE_BYTES, "seed")
    assert on_node.digest(folder) == on_node.digest(other)
    assert (folder / "000000").read_bytes() == (other / "000000").read_bytes()


def test_change_rewrites_one_percent_in_place(folder: Path) -> None:
    before = (folder / "000001").read_bytes()
    written = on_node.change(folder, "token")
    after = (folder / "000001").read_bytes()
    assert written == 2 * on_node.CHANGED_BYTES + len("token")
    assert len(after) == len(before) == on_node.FILE_BYTES
    assert sum(map(bytes.__ne__, _pages(before), _pages(after))) == 25
    assert (folder / on_node.PROOF).read_text() == "token"


def test_digest_depends_on_the_last_change_alone(folder: Path) -> None:
    on_node.change(folder, "one")
    first = on_node.digest(folder)
    on_node.change(folder, "two")
    assert on_node.digest(folder) != first
    on_node.change(folder, "one")
    assert on_node.digest(folder) == first


def test_digest_sees_a_file_that_is_missing_or_not_readable_any_more(folder: Path) -> None:
    whole = on_node.digest(folder)
    (folder / "000000").chmod(0o600)
    assert on_node.digest(folder) != whole
    (folder / "000000").chmod(0o644)
    assert on_node.digest(folder) == whole
    (folder / "000001").unlink()
    assert on_node.digest(folder) != whole


def test_text_can_be_compressed_and_the_rest_cannot(tmp_path: Path, folder: Path) -> None:
    text = tmp_path / "text"
    text.mkdir()
    on_node.fill(text, "text", on_node.FILE_BYTES, "seed")
    assert _compressed(text / "000000") == pytest.approx(0.29, abs=0.05)
    assert _compressed(folder / "000000") > 0.99


def test_small_files_are_many_and_one_in_a_hundred_changes(tmp_path: Path) -> None:
    assert on_node.fill(tmp_path, "small", 2500 * on_node.SMALL_FILE_BYTES, "seed") == 2500
    assert len(list((tmp_path / "001").iterdir())) == 1000
    assert on_node.change(tmp_path, "token") == 25 * on_node.SMALL_FILE_BYTES + len("token")


def _pages(content: bytes) -> list[bytes]:
    return [content[start : start + 4096] for start in range(0, len(content), 4096)]


def _compressed(path: Path) -> float:
    content = path.read_bytes()
    return len(gzip.compress(content)) / len(content)
