"""Prerequisites of the Makefile's targets. Make prints its rules and runs nothing.

A dry run would not do: make runs recipes that call make, also then.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OUTER = ("MAKEFLAGS", "INVENTORY")  # of the make that runs the tests


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The output of make for root."""
    root = folder / "id"
    root.write_text("#!/bin/sh\necho 0\n")
    root.chmod(0o755)
    others = {name: value for name, value in os.environ.items() if name not in OUTER}
    return subprocess.run(
        ["make", *arguments],
        cwd=ROOT, env={**others, "PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def prerequisites(folder: Path, target: str, *arguments: str) -> list[str]:
    rules = make(folder, "--print-data-base", "help", *arguments).stdout
    [found] = re.findall(rf"^{target}: (.*)$", rules, re.MULTILINE)
    return str(found).split()


@pytest.mark.parametrize("target", ["alarms", "bench", "soak"])
def test_targets_for_our_own_nodes_change_no_servers(target: str, tmp_path: Path) -> None:
    assert prerequisites(tmp_path, target) == ["up"]
    assert prerequisites(tmp_path, target, "INVENTORY=servers.yml") == ["no-servers"]


def test_the_refusal_names_the_way_on(tmp_path: Path) -> None:
    refused = make(tmp_path, "no-servers")
    assert refused.returncode == 2
    assert "type it without INVENTORY" in refused.stderr
