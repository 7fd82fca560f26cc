"""One simulation, in a process that does nothing else: `python -m tests.simulated.one PLAN BUILD`.

Writes the history and its page below BUILD, and the verdict to the standard output. `__main__`
starts these processes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.simulated import substitutes


def main(plan: str, build: Path) -> None:
    """Simulate a plan (JSON), keep its history and print its verdict (JSON)."""
    substitutes.put_in_place()
    # Only now: what these import must be made of the simulation's threads and clocks.
    from judge.results import keep
    from tests.simulated.mutants import MUTANTS
    from tests.simulated.plan import Plan
    from tests.simulated.run import simulate

    asked = Plan.model_validate_json(plan)
    if asked.mutant:
        MUTANTS[asked.mutant]()
    judgement, _ = keep(simulate(asked), build)
    print(judgement.model_dump_json())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
