"""Commands to this machine's engine about a node that is a container."""

from __future__ import annotations

import subprocess

from acceptance.base.waiting import eventually

PAUSE_SECONDS = 60


class EngineRefused(Exception):
    """The engine did not do it; the message says what it said."""


def kill(container: str) -> None:
    """End a container at once, as a power cut does."""
    _docker("kill", container)


def start(container: str) -> None:
    """Start a container that has ended; one that runs is left alone."""
    _docker("start", container)


def pause(container: str) -> None:
    """Stop a container's time.

    The kernel stops the processes one by one. Where they start others at that moment, which a busy
    node does all the time, the engine gives up ("unable to freeze"), and has changed nothing.

    Raises:
        acceptance.base.waiting.NeverCame: they would not stop.
    """
    eventually(
        lambda: _docker("pause", container) == container,
        is_=True,
        within=PAUSE_SECONDS,
        not_yet=(EngineRefused,),
    )


def unpause(container: str) -> None:
    """Resume it; a container that runs already is left alone."""
    if _docker("inspect", "--format={{.State.Paused}}", container) == "true":
        _docker("unpause", container)


def _docker(verb: str, *arguments: str) -> str:
    done = subprocess.run(["docker", verb, *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        raise EngineRefused(f"`docker {verb}` failed: {done.stderr.strip()}")
    return done.stdout.strip()
