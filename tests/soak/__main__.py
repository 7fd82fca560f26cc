"""`python -m tests.soak --minutes 30 --seed 1`: random work and faults on the nodes, which are
brought up."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from acceptance.cluster.made import NotOurs
from acceptance.machines.protocol import NodesNotUp
from acceptance.nodes.access import NodeAway
from host.problem import Problem
from tests.soak.on_nodes.run import soak


def main() -> int:
    """Exit status 0: nothing was lost or stuck; 1: something was; 2: usage."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1, help="of what is done and what goes wrong")
    asked = parser.parse_args()
    try:
        outcome = soak(asked.minutes * 60, asked.seed)
    except (NodesNotUp, NodeAway, NotOurs, Problem) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps({**asdict(outcome), "wrong": len(outcome.wrong)}, indent=2))
    for each in outcome.wrong:
        print(each, file=sys.stderr)
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
