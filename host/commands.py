"""Running other programs, whose failure is an answer too."""

import subprocess
from collections.abc import Sequence

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


def docker_lines(*arguments: str) -> Sequence[str]:
    """The lines a `docker` command printed; none when the engine does not answer."""
    return (attempt("docker", *arguments) or "").splitlines()
