"""One run at a time; the one that is refused is told who has the nodes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import host.nodes
from host import cleanup, daemons, turn
from host.__main__ import forget, up
from host.problem import Problem

HOLD = "import sys; from pathlib import Path; from host import turn\n"
HOLD += "with turn.taken(Path(sys.argv[1])): print('taken', flush=True); sys.stdin.read()"


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / ".vagrant" / "scenarios.lock"
    monkeypatch.setattr(turn, "LOCK", path)
    monkeypatch.setattr(turn, "RUN", path.with_name("run"))
    return path


@pytest.fixture
def other_run(lock: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the nodes."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "taken\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_run_is_refused_and_told_which_process_has_the_nodes(
    lock: Path, other_run: subprocess.Popen[str]
) -> None:
    with (
        pytest.raises(Problem, match=f"process {other_run.pid} "),
        turn.taken(lock),
    ):
        raise AssertionError("taken twice")


def test_a_killed_run_lets_go(lock: Path, other_run: subprocess.Popen[str]) -> None:
    os.kill(other_run.pid, signal.SIGKILL)
    other_run.wait()
    with turn.taken(lock):
        assert lock.read_text().startswith(f"process {os.getpid()} ")
    with turn.taken(lock):  # and so does one that ends
        pass


@pytest.mark.parametrize("command", [forget, up, cleanup.down, cleanup.clean])
def test_nothing_is_taken_from_under_a_run(
    command: Callable[[], None],
    other_run: subprocess.Popen[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def reached(*_: object) -> None:
        raise AssertionError("it would have begun")

    for module, name in (
        *((cleanup, name) for name in ("attempt", "_remove_machines")),
        *((host.nodes, "machine_files"), (shutil, "rmtree"), (subprocess, "run")),
    ):
        monkeypatch.setattr(module, name, reached)
    with pytest.raises(Problem, match=f"process {other_run.pid} "):
        command()


def test_a_run_of_make_lasts_as_long_as_its_process(lock: Path) -> None:
    """Also before scenarios begin, and what it starts itself is not refused."""
    turn.begin()
    assert turn.RUN.read_text().startswith(f"{os.getppid()} ")
    turn.refuse_if_taken()
    with subprocess.Popen(["sleep", "60"]) as make:
        turn.RUN.write_text(f"{make.pid} {daemons.start_ticks(make.pid)}")
        for refused in (turn.begin, turn.refuse_if_taken):
            with pytest.raises(Problem, match=f"under way here already: process {make.pid} "):
                refused()
        make.kill()
    turn.begin()
    assert not lock.exists()


def test_a_process_that_came_later_by_that_number_is_no_run(lock: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        lock.parent.mkdir()
        turn.RUN.write_text(f"{other.pid} 1")
        turn.refuse_if_taken()
        other.kill()


def test_where_nobody_ever_ran_nothing_is_refused(lock: Path) -> None:
    turn.refuse_if_taken()
    assert not lock.exists()


def test_what_a_run_starts_does_not_keep_the_nodes(lock: Path) -> None:
    with turn.taken(lock):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        turn.refuse_if_taken()
    finally:
        child.kill()
        child.wait()
