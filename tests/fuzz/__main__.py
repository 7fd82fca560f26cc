"""Random streams for a while, as root: `python -m tests.fuzz --seconds 60 --seed 1`."""

import argparse

from tests.contract.flocker.conftest import mounted_btrfs
from tests.fuzz import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print("read:", dict(run.read(given.seconds / 2, given.seed)))
    with mounted_btrfs() as root:
        print("applied:", dict(run.apply(given.seconds / 2, given.seed, root)))


main()
