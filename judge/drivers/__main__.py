"""`python -m judge.drivers PROFILE`: judge a Docker volume driver by 35 behaviours.

The exit status is 0 if nothing failed, 1 if something did, and 2 if the profile or the inventory is
wrong.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from acceptance.base.direct import direct_connections
from acceptance.machines import inventory
from acceptance.machines.inventory import BadInventory
from host import BUILD
from judge.drivers import matrix
from judge.drivers.behaviours import BEHAVIOURS
from judge.drivers.levels import Equipment, outcomes
from judge.drivers.profile import BadProfile, Profile, read
from judge.drivers.table import progress, table
from judge.drivers.verdicts import BehaviourVerdict, TrialOutcome, Verdict, join
from judge.machine.mounts import leave_the_machines_mounts

MATRIX = BUILD / "drivers.json"
RESULTS = BUILD / "allure-results"


def judge(
    profile: Profile, equipment: Equipment, tell: Callable[[TrialOutcome], None]
) -> dict[int, BehaviourVerdict]:
    """The finding on each behaviour; `tell` hears of every trial as it ends."""
    found = []
    for outcome in outcomes(profile, equipment):
        found.append(outcome)
        tell(outcome)
    return {each.number: join(each, profile.claims, found) for each in BEHAVIOURS}


def main() -> int:
    """Judge the driver, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m judge.drivers", description=__doc__)
    parser.add_argument("profile", type=Path, metavar="PROFILE")
    parser.add_argument("--json", action="store_true", help="print the verdicts as JSON")
    parser.add_argument("--nodes", action="store_true", help="use the Vagrantfile's nodes")
    parser.add_argument("--inventory", type=Path, help="use the servers that this file lists")
    arguments = parser.parse_args()
    try:
        profile = read(arguments.profile)
        if arguments.inventory is not None:
            inventory.read(arguments.inventory)
    except (BadProfile, BadInventory) as error:
        print(error, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _interrupt)
    leave_the_machines_mounts()
    try:
        with direct_connections():
            equipment = Equipment(arguments.nodes, arguments.inventory, RESULTS)
            findings = judge(profile, equipment, _print_progress)
    except KeyboardInterrupt:
        return 130
    column = matrix.column(profile.title, datetime.now(UTC).isoformat(timespec="seconds"), findings)
    matrix.add(MATRIX, arguments.profile.stem, column)
    print(json.dumps(column, indent=2) if arguments.json else table(profile.title, findings))
    return int(any(each.verdict is Verdict.FAILED for each in findings.values()))


def _print_progress(outcome: TrialOutcome) -> None:
    print(progress(outcome), file=sys.stderr, flush=True)


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
