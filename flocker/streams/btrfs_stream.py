"""Snapshots as streams: how they are sent and received."""

from __future__ import annotations

import ctypes
import fcntl
import json
import logging
import os
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO

import flocker
from flocker.base.errors import PoolError, StreamRefused, TransferFailed
from flocker.btrfs import subvolume
from flocker.streams import liveness, receiver
from flocker.streams.expected import Expected
from flocker.streams.liveness import Watch, of_process, of_thread
from flocker.streams.send_stream import Splitter, attributes
from flocker.streams.stream_format import UPDATE_EXTENT, Attribute

log = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20
# struct btrfs_ioctl_send_args: where to, number of subvolumes to share data with and where their
# ids are, the parent's id, flags, reserved words.
_SEND_ARGUMENTS = struct.Struct("=qQQQQ32x")
_SEND = subvolume.request_code(1, 38, _SEND_ARGUMENTS.size)
END_SECONDS = 5.0  # what hangs in the kernel cannot be killed, and nobody waits for it
# S, s, P: nothing but the driver's own modules; it starts in half the time.
RECEIVER = (sys.executable, "-BPSs", "-m", "flocker.streams.receiver")


class Sending:
    """A snapshot on its way, whole or what differs from `parent`; to be iterated once.

    Args:
        has_data: False for a stream that only tells how much data there is in the files.
    """

    def __init__(self, snapshot: Path, parent: Path | None, *, has_data: bool = True) -> None:
        self._command = _command(snapshot, parent, *([] if has_data else ["--no-data"]))
        self._lock = threading.Lock()
        self._program: subprocess.Popen[bytes] | None = None
        self._is_ended = False

    def __iter__(self) -> Generator[bytes, None, None]:
        """Read the stream; an empty chunk says that the kernel is at work, and has nothing yet.

        Raises:
            PoolError: while iterating, when the stream cannot be completed, hangs, or was ended.
        """
        return _sent(self._command, self._note)

    def end(self) -> None:
        """End it from another thread, whether or not its reader still takes anything."""
        with self._lock:
            self._is_ended = True
            if self._program is not None:
                _end(self._program)

    def _note(self, program: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._program = program
            if self._is_ended:
                _end(program)


def _sent(
    command: list[str], note: Callable[[subprocess.Popen[bytes]], None]
) -> Generator[bytes, None, None]:
    with tempfile.TemporaryFile() as complaints:
        program = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=complaints, pipesize=CHUNK_BYTES
        )
        assert program.stdout is not None
        try:
            note(program)
            yield from _read(
                program.stdout.fileno(), Watch("btrfs send", [of_process(program.pid)])
            )
            if program.wait() != 0:
                raise PoolError(f"btrfs send failed: {_text_of(complaints)}")
        finally:  # also when the receiver went away in the middle
            program.stdout.close()
            _end(program)


def _read(pipe: int, watch: Watch) -> Generator[bytes, None, None]:
    """Read from a pipe; while nothing comes, an empty chunk is a sign of life."""
    while True:
        if liveness.can_read(pipe):
            # As much as there is, not a whole chunk: a long walk over unchanged files sends little.
            chunk = os.read(pipe, CHUNK_BYTES)
            if not chunk:
                return
            yield chunk
            watch.progressed()
        elif watch.is_alive():
            yield b""


def small(snapshot: Path, parent: Path, most_bytes: int) -> bytes | None:
    """The stream of `Sending` in one piece; None if it is longer than `most_bytes`.

    The kernel writes it without a process of ours: for the few changes of a second, that is
    most of what a stream costs.

    Raises:
        PoolError: the stream cannot be completed, or hangs.
    """
    reader, writer = os.pipe()
    failures: list[PoolError] = []

    def write() -> None:
        try:
            _send(snapshot, parent, writer)
        except PoolError as error:
            failures.append(error)
        finally:
            os.close(writer)

    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, CHUNK_BYTES)
    writing = threading.Thread(target=write, daemon=True)
    writing.start()
    stream = bytearray()
    try:
        for chunk in _read(reader, Watch("btrfs send", [of_thread(writing.native_id)])):
            stream += chunk
            if len(stream) > most_bytes:
                break
    finally:
        os.close(reader)  # then the kernel writes no more
        writing.join(END_SECONDS)
    if len(stream) > most_bytes:
        return None
    if failures:
        raise failures[0]
    return bytes(stream)


def _send(snapshot: Path, parent: Path, to: int) -> None:
    """Have the kernel write a stream; the interpreter's lock is let go meanwhile."""
    against = subvolume.look(parent).id
    shared = ctypes.c_uint64(against)
    arguments = _SEND_ARGUMENTS.pack(to, 1, ctypes.addressof(shared), against, 0)
    subvolume.call(snapshot, _SEND, arguments, f"{snapshot} could not be sent")


def data_bytes(stream: Iterable[bytes]) -> int:
    """The bytes of data that a stream without data tells of, headers not counted.

    Raises:
        PoolError: as the stream does.
    """
    splitter, total = Splitter([UPDATE_EXTENT]), 0
    for piece in stream:
        for _, body in splitter.feed(piece):
            total += int.from_bytes(attributes(body)[Attribute.SIZE], "little")
    return total


def receive(stream: Iterable[bytes], expected: Expected, path: Path, base: Path | None) -> None:
    """Apply a stream as applier.apply does, by a process: see receiver.py.

    Raises:
        StreamRefused: it is not taken, whoever sends it again.
        TransferFailed: it is broken, there is no room, or the disk hangs. Then and after a refusal
            the subvolume is good for nothing.
    """
    said = json.dumps(asdict(expected))
    with tempfile.TemporaryFile() as complaints:
        program = subprocess.Popen(
            [*RECEIVER, said, str(path), *([] if base is None else [str(base)])],
            stdin=subprocess.PIPE,
            stderr=complaints,
            env={"PYTHONPATH": str(Path(flocker.__file__).parent.parent)},
            pipesize=CHUNK_BYTES,
        )
        assert program.stdin is not None
        watch = Watch("receiving a snapshot", [of_process(program.pid)], TransferFailed)
        pipe = program.stdin.fileno()
        os.set_blocking(pipe, False)
        try:
            with suppress(BrokenPipeError):  # its own complaint says more
                for chunk in stream:
                    liveness.write(pipe, chunk, watch)
            program.stdin.close()
            _outlast(program, watch)
        finally:
            _end(program)
        if program.returncode != 0:
            kind = StreamRefused if program.returncode == receiver.REFUSED else TransferFailed
            raise kind(f"receiving a snapshot failed: {_text_of(complaints)}")


def _outlast(program: subprocess.Popen[bytes], watch: Watch) -> None:
    """Wait for a program that has all it needs, unless it hangs."""
    watch.progressed()
    while True:
        try:
            program.wait(liveness.SIGN_SECONDS)
        except subprocess.TimeoutExpired:
            watch.is_alive()
        else:
            return


def _end(program: subprocess.Popen[bytes]) -> None:
    program.kill()
    try:
        program.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        log.warning("process %d hangs in the kernel and does not end", program.pid)


def _command(snapshot: Path, parent: Path | None, *options: str) -> list[str]:
    against = [] if parent is None else ["-p", str(parent)]
    return ["btrfs", "send", "-q", *options, *against, str(snapshot)]


def _text_of(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    return complaints.read().decode(errors="replace").strip() or "no reason given"
