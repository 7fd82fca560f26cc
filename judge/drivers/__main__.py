"""`python -m judge.drivers PROFILE`: judge a Docker volume driver by 35 behaviours."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from host import BUILD
from judge.drivers import matrix
from judge.drivers.behaviours import BEHAVIOURS, Level
from judge.drivers.here import at_hand
from judge.drivers.profile import BadProfile, Profile, read
from judge.drivers.socket_trials import SOCKET_TRIALS, SocketStage
from judge.drivers.table import progress, table
from judge.drivers.trial import NotTried, Trial, try_all
from judge.drivers.verdicts import Finding, Outcome, Verdict, join
from judge.machine.mounts import leave_the_machines_mounts

MATRIX = BUILD / "drivers.json"
BUILT_IN = "the driver is part of the engine and has no socket"
NOT_HERE = "the profile does not say how to reach the driver on this machine (here)"


def judge(profile: Profile, tell: Callable[[Outcome], None]) -> dict[int, Finding]:
    """The finding on each behaviour; `tell` hears of every trial as it ends."""
    outcomes = []
    for outcome in on_this_machine(profile):
        outcomes.append(outcome)
        tell(outcome)
    return {each.number: join(each, profile.claims, outcomes) for each in BEHAVIOURS}


def on_this_machine(profile: Profile) -> Iterator[Outcome]:
    """Try levels 1 and 2."""
    if profile.here is None:
        yield from _untried(SOCKET_TRIALS, Level.SOCKET, profile, NOT_HERE)
        return
    try:
        with at_hand(profile, profile.here) as driver:
            if driver.plugin is None:
                yield from _untried(SOCKET_TRIALS, Level.SOCKET, profile, BUILT_IN)
            else:
                stage = SocketStage(driver.plugin, profile, driver.words)
                yield from try_all(SOCKET_TRIALS, stage, Level.SOCKET, profile.claims)
    except NotTried as reason:
        yield from _untried(SOCKET_TRIALS, Level.SOCKET, profile, str(reason))


def _untried(
    trials: tuple[Trial[SocketStage], ...], level: Level, profile: Profile, reason: str
) -> Iterator[Outcome]:
    claimed = [trial.behaviour for trial in trials if trial.is_claimed(profile.claims)]
    for behaviour in dict.fromkeys(claimed):
        yield Outcome(behaviour, level, Verdict.NOT_TRIED, reason)


def main() -> int:
    """Exit status 0: nothing failed; 1: something did; 2: the profile is wrong."""
    parser = argparse.ArgumentParser(prog="python -m judge.drivers", description=__doc__)
    parser.add_argument("profile", type=Path, metavar="PROFILE")
    parser.add_argument("--json", action="store_true", help="print the verdicts as JSON")
    arguments = parser.parse_args()
    try:
        profile = read(arguments.profile)
    except BadProfile as error:
        print(error, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _interrupt)
    leave_the_machines_mounts()
    try:
        findings = judge(profile, lambda outcome: print(progress(outcome), file=sys.stderr))
    except KeyboardInterrupt:
        return 130
    column = matrix.column(profile.title, datetime.now(UTC).isoformat(timespec="seconds"), findings)
    matrix.add(MATRIX, arguments.profile.stem, column)
    print(json.dumps(column, indent=2) if arguments.json else table(profile.title, findings))
    return int(any(each.verdict is Verdict.FAILED for each in findings.values()))


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
