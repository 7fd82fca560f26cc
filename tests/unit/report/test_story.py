"""The story in pictures, from what a scenario attached."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from report import attachments
from report.results import Result
from report.story import Change, Stretch, find_story, read_gap
from tests.unit.report.made import START, attachment, result, step

ASKED = """seconds,address,outcome
0.00,10.0.0.1,correct
0.10,10.0.0.1,correct
0.20,10.0.0.1,no connection
1.00,10.0.0.2,no answer
1.50,10.0.0.2,wrong whales: []
2.00,10.0.0.2,correct
"""
MOVED = "volume,before,after\ndemo,node1,node2\nother,node1,node1\n"
CREATED = "volume,before,after\ndemo,-,node1\n"


def told(folder: Path, name: str = "The app moves", tags: frozenset[str] = frozenset()) -> Result:
    up = attachment(folder, "txt", "", "node1$ docker-compose up -d")
    again = attachment(folder, "txt", "", "node2$ docker-compose up -d")
    return result(
        name,
        tags=tags,
        steps=(
            step(up, attachment(folder, attachments.OWNERS, CREATED), start=START + 500),
            step(attachment(folder, attachments.PICTURE, b"before", "The page on node1")),
            step(again, attachment(folder, attachments.OWNERS, MOVED), start=START + 1500),
            step(attachment(folder, attachments.GAP, ASKED)),
            step(attachment(folder, attachments.PICTURE, b"after", "The page on node2")),
        ),
    )


def test_the_story_is_pictures_gap_and_commands(tmp_path: Path) -> None:
    story = find_story([result("nothing to see"), told(tmp_path)])
    assert story is not None
    assert [picture.caption for picture in story.pictures] == [
        "The page on node1",
        "The page on node2",
    ]
    assert story.pictures[0].source == "data:image/png;base64,YmVmb3Jl"
    assert [(each.at_seconds, each.where, each.command) for each in story.commands] == [
        (0.5, "node1", "docker-compose up -d"),
        (1.5, "node2", "docker-compose up -d"),
    ]
    assert [str(change) for each in story.commands for change in each.changes] == [
        "demo: node1",
        "demo: node1 → node2",
    ]


def test_owners_change_with_the_command_before(tmp_path: Path) -> None:
    stop = attachment(tmp_path, "txt", "", "node1$ docker-compose stop")
    up = attachment(tmp_path, "txt", "", "node2$ docker-compose up -d")
    owners = attachment(tmp_path, attachments.OWNERS, MOVED)
    moved = replace(told(tmp_path), steps=(*told(tmp_path).steps, step(stop, up, owners)))
    story = find_story([moved])
    assert story is not None
    assert [each.changes for each in story.commands[-2:]] == [
        (),
        (Change("demo", "node1", "node2"),),
    ]


def test_lanes_are_called_after_the_nodes_that_the_volume_left_and_reached(tmp_path: Path) -> None:
    story = find_story([told(tmp_path)])
    assert story is not None
    assert list(story.lanes) == ["node1", "node2"]
    assert story.commands[1].changes == (Change("demo", "node1", "node2"),)


def test_questions_of_equal_answers_are_one_stretch(tmp_path: Path) -> None:
    gap = read_gap(attachment(tmp_path, attachments.GAP, ASKED))
    assert gap.seconds == 2
    assert gap.stretches == (
        Stretch("10.0.0.1", True, 0, 0.2, 0, pytest.approx(10)),
        Stretch("10.0.0.1", False, 0.2, 1, pytest.approx(10), pytest.approx(40)),
        Stretch("10.0.0.2", False, 1, 2, 50, 50),
        Stretch("10.0.0.2", True, 2, 2, 100, 0),
    )


def test_the_readmes_story_comes_first(tmp_path: Path) -> None:
    story = find_story([told(tmp_path), told(tmp_path, "Told in the README", frozenset({"demo"}))])
    assert story is not None and story.result.name == "Told in the README"


def test_without_pictures_there_is_no_story(tmp_path: Path) -> None:
    assert find_story([result("a"), result("b", "failed", steps=told(tmp_path).steps)]) is None
