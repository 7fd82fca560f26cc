"""Text from elsewhere, made fit for a terminal and for a line of the journal.

Names, labels and reasons come from people and from other nodes. A control character in one could
move the cursor, and a line break or a character that turns the direction of writing could forge a
line.
"""

from __future__ import annotations

import json
import unicodedata
from typing import Any

# Control characters, formats (the bidirectional ones among them), halves of surrogates, private
# use, unassigned, and the two separators of lines and paragraphs.
_UNFIT = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str) -> str:
    r"""The text with each such character as its escape, `\x1b`; all else stays."""
    return "".join(map(_escaped, text))


def printable_json(text: str) -> str:
    """Written JSON with each such character as its escape, but for line breaks between its parts.

    In strings there are none.
    """
    return "".join(each if each == "\n" else _json_escaped(each) for each in text)


def printable_parts(value: Any) -> Any:
    """A JSON value with all its text made printable, keys included."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [printable_parts(each) for each in value]
    if isinstance(value, dict):
        return {printable(key): printable_parts(each) for key, each in value.items()}
    return value


def _is_unfit(character: str) -> bool:
    return unicodedata.category(character) in _UNFIT


def _escaped(character: str) -> str:
    if _is_unfit(character):
        return character.encode("unicode_escape").decode("ascii")
    return character


def _json_escaped(character: str) -> str:
    return json.dumps(character)[1:-1] if _is_unfit(character) else character
