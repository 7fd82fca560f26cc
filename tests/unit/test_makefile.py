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
OUTER = ("MAKEFLAGS", "INVENTORY", "PROVIDER", "TAGS")  # of the make that runs the tests


def make(folder: Path, *arguments: str, user: int = 0) -> subprocess.CompletedProcess[str]:
    """The output of make for a user; 0 for root. What sudo is asked for is printed."""
    for name, prints in (("id", f"echo {user}"), ("sudo", 'printf "%s\\n" "$@"')):
        program = folder / name
        program.write_text(f"#!/bin/sh\n{prints}\n")
        program.chmod(0o755)
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


def test_whatever_a_target_reads_reaches_it_through_sudo(tmp_path: Path) -> None:
    asked = ["PROVIDER=virtualbox", "TAGS=@readme and not @slow", "INVENTORY=my servers.yml"]
    passed = make(tmp_path, "box", *asked, user=1000).stdout.splitlines()
    assert set(asked) <= set(passed)
    [kept] = (each for each in passed if each.startswith("--preserve-env="))
    assert "PIP_AUDIT_OSV_URL" in kept
