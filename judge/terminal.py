"""Text from a driver or a history, made fit for a terminal: neither is this program's own."""

from __future__ import annotations


def one_line(text: str) -> str:
    r"""The text with each character that is not shown as its escape, `\x1b`; all else stays."""
    return "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")
