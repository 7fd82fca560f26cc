"""A run on real nodes leaves alone what is a person's, and waits for no other run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MINE = "docker run --detach --name mine --volume my-data:/data busybox sleep 1000"

pytestmark = pytest.mark.nodes


def output(*command: str) -> str:
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
        timeout=120,
    )  # fmt: skip
    return done.stdout


OnNode1 = Callable[[str], str]


@pytest.fixture(scope="module")
def on_node1(tmp_path_factory: pytest.TempPathFactory) -> OnNode1:
    """Types a command on node1; `vagrant ssh` would take seconds to find the way each time."""
    way = tmp_path_factory.mktemp("ssh") / "config"
    way.write_text(output("vagrant", "ssh-config", "node1"))
    return lambda command: output("ssh", "-F", str(way), "node1", command)


def behave(folder: Path, scenario: str) -> subprocess.CompletedProcess[str]:
    """Run a scenario of cli.feature; not in the repository's folder, whose results are kept."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "behave", "--no-color", "--format", "plain"),
            *("-D", "keep_nodes=yes", "--name", scenario),
            str(ROOT / "features" / "cli.feature"),
        ],
        cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        timeout=300,
    )  # fmt: skip


@pytest.fixture
def mine(on_node1: OnNode1) -> Iterator[None]:
    """A container and a volume that a person made on node1."""
    on_node1(MINE)
    yield
    on_node1("docker rm --force mine; docker volume rm my-data")


def test_what_a_run_left_is_the_next_ones_to_remove(tmp_path: Path, on_node1: OnNode1) -> None:
    for _ in range(2):
        ran = behave(tmp_path, "A volume in use is not moved")
        assert ran.returncode == 0, ran.stdout + ran.stderr
    assert on_node1("docker ps --all --format '{{.Names}}'").split() == ["writer"]


@pytest.mark.usefixtures("mine")
def test_a_persons_container_and_volume_end_a_run_and_stay(
    tmp_path: Path, on_node1: OnNode1
) -> None:
    ran = behave(tmp_path, "A volume in use is not moved")
    assert ran.returncode != 0, ran.stdout
    assert "did not make container 'mine' on node1; volume 'my-data' on node1;" in ran.stdout
    assert "mine" in on_node1("docker ps --format '{{.Names}}'").split()
    assert "my-data" in on_node1("docker volume ls --quiet").split()
