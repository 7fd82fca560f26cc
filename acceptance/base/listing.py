"""Reading what commands print for people."""

from __future__ import annotations

import re
from collections.abc import Sequence

BETWEEN_COLUMNS = re.compile(r" {2,}")  # a cell may hold single blanks
PERCENT = re.compile(r"(\d+) ?%")


def columns(printed: str, headings: Sequence[str]) -> list[tuple[str, ...]]:
    """Some columns of a table as `docker ps` and `flocker` print them, a tuple for each line.

    Raises:
        ValueError: it has no such column.
    """
    head, *lines = printed.strip().splitlines()
    starts = {found.group(): found.start() for found in re.finditer(r"\S+(?: \S+)*", head)}
    if missing := [heading for heading in headings if heading not in starts]:
        raise ValueError(f"no column {', '.join(missing)} in: {head}")
    return [
        tuple(BETWEEN_COLUMNS.split(line[starts[heading] :], maxsplit=1)[0] for heading in headings)
        for line in lines
    ]


def percentages(printed: str) -> list[int]:
    """Every percentage shown, in the order it was shown in."""
    return [int(found) for found in PERCENT.findall(printed)]
