"""`N passed, N failed` over all test programs of a run, from the JUnit files they wrote."""

from pathlib import Path
from xml.etree import ElementTree


def count(folder: Path) -> tuple[int, int]:
    """(passed, failed) of all test cases in the folder's JUnit files; skipped ones are neither.

    pytest writes one file, behave one per feature. A hook that broke is an error there, and
    counts as failed; so does a file that a program which was killed has not written to its end.
    """
    passed = failed = 0
    for file in sorted(folder.glob("*.xml")):
        try:
            cases = ElementTree.parse(file).iter("testcase")  # noqa: S314 - our own files
        except ElementTree.ParseError:
            failed += 1
            continue
        for case in cases:
            outcomes = {child.tag for child in case}
            if outcomes & {"failure", "error"}:
                failed += 1
            elif "skipped" not in outcomes:
                passed += 1
    return passed, failed


def closing_line(folder: Path, *, status: int) -> str:
    """The line for a run that ended with this exit status.

    A program that broke before it could count leaves a red run without a failed test: that
    is one failure.
    """
    passed, failed = count(folder)
    return f"{passed} passed, {max(failed, int(status != 0))} failed"
