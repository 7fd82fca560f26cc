"""A node that does not answer is named within seconds, and ends a run in one sentence."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.nodes.conftest import need_container

ROOT = Path(__file__).parents[2]
CONTAINER = "volume-plugins-demo-node2"
ADDRESS = "172.16.78.251"
THIS_MACHINE = "172.16.0.0/12"  # its addresses on the bridges of the nodes
SOON_SECONDS = 60  # ten for a connection, twenty for a silence, and what starts takes its time

pytestmark = pytest.mark.nodes


def filter_on_node2(*change: str) -> None:
    """On the node and not on this machine: the rule goes with the node if nobody takes it back."""
    subprocess.run(
        ["docker", "exec", CONTAINER, "iptables", "--wait", *change],
        check=True,
        capture_output=True,
    )


@contextmanager
def node2_gone() -> Iterator[None]:
    """Have node2 drop what this machine sends; it and the others go on."""
    rule = ("INPUT", "--source", THIS_MACHINE, "--jump", "DROP")
    filter_on_node2("--insert", *rule)
    try:
        yield
    finally:
        filter_on_node2("--delete", *rule)


@pytest.fixture(autouse=True, scope="module")
def node2() -> None:
    need_container("node2")


# Its first scenario begins on node1, and goes on at once on node2.
FEATURE = ROOT / "features" / "single_writer.feature"
BEHAVE = (
    *(sys.executable, "-m", "behave", "--no-color", "--format", "plain"),
    *("-D", "keep_nodes=yes", str(FEATURE)),
)


@dataclass(frozen=True)
class Ended:
    """A command that ended: after so many seconds, with this output."""

    seconds: float
    said: str


def ended(folder: Path, *command: str) -> Ended:
    """Run a command that has to fail."""
    started = time.monotonic()
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode != 0, done.stdout
    return Ended(time.monotonic() - started, done.stdout)


@pytest.fixture(scope="module")
def login_and_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ended, Ended]:
    """`vagrant ssh` and a run, which began side by side while node2 was gone: both mostly wait.

    The run is not in the repository's folder: the results that are there are kept.
    """
    folder = tmp_path_factory.mktemp("run")
    with node2_gone(), ThreadPoolExecutor() as threads:
        login = threads.submit(ended, ROOT, "vagrant", "ssh", "node2", "-c", "true")
        run = threads.submit(ended, folder, *BEHAVE)
    return login.result(), run.result()


def test_vagrant_ssh_says_soon_that_a_node_is_gone(login_and_run: tuple[Ended, Ended]) -> None:
    login, _ = login_and_run
    assert f"node2 does not answer at {ADDRESS}" in login.said
    assert "vagrant reload node2" in login.said
    assert login.seconds < SOON_SECONDS


def test_a_run_ends_soon_and_says_which_node_is_gone(login_and_run: tuple[Ended, Ended]) -> None:
    _, run = login_and_run
    assert f"NodeAway: node2 does not answer at {ADDRESS}" in run.said, run.said
    assert "vagrant reload node2" in run.said, run.said
    assert run.seconds < SOON_SECONDS


def test_a_run_ends_soon_when_a_node_goes_away_in_the_middle_of_it(tmp_path: Path) -> None:
    process = subprocess.Popen(
        BEHAVE, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    said = ""
    try:
        for line in process.stdout:
            said += line
            if "... passed" in line:
                break
        with node2_gone():
            gone = time.monotonic()
            said += process.stdout.read()
            process.wait()
            seconds = time.monotonic() - gone
    finally:
        process.kill()
        process.wait()
    assert process.returncode != 0, said
    assert f"NodeAway: node2 does not answer at {ADDRESS}" in said, said
    assert seconds < 3 * SOON_SECONDS, f"{seconds:.0f} s: {said}"
