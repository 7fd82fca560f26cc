"""Where a whale is."""

from __future__ import annotations

from typing import NamedTuple


class Whale(NamedTuple):
    """A whale's centre, in whole CSS pixels from the top left corner of the sea."""

    x: int
    y: int

    @classmethod
    def at(cls, x: float, y: float) -> Whale:
        """The whale that is drawn with its centre there; a page may draw between two pixels."""
        return cls(round(x), round(y))

    @classmethod
    def parse(cls, text: object) -> Whale:
        """Read "x:y", as the app has it.

        Raises:
            ValueError: it is something else.
        """
        x, colon, y = str(text).partition(":")
        if not (colon and x.isdecimal() and y.isdecimal()):
            raise ValueError(f"expected a whale as x:y, got {text!r}")
        return cls(int(x), int(y))

    def __repr__(self) -> str:
        return f"{self.x}:{self.y}"
