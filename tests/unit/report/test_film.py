"""The film: what was typed and seen, in order, with waits cut short."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from report import film, screen
from report.moments import LAST_SECONDS, LONGEST_WAIT_SECONDS, Typed, read_typed, tell, tell_command
from report.screen import Screen
from report.story import Story
from tests.unit.report.made import attachment, told_story


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return told_story(tmp_path)


def test_a_command_is_typed_then_answers_and_pictures_stay_beside_it(story: Story) -> None:
    frames = film.shoot(tell(story))
    assert frames[0].screen == Screen(lines=("node1$ ",))
    shown = [frame.screen for frame in frames]
    assert shown[-1].lines == (
        *("node1$ docker-compose up -d", "Container started", "  (7.5 s)"),
        *("node2$ docker ps", "NAMES", "web"),
    )
    assert shown[-1].note == "The app was away for 2.4 s."
    captions = list(dict.fromkeys(each.caption for each in shown))
    assert captions == ["", "The page on node1", "The page on node2"]


def test_waits_are_cut_to_a_second_and_short_ones_are_not(story: Story) -> None:
    frames = film.shoot(tell(story))
    waited = {frame.screen.lines[-1]: frame.seconds for frame in frames if frame.screen.lines}
    asked = [frame.seconds for frame in frames if frame.screen.lines[-1].endswith("up -d")]
    assert asked[-1] == LONGEST_WAIT_SECONDS
    assert waited["web"] == LAST_SECONDS


def test_a_terminal_shows_its_last_lines_and_wraps_long_ones() -> None:
    long = "x" * (film.COLUMNS + 1)
    output = (*(str(number) for number in range(film.LINES)), long)
    lines = film.shoot(tell_command(Typed("node1", "true", output, 0.1)))[-1].screen.lines
    assert len(lines) == film.LINES
    assert lines[-2:] == ("x" * film.COLUMNS, "x")


def test_a_text_that_is_no_command_is_left_out(tmp_path: Path) -> None:
    journal = attachment(tmp_path, "txt", "$ looks like one\nbut has no end\n", "journal")
    assert read_typed(journal) is None


def test_a_command_that_failed_is_told_too(tmp_path: Path) -> None:
    refused = "vagrant@node2:~$ docker ps\nno\n\n[exit status 1 after 0.2 s]\n"
    typed = read_typed(attachment(tmp_path, "txt", refused, "node2$ docker ps"))
    assert typed == Typed("node2", "docker ps", ("no",), 0.2)


def test_the_film_moves_and_begins_again(story: Story, tmp_path: Path) -> None:
    frames = [(frame.screen, frame.seconds) for frame in film.shoot(tell(story))]
    screen.write_film(frames, tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as made:
        assert made.size == screen.SIZE
        assert made.info["loop"] == 0
        total = 0
        for number in range(made.n_frames):
            made.seek(number)
            total += made.info["duration"]
        last = made.convert("RGB")
    assert total == pytest.approx(1000 * sum(seconds for _, seconds in frames), rel=0.05)
    left, top, right, _ = screen.BROWSER
    red, green, blue = last.getpixel(((left + right) // 2, top + screen.BAR + 100))
    assert green > red and green > blue  # the page on node2
