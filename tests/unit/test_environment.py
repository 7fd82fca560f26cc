"""The suite's hooks, run by behave's own command in folders where people and editors start it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BEHAVE = Path(sys.executable).parent / "behave"
FEATURE = ROOT / "features" / "walkthrough.feature"


def behave(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Start behave in a folder; the suite is to be found without PYTHONPATH."""
    return subprocess.run(
        [str(BEHAVE), *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def no_inventory(tmp_path: Path) -> str:
    """An option that has the very first hook fail, before it looks for a node."""
    return f"inventory={tmp_path / 'none.yml'}"


def test_hooks_run_wherever_behave_is_started(tmp_path: Path, no_inventory: str) -> None:
    for folder in (ROOT / "features", ROOT / "features" / "steps", tmp_path):
        ran = behave(folder, "-D", no_inventory, str(FEATURE))
        assert ran.returncode == 1
        assert "HOOK-ERROR in before_all: BadInventory" in ran.stdout, ran.stdout + ran.stderr
        assert f"No report of this run: for one, start behave in {ROOT}." in ran.stderr
        assert "AttributeError" not in ran.stdout
        assert not (folder / "build").exists()


def test_the_report_is_not_missed_where_it_is_written(tmp_path: Path, no_inventory: str) -> None:
    checkout = tmp_path / "checkout"  # whose results, unlike those of this one, nobody needs
    shutil.copytree(ROOT / "features", checkout / "features")
    for name in ("environment.py", "pyproject.toml"):
        shutil.copy(ROOT / name, checkout)
    ran = behave(checkout, "-D", no_inventory, "features/walkthrough.feature")
    assert "HOOK-ERROR in before_all: BadInventory" in ran.stdout, ran.stdout + ran.stderr
    assert "No report" not in ran.stderr
