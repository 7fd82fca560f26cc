"""The references by which people name what was put aside; those of one pool are unlike."""

from __future__ import annotations

from collections.abc import Collection


def unused(reference: str, taken: Collection[str]) -> str:
    """The reference, or with -2, -3 ... where several were put aside in one second."""
    found, number = reference, 1
    while found in taken:
        number += 1
        found = f"{reference}-{number}"
    return found
