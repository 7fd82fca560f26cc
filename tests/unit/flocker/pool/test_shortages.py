"""A shortage is told while there is still room, and only then."""

from __future__ import annotations

import pytest

from flocker.pool.protocol import Usage
from flocker.pool.shortages import shortages

GIB = 1 << 30
MIB = 1 << 20


def usage(free_bytes: int, metadata_free_bytes: int = 200 * MIB) -> Usage:
    return Usage(0, 10 * GIB, free_bytes, 50 * MIB, metadata_free_bytes)


@pytest.mark.parametrize("enough", [usage(10 * GIB), usage(GIB), usage(GIB, 6 * MIB)])
def test_a_pool_with_a_tenth_free_has_room(enough: Usage) -> None:
    assert shortages(enough) == []


@pytest.mark.parametrize(
    ("short", "said"),
    [
        (usage(GIB - 1), "the pool is nearly full: 1024 MiB left; "),
        (usage(0), "the pool is nearly full: no room left; "),
        (usage(GIB, 5 * MIB), "5 MiB left for names and small files (metadata); "),
        (usage(GIB, 0), "no room left for names and small files (metadata); "),
    ],
)
def test_a_pool_with_less_says_what_is_short_and_what_to_type(short: Usage, said: str) -> None:
    [shortage] = shortages(short)
    assert said in shortage
    assert "`flocker purge`" in shortage


def test_both_may_be_short() -> None:
    assert len(shortages(usage(0, 0))) == 2
