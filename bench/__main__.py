"""`python -m bench`: measure on the nodes, which are up; write docs/benchmark.md and its plot."""

from __future__ import annotations

import argparse
import sys

from acceptance.base.direct import direct_connections
from acceptance.cluster.cluster import Cluster
from acceptance.machines.vagrant import VagrantMachines
from bench import document, machine, plot, promises, record
from bench.run import PARTS, Run
from host import ROOT

RESULTS = ROOT / "build" / "bench" / "results.json"
DOCUMENT = ROOT / "docs" / "benchmark.md"
PLOT = ROOT / "docs" / "benchmark.svg"


def main() -> int:
    """Exit status 0: all was measured, kept or missed; 1: something could not be; 2: usage."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only",
        choices=PARTS,
        metavar="NAME",
        help=f"one part of it ({', '.join(PARTS)}); docs/ is left as it is then",
    )
    only = parser.parse_args().only
    with direct_connections():
        cluster = Cluster(VagrantMachines(), keeps_nodes=True)
        cluster.up()
        try:
            facts = machine.facts(cluster)  # first: what cannot be asked costs no measurement
            with Run(cluster) as run:
                run.measure(PARTS if only is None else (only,))
        finally:
            cluster.down()
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(record.to_json(run.results, facts))
    verdicts = promises.judge(run.results)
    text = document.write(run.results, verdicts, facts)
    if only is None:
        DOCUMENT.write_text(text)
        plot.draw(run.results, PLOT)
        print(f"written: {DOCUMENT.relative_to(ROOT)}, {PLOT.relative_to(ROOT)}", file=sys.stderr)
    else:
        print(text)
    for failure in run.results.failures:
        print(f"not measured: {failure}", file=sys.stderr)
    return 1 if run.results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
