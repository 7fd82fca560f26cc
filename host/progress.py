"""One line per long step: what is going on, and for how long."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from host.commands import to_its_end

TICK_SECONDS = 1.0
QUIET_TICK_SECONDS = 15.0  # where the line cannot be rewritten (CI logs), say less often
LOG_LINES_SHOWN = 20


class StepFailed(Exception):
    """A command of a step ended with a non-zero status; the message holds the end of its log."""


@contextmanager
def step(title: str) -> Iterator[None]:
    """Show `title` with its running time on stderr until the block ends.

    On a terminal the line is rewritten each second; elsewhere it is printed at
    the start, every 15 s and at the end.
    """
    started = time.monotonic()
    done = threading.Event()
    ticker = threading.Thread(target=_tick, args=(title, started, done), daemon=True)
    ticker.start()
    mark = "✗"
    try:
        yield
        mark = "✓"
    finally:
        done.set()
        ticker.join()
        _print_line(f"{mark} {title} ({time.monotonic() - started:.0f} s)", final=True)


def run(
    title: str,
    command: Sequence[str],
    log: Path,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run `command` as a step; its output goes to the file `log`, not to the screen.

    Raises:
        StepFailed: non-zero exit status, or the program does not exist.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with step(title), log.open("wb") as output:
        try:
            status = to_its_end(command, output=output, cwd=cwd, env=env)
        except FileNotFoundError as error:
            raise StepFailed(f"{title}: {command[0]} is not installed") from error
        if status:
            raise StepFailed(
                f"{title}: {command[0]} ended with status {status}; the end of {log}:\n"
                + last_lines(log)
            )


def last_lines(log: Path, count: int = LOG_LINES_SHOWN) -> str:
    """The end of a log file, indented, for an error message."""
    lines = log.read_text(errors="replace").splitlines()[-count:]
    return "\n".join(f"  {line}" for line in lines)


def _tick(title: str, started: float, done: threading.Event) -> None:
    _print_line(f"… {title}", final=False)
    while not done.wait(TICK_SECONDS if sys.stderr.isatty() else QUIET_TICK_SECONDS):
        _print_line(f"… {title} ({time.monotonic() - started:.0f} s)", final=False)


def _print_line(text: str, *, final: bool) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="\n" if final else "", file=sys.stderr, flush=True)
    else:
        print(text, file=sys.stderr, flush=True)
