"""`python -m report.film`: the story of the last run as an animated picture for the README."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace

from host import BUILD, ROOT
from host.problem import Problem
from report.moments import Moment, tell
from report.results import read_results
from report.screen import Screen, write_film
from report.story import find_story

FILM = ROOT / "docs" / "images" / "film.gif"
LINES = 16  # of a terminal
COLUMNS = 62


@dataclass(frozen=True)
class Frame:
    """A screen, and the seconds for which it stays."""

    screen: Screen
    seconds: float


def shoot(moments: Iterable[Moment]) -> list[Frame]:
    """Make a frame of each moment."""
    frames: list[Frame] = []
    screen, text = Screen(), ""
    for moment in moments:
        text += moment.text
        screen = replace(screen, lines=last_lines(text), note=moment.note)
        if moment.picture is not None:
            shown = moment.picture
            screen = replace(screen, picture=shown.path, caption=shown.name)
        frames.append(Frame(screen, moment.seconds))
    return frames


def last_lines(text: str) -> tuple[str, ...]:
    """The lines that a terminal still shows; those that are too long go on in the next one."""
    wrapped = [
        line[start : start + COLUMNS]
        for line in text.splitlines()
        for start in range(0, max(len(line), 1), COLUMNS)
    ]
    return tuple(wrapped[-LINES:])


def main() -> int:
    """Write the film of the last run; 0, or 1 and one line that says what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m report.film", description=__doc__)
    parser.parse_args()
    try:
        story = find_story(read_results(BUILD / "allure-results"))
        if story is None:
            raise Problem("the last run did not tell the story; type `make demo` first")
        frames = shoot(tell(story))
        write_film([(frame.screen, frame.seconds) for frame in frames], FILM)
    except Problem as error:
        print(f"film: {error}", file=sys.stderr)
        return 1
    print(FILM.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
