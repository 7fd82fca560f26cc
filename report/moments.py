"""The story as film and player show it: what was typed, its output, and what the browser showed.

Times are the run's own; waits are cut to a second.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from report import attachments
from report.results import Attachment, Step
from report.story import Story

COMMAND = re.compile(r"(?:(?P<user>\S+)@(?P<node>\S+):~)?\$ (?P<command>.*)")
END = re.compile(r"\n\n\[exit status \d+ after (?P<seconds>[\d.]+) s\]\n\Z")
"""What acceptance.base.evidence.typed puts around an output."""

CHARACTERS_AT_ONCE = 6
TYPING_SECONDS = 0.1  # for so many characters
LONGEST_WAIT_SECONDS = 1.0
READING_SECONDS = 1.2  # of an output or a picture, before the next thing happens
LAST_SECONDS = 4.0


@dataclass(frozen=True)
class Typed:
    """A command of the story with its output."""

    node: str
    command: str
    output: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Moment:
    """A change of what is shown, and the seconds for which it stays.

    Attributes:
        text: added to the terminal; a line ends with a line feed.
        picture: what the browser shows from now on; None if that does not change.
        note: below both.
    """

    seconds: float
    text: str = ""
    picture: Attachment | None = None
    note: str = ""


def tell(story: Story) -> Iterator[Moment]:
    """The moments of a story, in order; the last one says how long the app was away."""
    for step in story.result.steps:
        for typed in _typed(step):
            yield from tell_command(typed)
        for attached in step.attachments:
            if attached.kind == attachments.PICTURE:
                yield Moment(READING_SECONDS, picture=attached)
    yield Moment(LAST_SECONDS, note=f"The app was away for {story.gap.seconds:.1f} s.")


def tell_command(typed: Typed) -> Iterator[Moment]:
    """Type a command, wait as long as it took or a second, and show its output."""
    yield Moment(TYPING_SECONDS, f"{typed.node}$ ")
    for start in range(0, len(typed.command), CHARACTERS_AT_ONCE):
        yield Moment(TYPING_SECONDS, typed.command[start : start + CHARACTERS_AT_ONCE])
    yield Moment(min(typed.seconds, LONGEST_WAIT_SECONDS), "\n")
    took = [f"  ({typed.seconds:.1f} s)"] if typed.seconds > LONGEST_WAIT_SECONDS else []
    yield Moment(READING_SECONDS, "".join(f"{line}\n" for line in [*typed.output, *took]))


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
