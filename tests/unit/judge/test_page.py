"""The picture of a run shows what was seen where it was, and the run's folder has all of it."""

from __future__ import annotations

import json
from pathlib import Path

from judge import history
from judge.checker import judge
from judge.history import Volume
from judge.page.picture import COLOURS, MOST_DOTS, Picture, draw
from judge.page.render import MOST_FINDINGS, render
from judge.results import KEPT, keep
from judge.verdict import Verdict
from tests.unit.judge.pages import busy
from tests.unit.judge.stories import Story


def picture() -> Picture:
    events = busy()
    [first, _] = draw(events, judge(events).findings)
    return first


def test_no_name_in_a_run_is_markup() -> None:
    story = Story(Volume(name="<script>alert(1)</script>", options={"size": "<b>"}))
    story.run("r1", "node1", 5)
    events = story.finish("node1", 1, r1=4)
    html = render(events, judge(events))
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html


def test_owners_are_bars_on_their_lanes_one_after_the_other() -> None:
    first, second, third = (lane.owned for lane in picture().lanes)
    assert [len(each) for each in (first, second, third)] == [1, 1, 1]
    assert abs(first[0].left + first[0].width - second[0].left) < 0.01
    assert third[0].left + third[0].width == 100
    assert [each[0].colour for each in (first, second, third)] == [1, 2, 3]


def test_dots_have_the_colour_of_their_epoch_and_are_hollow_if_lost() -> None:
    first, second, _ = picture().lanes
    assert {dot.colour for dot in first.dots} == {1}
    assert {dot.colour for dot in second.dots} == {2}
    hollow = [dot.title for dot in first.dots if dot.is_hollow]
    assert "line 36 of r1, not in the volume in the end" in hollow[0]


def test_faults_findings_and_overlaps_are_on_the_lanes_of_their_nodes() -> None:
    first, second, third = picture().lanes
    assert [len(lane.faults) for lane in (first, second, third)] == [1, 0, 0]
    assert [len(lane.overlaps) for lane in (first, second, third)] == [0, 1, 1]
    assert [len(lane.marks) for lane in (first, second, third)] == [1, 0, 1]


def test_mounts_end_where_a_sample_says_so() -> None:
    first, second, third = picture().lanes
    assert [len(lane.mounted) for lane in (first, second, third)] == [1, 1, 1]
    assert first.mounted[0].left + first.mounted[0].width <= second.mounted[0].left + 0.01


def test_many_lines_share_dots() -> None:
    story = Story()
    story.run("r1", "node1", 5 * MOST_DOTS)
    [drawn] = draw(story.finish("node1", 1, r1=5 * MOST_DOTS), [])
    dots = drawn.lanes[0].dots
    assert MOST_DOTS / 2 < len(dots) <= MOST_DOTS + 1
    assert " to " in dots[0].title


def test_lines_of_a_node_that_nobody_called_the_owner_have_no_epoch() -> None:
    story = Story()
    story.run("r1", "node2", 3)
    [drawn] = draw(story.end(), [])
    assert {dot.colour for dot in drawn.lanes[1].dots} == {COLOURS}


def test_moments_on_the_axis_are_round_and_few() -> None:
    assert [label for label, _ in picture().ticks] == ["0 s", "50 s", "100 s", "150 s"]


def test_the_page_names_some_findings_and_counts_the_others() -> None:
    story = Story()
    story.run("r1", "node1", 3)
    for _ in range(MOST_FINDINGS + 7):
        story.claim("node2", story.now + 100)
    events = story.finish(r1=3)
    page = render(events, judge(events))
    assert page.count('class="badge broken"') == MOST_FINDINGS
    assert "7 more are in" in page


def test_a_run_leaves_a_folder_and_a_line(tmp_path: Path) -> None:
    judgement, folder = keep(busy(), tmp_path)
    assert judgement.verdict is Verdict.VIOLATION
    assert folder == tmp_path / "judge" / "paper-1"
    assert history.read(folder / "history.jsonl") == busy()
    assert json.loads((folder / "verdict.json").read_text())["verdict"] == "violation"
    assert "Violation" in (folder / "index.html").read_text()
    [line] = (tmp_path / "random-runs.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "seed": "1",
        "machine": "paper",
        "verdict": "violation",
        "reason": judgement.reason,
        "page": "judge/paper-1/index.html",
    }


def test_the_same_run_is_listed_once_and_old_ones_are_forgotten(tmp_path: Path) -> None:
    runs = tmp_path / "random-runs.jsonl"
    runs.write_text("".join(f'{{"page": "{each}"}}\n' for each in range(KEPT)))
    for _ in range(2):
        keep(busy(), tmp_path)
    pages = [json.loads(line)["page"] for line in runs.read_text().splitlines()]
    assert len(pages) == KEPT
    assert pages[-1] == "judge/paper-1/index.html"
    assert pages[0] == "1"
