"""Nodes are known by the keys they really have, and nobody else is taken for one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nodes.conftest import need_container

ROOT = Path(__file__).parents[2]
NODE = "node2"
CONTAINER = f"volume-plugins-demo-{NODE}"
NOTED = ROOT / ".vagrant" / "machines" / NODE / "docker" / "known_hosts"
SECONDS = 120

pytestmark = pytest.mark.nodes


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=SECONDS
    )


@pytest.fixture(autouse=True)
def noted() -> Iterator[str]:
    """The keys noted of a node, which are noted again after the test."""
    need_container(NODE)
    before = NOTED.read_text()
    yield before
    NOTED.write_text(before)


def log_in() -> subprocess.CompletedProcess[str]:
    return run("vagrant", "ssh", NODE, "-c", "cat /etc/hostname")


def test_what_is_noted_is_what_the_node_has(noted: str) -> None:
    shown = run("docker", "exec", CONTAINER, "sh", "-c", "cat /etc/ssh/ssh_host_*_key.pub").stdout
    keys = [" ".join(line.split()[:2]) for line in shown.splitlines()]
    assert keys
    assert noted.splitlines() == [f"{NODE} {key}" for key in keys]


def test_vagrant_ssh_gets_to_the_node_and_to_nobody_else(tmp_path: Path) -> None:
    assert log_in().stdout.split() == [NODE]
    run("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(tmp_path / "key"))
    other = (tmp_path / "key.pub").read_text().split()[:2]
    NOTED.write_text(f"{NODE} {' '.join(other)}\n")
    done = log_in()
    assert done.returncode != 0
    assert done.stdout == ""


def test_a_key_that_is_not_noted_is_noted_by_vagrant_up(noted: str) -> None:
    NOTED.unlink()
    assert run("vagrant", "up", NODE).returncode == 0
    assert NOTED.read_text() == noted
