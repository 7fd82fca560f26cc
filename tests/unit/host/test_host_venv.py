"""The suite's packages are this checkout's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from host import venv


def test_another_checkouts_packages_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others, own = tmp_path / "others", tmp_path / "own"
    others.mkdir()
    (others / "pyvenv.cfg").write_text("theirs")
    own.symlink_to(others)

    def make_and_nothing_else(title: str, command: list[str], _: Path) -> None:
        if title != "Making .venv":
            raise InterruptedError
        subprocess.run(command, check=True)

    monkeypatch.setattr(venv, "VENV", own)
    monkeypatch.setattr(venv.progress, "run", make_and_nothing_else)
    with pytest.raises(InterruptedError):
        venv.make()
    assert (others / "pyvenv.cfg").read_text() == "theirs"
    assert (own / "pyvenv.cfg").exists() and not own.is_symlink()
