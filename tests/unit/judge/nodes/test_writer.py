"""The writer's script, as a real shell runs it, and everything that is read from it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from judge.history import AnyEvent, Read, Segment, WriterStarted, Wrote
from judge.nodes import writer
from judge.nodes.clock import Clock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the log, and a `usleep` that ends the script after three lines."""
    usleep = tmp_path / "usleep"
    usleep.write_text('#!/bin/sh\n[ "$(grep -c "^$RUN " "$LOG")" -lt 3 ]\n')
    usleep.chmod(0o755)
    return tmp_path


def write(folder: Path, run: str, clock: Clock, *, fsync: bool = True) -> list[AnyEvent]:
    log = str(folder / "log")
    script = (
        writer.script(fsync=fsync).replace("/data/log", log).replace("usleep", "usleep || exit;:")
    )
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "RUN": run, "LOG": log}
    done = subprocess.run(
        ["sh", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stderr == ""
    return list(
        writer.events(done.stdout, run=run, node="node1", volume="a", fsync=fsync, clock=clock)
    )


def test_what_a_container_tells_becomes_events(folder: Path) -> None:
    clock = Clock()
    started, read, *wrote = write(folder, "r1", clock)
    assert isinstance(started, WriterStarted)
    assert isinstance(read, Read)
    assert read.seen == ()
    assert all(isinstance(each, Wrote) and each.fsynced for each in wrote)
    assert [each.sequence for each in wrote if isinstance(each, Wrote)] == [1, 2, 3]
    times = [started.at, read.at, *(each.at for each in wrote), clock.now()]
    assert times == sorted(times)


def test_the_next_container_sees_what_is_there(folder: Path) -> None:
    clock = Clock()
    write(folder, "r1", clock)
    _, read, *_ = write(folder, "r2", clock, fsync=False)
    assert isinstance(read, Read)
    assert read.seen == (Segment(run="r1", first=1, last=3),)


def test_the_file_holds_whole_lines(folder: Path) -> None:
    clock = Clock()
    write(folder, "r1", clock)
    write(folder, "r2", clock)
    lines = (folder / "log").read_text().splitlines()
    found = writer.content(lines)
    assert found.damaged == ()
    assert found.seen == (
        Segment(run="r1", first=1, last=3), Segment(run="r2", first=1, last=3)
    )  # fmt: skip


@pytest.mark.parametrize(
    "line", ["", "r1 1", "\0\0\0", "r1 2 10.00 00000000", "r1 2 10.00", "r1 one 10.00 2c1743a3"]
)
def test_a_line_that_is_not_whole_is_told(line: str, folder: Path) -> None:
    write(folder, "r1", Clock())
    lines = (folder / "log").read_text().splitlines()
    assert writer.content([*lines[:2], line, lines[2]]).damaged == (line,)


def test_a_gap_begins_another_segment(folder: Path) -> None:
    write(folder, "r1", Clock())
    first, _, third = (folder / "log").read_text().splitlines()
    assert writer.content([first, third]).seen == (
        Segment(run="r1", first=1, last=1), Segment(run="r1", first=3, last=3)
    )  # fmt: skip


def test_a_line_that_was_cut_off_was_not_acknowledged() -> None:
    printed = "B 10.00\nE 10.01\nW 1 10.02 10.03\nW 2 10"
    events = writer.events(printed, run="r", node="n", volume="a", fsync=True, clock=Clock())
    assert [type(each) for each in events] == [WriterStarted, Read, Wrote]
