"""Running other programs, whose failure is an answer too."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

ANSWER_SECONDS = 20


def attempt(*command: str) -> str | None:
    """Return what a command printed, or None if it failed, is missing or took longer than 20 s."""
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return answer.stdout if answer.returncode == 0 else None


def to_its_end(
    command: Sequence[str | Path],
    *,
    output: IO[bytes] | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> int:
    """Run a program that reads nothing, and return its exit status; Ctrl-C does not cut it short.

    The terminal interrupts the program, too. `subprocess.run` would kill it a quarter of a second
    later: apt in the middle of a package, or Vagrant with half a node.

    Args:
        output: takes what the program prints; None for the terminal.

    Raises:
        FileNotFoundError: there is no such program.
        KeyboardInterrupt: somebody typed Ctrl-C; the program has ended.
    """
    errors = None if output is None else subprocess.STDOUT
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, cwd=cwd, env=env
    ) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.wait()
            raise


def docker_lines(*arguments: str) -> Sequence[str]:
    """The lines a `docker` command printed; none when the engine does not answer."""
    return (attempt("docker", *arguments) or "").splitlines()
