"""A program that hangs in the kernel is given up; one that works in silence is waited for.

In the place of btrfs is a program that does one or the other.
"""

from __future__ import annotations

import threading
import uuid
from pathlib import Path
from typing import Protocol

import pytest

from flocker.base.errors import PoolError, PoolHangs, TransferFailed
from flocker.streams import btrfs_stream, liveness
from flocker.streams.expected import Expected

HANGS = "exec sleep 60"
WORKS = "until [ -e {folder}/done ]; do :; done"
WORKS_FOR_LONG = "end=$(($(date +%s) + 3)); while [ $(date +%s) -lt $end ]; do :; done"
MORE_THAN_A_PIPE_HOLDS = bytes(1 << 20)
EXPECTED = Expected("1", str(uuid.UUID(int=1)), None)


class Program(Protocol):
    """Puts a shell script in the place of a program."""

    def __call__(self, script: str) -> None: ...


@pytest.fixture
def btrfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.setattr(liveness, "SIGN_SECONDS", 0.05)
    monkeypatch.setattr(liveness, "STALL_SECONDS", 1.0)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def put(script: str) -> None:
        program = tmp_path / "btrfs"
        program.write_text(f"#!/bin/sh\n{script.format(folder=tmp_path)}\n")
        program.chmod(0o755)

    return put


@pytest.fixture
def receiver(btrfs: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """In the place of the driver's own process."""
    monkeypatch.setattr(btrfs_stream, "RECEIVER", (str(tmp_path / "btrfs"),))
    return btrfs


def test_a_send_that_hangs_is_given_up(btrfs: Program, tmp_path: Path) -> None:
    btrfs(f"printf some; {HANGS}")
    stream = iter(btrfs_stream.Sending(tmp_path, None))
    assert next(stream) == b"some"
    with pytest.raises(PoolHangs, match="btrfs send has made no progress for 1 s; `dmesg`"):
        list(stream)


def test_a_send_that_works_in_silence_gives_signs_of_life(btrfs: Program, tmp_path: Path) -> None:
    btrfs(f"printf some; {WORKS}; printf more")
    arrived = [b""]
    for chunk in btrfs_stream.Sending(tmp_path, None):
        arrived.append(chunk)
        if arrived.count(b"") * liveness.SIGN_SECONDS > 2 * liveness.STALL_SECONDS:
            (tmp_path / "done").touch()
    assert b"".join(arrived) == b"somemore"
    assert (tmp_path / "done").exists()


def test_a_send_ends_though_nobody_reads_it(btrfs: Program, tmp_path: Path) -> None:
    btrfs("printf some; exec sleep 3600")
    sending = btrfs_stream.Sending(tmp_path, None)
    stream = iter(sending)
    assert next(stream) == b"some"
    sending.end()
    with pytest.raises(PoolError, match="btrfs send failed"):
        list(stream)


def test_a_send_that_was_ended_before_does_not_begin(btrfs: Program, tmp_path: Path) -> None:
    btrfs("exec sleep 3600")
    sending = btrfs_stream.Sending(tmp_path, None)
    sending.end()
    with pytest.raises(PoolError, match="btrfs send failed"):
        list(sending)


def test_a_size_that_does_not_come_is_given_up(btrfs: Program, tmp_path: Path) -> None:
    btrfs(HANGS)
    with pytest.raises(PoolHangs, match="btrfs send has made no progress for 1 s"):
        btrfs_stream.data_bytes(btrfs_stream.Sending(tmp_path, None, has_data=False))


def test_a_small_one_that_hangs_is_given_up(
    btrfs: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the thread that waits for the kernel wakes up now and then."""
    btrfs("exit 1")
    over = threading.Event()
    monkeypatch.setattr(btrfs_stream, "_send", lambda *_: over.wait())
    monkeypatch.setattr(btrfs_stream, "END_SECONDS", 0.1)
    try:
        with pytest.raises(PoolHangs, match="btrfs send has made no progress for 1 s"):
            btrfs_stream.small(tmp_path, tmp_path, 1)
    finally:
        over.set()


def test_a_receive_that_hangs_is_given_up(receiver: Program, tmp_path: Path) -> None:
    receiver(HANGS)
    with pytest.raises(TransferFailed, match="receiving a snapshot has made no progress for 1 s"):
        btrfs_stream.receive([MORE_THAN_A_PIPE_HOLDS], EXPECTED, tmp_path, None)


def test_a_receive_that_hangs_at_its_end_is_given_up(receiver: Program, tmp_path: Path) -> None:
    receiver(f"cat > /dev/null; {HANGS}")
    with pytest.raises(TransferFailed, match="receiving a snapshot has made no progress for 1 s"):
        btrfs_stream.receive([MORE_THAN_A_PIPE_HOLDS], EXPECTED, tmp_path, None)


@pytest.mark.parametrize(
    "script", [f"{WORKS_FOR_LONG}; cat > /dev/null", f"cat > /dev/null; {WORKS_FOR_LONG}"]
)
def test_a_receive_that_works_for_long_is_waited_for(
    receiver: Program, tmp_path: Path, script: str
) -> None:
    receiver(script)
    btrfs_stream.receive([MORE_THAN_A_PIPE_HOLDS], EXPECTED, tmp_path, None)


def test_signs_of_life_are_no_part_of_a_stream(receiver: Program, tmp_path: Path) -> None:
    receiver("cat > {folder}/arrived")
    btrfs_stream.receive([b"some", b"", b"more"], EXPECTED, tmp_path, None)
    assert (tmp_path / "arrived").read_bytes() == b"somemore"
