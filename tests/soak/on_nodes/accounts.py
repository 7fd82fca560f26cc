"""The lines that containers were told are on disk, and where these are in the end.

A line names its node, one run of the container there, and its number in that run.
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

LINE = re.compile(r"node\d+\.[0-9a-f]{8}\.[1-9]\d*")


def lines_in(printed: str) -> list[str]:
    """The lines of containers, in what was printed."""
    return [line for line in printed.splitlines() if LINE.fullmatch(line)]


class Accounts:
    """Keeps the acknowledged lines of each volume; any number of threads may tell."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._acknowledged: defaultdict[str, set[str]] = defaultdict(set)

    def add(self, volume: str, lines: Iterable[str]) -> None:
        with self._lock:
            self._acknowledged[volume].update(lines)

    def count(self) -> int:
        """How many lines were acknowledged."""
        with self._lock:
            return sum(map(len, self._acknowledged.values()))

    def judge(
        self,
        volume: str,
        live: Sequence[str],
        asides: Mapping[str, Sequence[str]],
        *,
        was_promoted: bool,
    ) -> list[str]:
        """Tell what is wrong with a volume's lines.

        Args:
            live: those in the volume.
            asides: those in its copies of owners that were replaced, by reference.
            was_promoted: whether there may be such copies.
        """
        wrong = [f"{volume}: {each}" for each in out_of_order(live)]
        for reference, lines in asides.items():
            wrong += [f"{reference}: {each}" for each in out_of_order(lines)]
        if asides and not was_promoted:
            wrong.append(f"{volume} was never promoted, and has {', '.join(asides)}")
        with self._lock:
            lost = self._acknowledged[volume].difference(live, *asides.values())
        if lost:
            wrong.append(f"{volume}: {len(lost)} acknowledged lines are lost: {sorted(lost)[:10]}")
        return wrong


def out_of_order(lines: Iterable[str]) -> list[str]:
    """The lines at which a run does not count on from its last one.

    A copy of any state of the volume holds the first lines of each run, without a gap.
    """
    last: defaultdict[str, int] = defaultdict(int)
    wrong = []
    for line in lines:
        if LINE.fullmatch(line) is None:
            wrong.append(f"nobody wrote {line!r}")
            continue
        run, _, number = line.rpartition(".")
        if int(number) != last[run] + 1:
            wrong.append(f"{line} follows {run}.{last[run]}")
        last[run] = int(number)
    return wrong
