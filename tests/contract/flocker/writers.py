"""Processes that write to volumes like containers do, each in a mount namespace of its own:
`python -m tests.contract.flocker.writers TARGET LIVE...`. All end with the first one."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from acceptance.base.waiting import eventually

BEAT = struct.Struct("d")
START_SECONDS = 120  # two hundred of them on a busy machine
PAUSE_SECONDS = 0.1
# Source: linux, include/uapi/linux/sched.h and mount.h, and prctl.h.
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE, PR_SET_PDEATHSIG = 0x20000, 0x1000, 0x4000, 1 << 18, 1

_libc = ctypes.CDLL(None, use_errno=True)


def boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def last_write(live: Path) -> float:
    """When the volume's writer wrote last, by CLOCK_BOOTTIME."""
    return float(BEAT.unpack((live / "beat").read_bytes())[0])


@contextmanager
def writers(target: Path, lives: Sequence[Path]) -> Iterator[subprocess.Popen[str]]:
    """A running writer of each volume, which sees it at `target`."""
    command = [sys.executable, "-m", __name__, str(target), *map(str, lives)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        try:
            assert first.stdout is not None
            assert first.stdout.readline() == "ready\n"
            yield first
        finally:
            first.terminate()


def _call(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _write(target: bytes, live: bytes) -> None:
    _call(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
    _call(_libc.unshare(CLONE_NEWNS))
    _call(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    _call(_libc.mount(live, target, None, MS_BIND, None))
    file = os.open(target + b"/beat", os.O_CREAT | os.O_WRONLY)
    while True:
        os.pwrite(file, BEAT.pack(boottime()), 0)
        # It is a writer with a pace, which goes on until it is killed.
        time.sleep(PAUSE_SECONDS)


def main(target: str, *lives: str) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    children: list[int] = []
    for live in lives:
        child = os.fork()
        if child == 0:
            try:
                _write(target.encode(), live.encode())
            finally:
                os._exit(1)
        children.append(child)
    beats = [Path(live) / "beat" for live in lives]
    eventually(lambda: all(beat.exists() for beat in beats), is_=True, within=START_SECONDS)
    print("ready", flush=True)
    signal.sigwait({signal.SIGTERM})
    _end(children)


def _end(children: Sequence[int]) -> None:
    """Their mounts are in the kernel's tables until they have ended, not only been told to."""
    for child in children:
        os.kill(child, signal.SIGKILL)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
