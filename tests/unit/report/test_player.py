"""The recording that the first page plays: an asciicast, and the pictures that go with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from report import attachments
from report.moments import LAST_SECONDS, tell
from report.player import COLUMNS, LINES, record
from tests.unit.report.made import PS, attachment, png, result, step, told_story


def test_what_was_typed_is_played_with_its_real_output(tmp_path: Path) -> None:
    header, *events = map(json.loads, record(tell(told_story(tmp_path))).cast.splitlines())
    assert header == {"version": 2, "width": COLUMNS, "height": LINES}
    shown = "".join(text for _, kind, text in events if kind == "o")
    assert shown.split("\r\n") == [
        *("node1$ docker-compose up -d", "Container started", "  (7.5 s)"),
        *("node2$ docker ps", "NAMES", "web"),
        *("The app was away for 2.4 s.", ""),
    ]


def test_times_never_go_back_and_the_end_stays(tmp_path: Path) -> None:
    recording = record(tell(told_story(tmp_path)))
    at = [json.loads(line)[0] for line in recording.cast.splitlines()[1:]]
    assert at == sorted(at)
    assert at[-1] == recording.seconds
    assert at[-1] - at[-2] >= LAST_SECONDS - 0.01


def test_each_picture_comes_after_what_led_to_it(tmp_path: Path) -> None:
    recording = record(tell(told_story(tmp_path)))
    events = [json.loads(line) for line in recording.cast.splitlines()[1:]]
    marked = [(at, text) for at, kind, text in events if kind == "m"]
    assert [(at, picture.caption) for at, picture in recording.pictures] == marked
    assert [text for _, text in marked] == ["The page on node1", "The page on node2"]
    [started] = [at for at, kind, text in events if text.startswith("Container started")]
    assert marked[0][0] > started


def test_each_caption_has_its_own_picture(tmp_path: Path) -> None:
    story = told_story(tmp_path)
    assert tuple(picture for _, picture in record(tell(story)).pictures) == story.pictures


def test_a_picture_comes_after_the_commands_of_its_step(tmp_path: Path) -> None:
    typed = attachment(tmp_path, "txt", PS, "node2$ docker ps")
    picture = attachment(tmp_path, attachments.PICTURE, png("green"), "The page on node2")
    story = replace(told_story(tmp_path), result=result("a", steps=(step(typed, picture),)))
    events = [json.loads(line) for line in record(tell(story)).cast.splitlines()[1:]]
    told = "".join(text for _, _, text in events)
    assert told.index("NAMES") < told.index("The page on node2")
