"""The file of the matrix, written by the judge and read by the report."""

from __future__ import annotations

import json
from pathlib import Path

from judge.drivers.behaviours import BEHAVIOURS
from judge.drivers.matrix import add, column
from judge.drivers.verdicts import BehaviourVerdict, Verdict
from report.drivers import read_matrix

AT = "2026-11-28T12:00:00+00:00"
LATER = "2026-11-29T12:00:00+00:00"


def judged(verdict: Verdict, reason: str = "", at: str = AT) -> dict[str, object]:
    findings = {each.number: BehaviourVerdict(verdict, reason, (1,)) for each in BEHAVIOURS}
    return column("A driver", at, findings)


def test_the_report_reads_what_the_judge_writes(tmp_path: Path) -> None:
    file = tmp_path / "build" / "drivers.json"
    add(file, "mine", judged(Verdict.FAILED, "lost it"))
    matrix = read_matrix(file)
    assert matrix is not None
    assert [driver.name for driver in matrix.drivers] == ["mine"]
    assert [row.sentence for row in matrix.rows] == [each.sentence for each in BEHAVIOURS]
    assert matrix.counts(0) == [("failed", 35)]
    assert {cell.reason for _, cell in matrix.reasons(0)} == {"lost it"}


def test_another_driver_joins_and_a_second_judgement_replaces_the_first(tmp_path: Path) -> None:
    file = tmp_path / "drivers.json"
    add(file, "mine", judged(Verdict.FAILED))
    add(file, "other", judged(Verdict.HELD))
    add(file, "mine", judged(Verdict.HELD, at=LATER))
    matrix = read_matrix(file)
    assert matrix is not None
    assert [(driver.name, driver.at.isoformat()) for driver in matrix.drivers] == [
        ("mine", LATER),
        ("other", AT),
    ]
    assert [matrix.counts(place) for place in (0, 1)] == [[("held", 35)]] * 2


def test_a_behaviour_that_was_added_later_was_not_tried(tmp_path: Path) -> None:
    file = tmp_path / "drivers.json"
    add(file, "mine", judged(Verdict.HELD))
    content = json.loads(file.read_text())
    del content["drivers"]["mine"]["findings"]["35"]
    file.write_text(json.dumps(content))
    matrix = read_matrix(file)
    assert matrix is not None
    assert matrix.counts(0) == [("held", 34), ("not tried", 1)]


def test_nothing_is_shown_of_drivers_that_nobody_judged(tmp_path: Path) -> None:
    assert read_matrix(tmp_path / "drivers.json") is None
