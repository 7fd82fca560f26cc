"""Chance that is the same in every run with the same seed."""

from __future__ import annotations

from random import Random


def seeded(*of: object) -> Random:
    """Random numbers that follow from these values alone."""
    return Random(" ".join(map(str, of)))  # noqa: S311 - nothing is kept secret with it
