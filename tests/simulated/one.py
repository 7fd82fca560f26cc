"""Simulates what it is asked for: `python -m tests.simulated.one`, started by `__main__`.

Each line of its standard input is a plan and a folder, as JSON. Each plan is simulated in a copy
of this process (a fork), so that nothing is left of one when the next begins. To import the driver
takes as long as two simulated minutes and is done only once.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.simulated import substitutes


def main() -> int:
    """Print a verdict (JSON) for each plan; the exit status is 1 once a simulation has failed."""
    substitutes.put_in_place()
    # Only now: what these import must be made of the simulation's threads and clocks.
    from judge.results import keep
    from tests.simulated.mutants import MUTANTS
    from tests.simulated.plan import Plan
    from tests.simulated.run import simulate

    def print_verdict(plan: Any, build: str) -> None:
        asked = Plan.model_validate(plan)
        if asked.mutant:
            MUTANTS[asked.mutant]()
        judgement, _ = keep(simulate(asked), Path(build))
        print(judgement.model_dump_json(), flush=True)

    gc.collect()
    gc.freeze()  # what is there already need not be looked at again
    for line in sys.stdin:
        plan, build = json.loads(line)
        if not _succeeds_in_a_copy(lambda plan=plan, build=build: print_verdict(plan, build)):
            return 1
    return 0


def _succeeds_in_a_copy(work: Callable[[], None]) -> bool:
    copy = os.fork()
    if copy:
        _, status = os.waitpid(copy, 0)
        return status == 0
    status = 1
    try:
        work()
        status = 0
    except Exception:  # shown, and told by the status; let through, the copy would be the original
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    finally:
        os._exit(status)  # only the original has anything to tidy up


if __name__ == "__main__":
    sys.exit(main())
