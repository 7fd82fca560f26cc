"""`python -m tests.simulated --hours 1 --seed 1`: random work and faults on simulated nodes.

Each hour is a simulation with a seed of its own, in a process of its own. One that is not valid is
simulated again with fewer clients, fewer faults or less time, for as long as it fails in the same
way. Histories and their pages are kept in build/judge, those of smaller ones in build/shrunk. The
exit status is that of `python -m judge`.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import IO

from judge.__main__ import STATUS
from judge.verdict import Judgement, Verdict, worst
from tests.simulated.plan import Plan, planned, shrunk
from tests.simulated.substitutes import HASH_SEED

BUILD = Path("build")
SHRUNK = BUILD / "shrunk"
HOUR_SECONDS = 3600.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate, say how it went on the standard error, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulated", description=__doc__)
    parser.add_argument("--hours", type=float, default=1, help="simulated hours")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first hour")
    asked = parser.parse_args(arguments)
    if not asked.hours > 0:
        parser.error(f"--hours: {asked.hours:g} hours have no verdict; type: make simulate HOURS=1")
    verdicts: list[Verdict] = []
    seconds, seed = asked.hours * HOUR_SECONDS, asked.seed
    while seconds > 0:
        verdicts.append(_simulate_hour(planned(seed, min(seconds, HOUR_SECONDS))))
        seconds, seed = seconds - HOUR_SECONDS, seed + 1
    return STATUS[worst(verdicts)]


def _simulate_hour(plan: Plan) -> Verdict:
    began = time.monotonic()
    judgement = simulate(plan, BUILD)
    _tell(f"seed {plan.seed}: {judgement.verdict}: {judgement.reason}", began)
    if judgement.verdict is not Verdict.VALID:
        small = shrunk(plan, judgement, lambda smaller: simulate(smaller, SHRUNK))
        reason = simulate(small, SHRUNK).reason  # once more: what is kept is of the last one
        _tell(f"it fails as well with {small.model_dump_json()}: {reason}", began)
    return judgement.verdict


def simulate(plan: Plan, build: Path) -> Judgement:
    """Run a plan in a process of its own, and keep its history below `build`."""
    plans, verdicts = simulator()
    print(json.dumps([plan.model_dump(mode="json"), str(build.absolute())]), file=plans)
    verdict = verdicts.readline()
    if not verdict:
        raise RuntimeError(f"seed {plan.seed} could not be simulated; see the traceback above")
    return Judgement.model_validate_json(verdict)


@cache
def simulator() -> tuple[IO[str], IO[str]]:
    """The ends of one.py that take plans and give verdicts; it ends with this process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.simulated.one"],
        env={**os.environ, "PYTHONHASHSEED": HASH_SEED},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=1,
        text=True,
    )
    atexit.register(process.communicate)
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def _tell(what: str, began: float) -> None:
    print(f"{what} ({time.monotonic() - began:.0f} s)", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
