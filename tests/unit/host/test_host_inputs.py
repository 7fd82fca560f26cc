"""When an image has to be built again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from host import inputs


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "box" / "customise").mkdir(parents=True)
    (tmp_path / "box" / "recipe.py").write_text("PACKAGES = ['redis']")
    (tmp_path / "box" / "customise" / "redis").write_text("#!/bin/sh")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "page.html").write_text("<p>")
    return tmp_path


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "box" / "recipe.py").write_text("PACKAGES = ['redis-server']"),
        lambda root: (root / "box" / "customise" / "redis").chmod(0o755),
        lambda root: (root / "box" / "recipe.py").rename(root / "box" / "list.py"),
        lambda root: (root / "box" / "customise" / "new").write_text(""),
        lambda root: (root / "app" / "page.html").unlink(),
    ],
    ids=["content", "mode", "name", "new file", "removed file"],
)
def test_any_changed_input_changes_the_hash(root: Path, change: Callable[[Path], None]) -> None:
    before = inputs.hash_of(root, "box", "app")
    change(root)
    assert inputs.hash_of(root, "box", "app") != before


def test_content_moving_between_files_changes_the_hash(root: Path) -> None:
    (root / "app" / "a").write_text("xy")
    (root / "app" / "b").write_text("z")
    before = inputs.hash_of(root, "app")
    (root / "app" / "a").write_text("x")
    (root / "app" / "b").write_text("yz")
    assert inputs.hash_of(root, "app") != before


def test_what_is_no_input_does_not_change_the_hash(root: Path) -> None:
    before = inputs.hash_of(root, "box")
    (root / "box" / "README.md").write_text("how it is built")
    (root / "box" / "__pycache__").mkdir()
    (root / "box" / "__pycache__" / "recipe.pyc").write_bytes(b"\0")
    (root / "app" / "page.html").write_text("<p>whales</p>")  # not asked about
    assert inputs.hash_of(root, "box") == before
