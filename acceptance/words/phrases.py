"""Looking up what a scenario says in a table of phrases, whose {words} differ from step to step."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

Meaning = TypeVar("Meaning")


def find(said: str, table: Mapping[str, Meaning]) -> tuple[Meaning, dict[str, str]]:
    """Return the meaning of what was said, and its words by name.

    Args:
        table: phrase, such as `the volume "{volume}"`, -> meaning.

    Raises:
        LookupError: no phrase fits.
    """
    for phrase, meaning in table.items():
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^\"]+)", re.escape(phrase))
        if (found := re.fullmatch(pattern, said)) is not None:
            return meaning, found.groupdict()
    raise LookupError(f"no phrase fits: {said}; there are {', '.join(table)}")
