"""`python -m report`: the report of the last run; the path of its page is the last line printed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from host import BUILD, ROOT
from host.problem import Problem
from host.progress import StepFailed
from report.allure import WrongCount
from report.build import write_report
from report.offline import ExternalLoad
from report.release import freeze, reserve


def main() -> int:
    """Write the report; 0, or 1 and one line that says what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m report", description=__doc__)
    parser.add_argument("--release", help="also keep a frozen copy in build/releases/RELEASE")
    try:
        print(_write(parser.parse_args().release))
    except (Problem, StepFailed, ExternalLoad, WrongCount) as error:
        print(f"report: {error}", file=sys.stderr)
        return 1
    return 0


def _write(release: str | None) -> Path:
    if release is None:
        return write_report(ROOT)
    folder = reserve(BUILD / "releases", release)
    return freeze(write_report(ROOT).parent, folder)


if __name__ == "__main__":
    sys.exit(main())
