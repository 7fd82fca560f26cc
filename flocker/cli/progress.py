"""Showing on stderr that something is under way, and how far it is.

A person at a terminal sees it live; a file gets one line when something long begins.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.text import Text

from flocker.cli.client import Answer, Daemon, Failed
from flocker.cli.wording import about

POLL_SECONDS = 0.5


@contextmanager
def waiting(title: str, is_long: bool = False) -> Iterator[None]:
    """Show that an answer is being waited for; nothing of it stays on a terminal."""
    if sys.stderr.isatty():
        with Console(stderr=True).status(Text(title)):
            yield
    else:
        if is_long:
            click.echo(f"{title} ...", err=True)
        yield


@contextmanager
def moving(daemon: Daemon, volume: str, title: str) -> Iterator[None]:
    """Show how far a volume's move is while the body waits for it to end."""
    if not sys.stderr.isatty():
        with waiting(title, is_long=True):
            yield
        return
    from rich import progress  # here: most commands draw no bar

    class Amount(progress.ProgressColumn):
        """Bytes so far and bytes each second; rich's own columns mix 1000s and 1024s."""

        def render(self, task: progress.Task) -> str:
            if not task.total:
                return ""
            rate = f", {about(int(task.speed))}/s" if task.speed else ""
            return f"{about(int(task.completed))} of {about(int(task.total))}{rate}"

    bar = progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        Amount(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task(title, total=None)
    ended = threading.Event()

    def follow() -> None:
        while not ended.wait(POLL_SECONDS):
            move = _move_of(daemon, volume)
            if move and move["bytes_total"] is not None:
                # The total is an estimate: more than that may have come.
                done = min(move["bytes_done"], move["bytes_total"])
                bar.update(task, completed=done, total=move["bytes_total"])

    with bar:
        threading.Thread(target=follow, daemon=True).start()
        try:
            yield
        finally:
            ended.set()


def _move_of(daemon: Daemon, volume: str) -> Answer | None:
    try:
        volumes = daemon.ask("/flocker/status")["volumes"]
    except Failed:  # whoever waits for the move's end is told why
        return None
    return next((known["move"] for known in volumes if known["name"] == volume), None)
