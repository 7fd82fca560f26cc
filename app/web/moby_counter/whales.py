"""A whale and its written form: pure rules, no HTTP and no storage."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_COORDINATE = 10_000  # CSS pixels; wider than any screen, and a page can still scroll there
MAX_WHALE_BYTES = len(f"{MAX_COORDINATE}:{MAX_COORDINATE}")

# One way to write each whale, so that what is listed is, byte for byte, what was posted.
_WHALE = re.compile(rb"(0|[1-9][0-9]{0,4}):(0|[1-9][0-9]{0,4})")


class BadWhale(ValueError):
    """The text is not a whale; the message says what one looks like."""


@dataclass(frozen=True)
class Whale:
    """Where a visitor clicked, in CSS pixels from the top left corner of the sea."""

    x: int
    y: int

    def __str__(self) -> str:
        return f"{self.x}:{self.y}"


def parse_whale(text: bytes) -> Whale:
    """Read `x:y`, two whole numbers from 0 to `MAX_COORDINATE`, without blanks or leading zeros.

    Raises:
        BadWhale: anything else.
    """
    match = _WHALE.fullmatch(text)
    if match:
        whale = Whale(int(match[1]), int(match[2]))
        if max(whale.x, whale.y) <= MAX_COORDINATE:
            return whale
    raise BadWhale(f"a whale is x:y, two whole numbers from 0 to {MAX_COORDINATE}, such as 120:80")
