"""Showing on stderr that something is under way, and how far it is.

A person at a terminal sees it live; a file gets one line when something long begins.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.text import Text

from flocker.base.options import about
from flocker.cli.client import Answer, DaemonClient, Failed

POLL_SECONDS = 0.5  # the daemon tells once a second how far a move is


@contextmanager
def waiting(title: str, is_long: bool = False) -> Iterator[None]:
    """Show that an answer is being waited for; nothing of it stays on a terminal."""
    if sys.stderr.isatty():
        with Console(stderr=True).status(Text(title)):
            yield
    else:
        if is_long:
            typer.echo(f"{title} ...", err=True)
        yield


@contextmanager
def moving(daemon: DaemonClient, volume: str, title: str) -> Iterator[None]:
    """Show how far a volume's move is while the body waits for it to end."""
    if not sys.stderr.isatty():
        with waiting(title, is_long=True):
            yield
        return
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[amount]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task(title, total=None, amount="")
    ended = threading.Event()

    def follow() -> None:
        while not ended.wait(POLL_SECONDS):
            move = _move_of(daemon, volume)
            if move and move["bytes_total"] is not None:
                # The total is an estimate: more than that may have come.
                done, total = min(move["bytes_done"], move["bytes_total"]), move["bytes_total"]
                bar.update(task, completed=done, total=total)
                speed = bar.tasks[0].speed
                rate = f", {about(int(speed))}/s" if speed else ""
                bar.update(task, amount=f"{about(done)} of {about(total)}{rate}")

    with bar:
        threading.Thread(target=follow, daemon=True).start()
        try:
            yield
        finally:
            ended.set()
        bar.update(task, completed=1, total=1)


def _move_of(daemon: DaemonClient, volume: str) -> Answer | None:
    try:
        volumes = daemon.get("/flocker/status")["volumes"]
    except Failed:  # whoever waits for the move's end is told why
        return None
    return next((known["move"] for known in volumes if known["name"] == volume), None)
