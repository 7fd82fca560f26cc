"""Judge kept histories: `python -m judge build/judge/nodes-1/history.jsonl`.

The exit status is that of the worst verdict: 0 valid, 1 violation, 3 stuck, 4 defect, 5 unknown;
and 2 if a file is no history.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from judge import history
from judge.checker import judge
from judge.terminal import one_line
from judge.verdict import Judgement, Verdict, worst

STATUS = {
    Verdict.VALID: 0,
    Verdict.VIOLATION: 1,
    Verdict.STUCK: 3,
    Verdict.DEFECT: 4,
    Verdict.UNKNOWN: 5,
}
MALFORMED = 2
HISTORIES = "build/judge/*/history.jsonl"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the verdict on each history, and its reasons."""
    parser = argparse.ArgumentParser(
        prog="python -m judge",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("histories", nargs="+", type=Path, metavar="HISTORY")
    parser.add_argument("--json", action="store_true", help="one JSON object for each history")
    asked = parser.parse_args(arguments)
    judged: list[Judgement] = []
    for file in asked.histories:
        try:
            judged.append(judge(history.read(file)))
        except (history.Malformed, OSError) as error:
            wrong = f"{file}: {error.strerror}" if isinstance(error, OSError) else error
            print(f"{wrong}; histories of runs are in {HISTORIES}", file=sys.stderr)
            return MALFORMED
        print(as_json(judged[-1]) if asked.json else as_text(judged[-1], str(file)))
    return STATUS[worst(each.verdict for each in judged)]


def as_text(judgement: Judgement, name: str) -> str:
    """The verdict for people: a line for the run, and one for each finding."""
    asked = ", ".join(f"{count} {outcome}" for outcome, count in judgement.requests.items())
    lines = [
        f"{name}: {judgement.verdict}",
        f"  {judgement.driver} on {judgement.machine}, seed {judgement.seed}, "
        f"{judgement.seconds:.0f} s: {judgement.lines} lines, {judgement.faults} faults, "
        f"{judgement.promotions} promotions, requests: {asked or 'none'}",
        *(f"  {finding}" for finding in judgement.findings),
    ]
    return "\n".join(map(one_line, lines))


def as_json(judgement: Judgement) -> str:
    """The verdict on one line, for scripts."""
    return json.dumps(judgement.model_dump(mode="json"), ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main())
