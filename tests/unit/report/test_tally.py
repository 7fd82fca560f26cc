"""How a run is counted."""

from pathlib import Path

from report import tally

PYTEST = """<testsuites><testsuite><testcase name="a"/>
<testcase classname="tests.b" name="b"><failure message="first line&#10;second"/></testcase>
<testcase name="c"><skipped/></testcase></testsuite></testsuites>"""
BEHAVE = """<testsuite><testcase name="a" status="passed"><system-out>x</system-out></testcase>
<testcase classname="walkthrough.The story" name="whales" status="hook_error"><error>
HOOK-ERROR: no node</error><system-out>x</system-out></testcase></testsuite>"""


def test_what_failed_and_why_is_told_over_all_programs(tmp_path: Path) -> None:
    (tmp_path / "unit.xml").write_text(PYTEST)
    (tmp_path / "TESTS-walkthrough.xml").write_text(BEHAVE)
    assert tally.closing_lines(tmp_path, status=1) == [
        "failed: walkthrough.The story: whales",
        "    HOOK-ERROR: no node",
        "failed: tests.b: b",
        "    first line",
        "    second",
        "2 passed, 2 failed",
    ]


def test_a_long_reason_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / "unit.xml").write_text(PYTEST.replace("second", "long " * 1000))
    assert 900 < len("".join(tally.closing_lines(tmp_path, status=1))) < 1200


def test_a_file_that_is_not_whole_counts_as_one_failure(tmp_path: Path) -> None:
    (tmp_path / "unit.xml").write_text(PYTEST[:60])
    (tmp_path / "empty.xml").touch()
    (tmp_path / "TESTS-walkthrough.xml").write_text(BEHAVE)
    assert tally.count(tmp_path) == (1, 3)
    told = tally.closing_lines(tmp_path, status=1)
    assert "failed: unit.xml was not written to its end" in told


def test_a_red_run_without_a_failed_test_counts_as_one_failure(tmp_path: Path) -> None:
    assert tally.closing_lines(tmp_path, status=2) == ["0 passed, 1 failed"]
    assert tally.closing_lines(tmp_path, status=0) == ["0 passed, 0 failed"]
