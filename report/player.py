"""The player of the first page: a recording of the terminal, and the pictures that go with it.

The terminal is an asciicast, version 2 (docs.asciinema.org/manual/asciicast/v2), which
asciinema-player shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from report.allure import MODULES
from report.moments import Moment
from report.story import Picture, inlined

COLUMNS, LINES = 72, 16
BUNDLE = MODULES / "asciinema-player" / "dist" / "bundle"


@dataclass(frozen=True)
class Recording:
    """The story, to be played.

    Attributes:
        cast: an asciicast.
        pictures: what the browser showed, each with the seconds since the recording began.
        seconds: how long it is.
    """

    cast: str
    pictures: tuple[tuple[float, Picture], ...]
    seconds: float


@dataclass(frozen=True)
class Player:
    """A program that plays recordings, and the one it plays."""

    script: str
    style: str
    recording: Recording


def record(moments: Iterable[Moment]) -> Recording:
    """Make a recording of moments; each picture is a marker to jump to."""
    at = 0.0
    events: list[tuple[float, str, str]] = []
    pictures: list[tuple[float, Picture]] = []
    for moment in moments:
        if moment.text:
            events.append((round(at, 3), "o", moment.text.replace("\n", "\r\n")))
        if moment.picture is not None:
            events.append((round(at, 3), "m", moment.picture.name))
            pictures.append((round(at, 3), Picture(moment.picture.name, inlined(moment.picture))))
        if moment.note:
            events.append((round(at, 3), "o", f"{moment.note}\r\n"))
        at += moment.seconds
    events.append((round(at, 3), "o", ""))  # the end stays as long as it does in the film
    header = {"version": 2, "width": COLUMNS, "height": LINES}
    cast = "".join(f"{json.dumps(line)}\n" for line in (header, *events))
    return Recording(cast, tuple(pictures), round(at, 3))


def load(recording: Recording) -> Player:
    """A player for a recording; npm has installed its program."""
    return Player(
        (BUNDLE / "asciinema-player.min.js").read_text(encoding="utf-8"),
        (BUNDLE / "asciinema-player.css").read_text(encoding="utf-8"),
        recording,
    )
