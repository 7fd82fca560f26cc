"""`python3 -m report.tally STATUS`: what failed in the last run, and how many tests there were.

Read from the JUnit files that the run's test programs wrote; STATUS is the run's exit status.
Standard library only: a run may have ended before anything was installed.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from host import BUILD

LONGEST_REASON = 1000  # characters; the report has all of it


def count(folder: Path) -> tuple[int, int]:
    """(passed, failed) of all test cases in the folder's JUnit files; skipped ones are neither.

    pytest writes one file, behave one per feature. A hook that broke is an error there, and
    counts as failed; so does a file that a program which was killed has not written to its end.
    """
    counts = count_files(folder).values()
    return sum(passed for passed, _ in counts), sum(failed for _, failed in counts)


def count_files(folder: Path) -> dict[str, tuple[int, int]]:
    """Name of each JUnit file with a test case -> (passed, failed), as in `count`."""
    counts: dict[str, tuple[int, int]] = {}
    for file, case in _cases(folder):
        passed, failed = counts.get(file.name, (0, 0))
        if case is None or _reason(case) is not None:
            failed += 1
        elif case.find("skipped") is None:
            passed += 1
        counts[file.name] = (passed, failed)
    return counts


def closing_lines(folder: Path, *, status: int) -> list[str]:
    """Each failure with its reason, and `N passed, N failed` for a run with this exit status.

    Of a run's output often only the end is kept, and with a fresh clone the report is gone too.
    A program that broke before it could count leaves a red run without a failed test: that
    is one failure.
    """
    lines = []
    for file, case in _cases(folder):
        if case is None:
            lines.append(f"failed: {file.name} was not written to its end")
        elif (reason := _reason(case)) is not None:
            lines.append(f"failed: {case.get('classname')}: {case.get('name')}")
            lines += [f"    {line}" for line in reason[:LONGEST_REASON].splitlines()]
    passed, failed = count(folder)
    return [*lines, f"{passed} passed, {max(failed, int(status != 0))} failed"]


def _cases(folder: Path) -> Iterator[tuple[Path, ElementTree.Element | None]]:
    """Every test case with its file; None for a file that cannot be read."""
    for file in sorted(folder.glob("*.xml")):
        try:
            cases = list(ElementTree.parse(file).iter("testcase"))  # noqa: S314 - our own files
        except ElementTree.ParseError:
            yield file, None
            continue
        for case in cases:
            yield file, case


def _reason(case: ElementTree.Element) -> str | None:
    """Why a case failed; None if it did not."""
    for outcome in case:
        if outcome.tag in ("failure", "error"):
            return (outcome.get("message") or outcome.text or "").strip()
    return None


if __name__ == "__main__":
    print(*closing_lines(BUILD / "junit", status=int(sys.argv[1])), sep="\n")
