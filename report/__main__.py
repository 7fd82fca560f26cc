"""`python -m report`: the last run as one page; its path is the last line printed."""

from __future__ import annotations

import sys

from host import ROOT
from host.problem import Problem
from host.progress import StepFailed
from report.allure import WrongCount, write_report
from report.offline import ExternalLoad


def main() -> int:
    """Write the report; 0, or 1 and one line that says what is wrong."""
    try:
        page = write_report(ROOT)
    except (Problem, StepFailed, ExternalLoad, WrongCount) as error:
        print(f"report: {error}", file=sys.stderr)
        return 1
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
