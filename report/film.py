"""The story as a film: what was typed, with its real output, beside what the browser showed.

It comes from the results of a run. Times are the run's own; waits are cut to a second.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from host import BUILD, ROOT
from host.problem import Problem
from report import attachments
from report.results import Attachment, Step, read_results
from report.screen import Screen, write_film
from report.story import Story, find_story

FILM = ROOT / "docs" / "images" / "film.gif"
COMMAND = re.compile(r"(?:(?P<user>\S+)@(?P<node>\S+):~)?\$ (?P<command>.*)")
END = re.compile(r"\n\n\[exit status \d+ after (?P<seconds>[\d.]+) s\]\n\Z")
"""What acceptance.base.evidence.typed puts around an output."""

CHARACTERS_AT_ONCE = 6
TYPING_SECONDS = 0.1  # for so many characters
LONGEST_WAIT_SECONDS = 1.0
READING_SECONDS = 1.2  # of an output or a picture, before the next thing happens
LAST_SECONDS = 4.0
LINES = 16  # of a terminal
COLUMNS = 62


@dataclass(frozen=True)
class Typed:
    """A command of the story with its output."""

    node: str
    command: str
    output: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Frame:
    """A screen, and the seconds for which it stays."""

    screen: Screen
    seconds: float


@dataclass
class Take:
    """Frames as they are shot, one after the other; `screen` is the state at the moment."""

    screen: Screen = field(default_factory=Screen)
    frames: list[Frame] = field(default_factory=list)

    def show(self, screen: Screen, seconds: float) -> None:
        self.screen = screen
        self.frames.append(Frame(screen, seconds))


def shoot(story: Story) -> list[Frame]:
    """Make the frames of a film of a story."""
    take = Take()
    for step in story.result.steps:
        for typed in _typed(step):
            _shoot_command(take, typed)
        for attached in step.attachments:
            if attached.kind == attachments.PICTURE:
                take.show(
                    replace(take.screen, picture=attached.path, caption=attached.name),
                    READING_SECONDS,
                )
    away = f"The app was away for {story.gap.seconds:.1f} s."
    take.show(replace(take.screen, note=away), LAST_SECONDS)
    return take.frames


def read_typed(attached: Attachment) -> Typed | None:
    """Read back a command and its output; None if the text is something else."""
    text = attached.path.read_text(encoding="utf-8", errors="replace")
    end = END.search(text)
    first, _, output = text[: end.start() if end else 0].partition("\n")
    begin = COMMAND.fullmatch(first)
    if end is None or begin is None:
        return None
    node = begin["node"] or "your machine"
    return Typed(node, begin["command"], tuple(output.splitlines()), float(end["seconds"]))


def _typed(step: Step) -> Iterator[Typed]:
    for attached in step.attachments:
        if attached.kind == "txt" and (typed := read_typed(attached)):
            yield typed


def _shoot_command(take: Take, typed: Typed) -> None:
    """Type a command, wait as long as it took or a second, and show its output."""
    prompt = f"{typed.node}$ "
    above = take.screen.lines
    for end in range(0, len(typed.command) + CHARACTERS_AT_ONCE, CHARACTERS_AT_ONCE):
        take.show(
            replace(take.screen, lines=_last([*above, prompt + typed.command[:end]])),
            TYPING_SECONDS,
        )
    asked = [*above, prompt + typed.command]
    take.show(replace(take.screen, lines=_last(asked)), min(typed.seconds, LONGEST_WAIT_SECONDS))
    took = [f"  ({typed.seconds:.1f} s)"] if typed.seconds > LONGEST_WAIT_SECONDS else []
    take.show(replace(take.screen, lines=_last([*asked, *typed.output, *took])), READING_SECONDS)


def _last(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines that a terminal still shows; those that are too long go on in the next one."""
    wrapped = [
        line[start : start + COLUMNS]
        for line in lines
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
        write_film([(frame.screen, frame.seconds) for frame in shoot(story)], FILM)
    except Problem as error:
        print(f"film: {error}", file=sys.stderr)
        return 1
    print(FILM.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
