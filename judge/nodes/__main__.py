"""`python -m judge.nodes --minutes 20 --seed 7`: a random run on the nodes, and its verdict.

The exit status is that of the verdict, as of `python -m judge`; 2 if the nodes are not available.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from acceptance.base.waiting import NeverCame
from acceptance.cluster.made import NotOurs
from acceptance.machines.protocol import NodesNotUp
from acceptance.nodes.access import NodeAway
from host.problem import Problem
from judge.__main__ import STATUS, as_text
from judge.nodes.run import soak

BUILD = Path("build")
UNAVAILABLE = 2


def main() -> int:
    """Run, and print the verdict with the path of the page."""
    parser = argparse.ArgumentParser(
        prog="python -m judge.nodes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--minutes", type=float, required=True, help="length of requests and faults"
    )
    parser.add_argument("--seed", type=int, required=True, help="seed of requests and faults")
    asked = parser.parse_args()
    print(f"seed {asked.seed}, {asked.minutes:g} minutes", flush=True)
    try:
        judgement, folder = soak(asked.minutes * 60, asked.seed, BUILD)
    except (NodesNotUp, NodeAway, NeverCame, NotOurs, Problem) as error:
        print(error, file=sys.stderr)
        return UNAVAILABLE
    print(as_text(judgement, str(folder)))
    print(folder / "index.html")
    return STATUS[judgement.verdict]


if __name__ == "__main__":
    sys.exit(main())
