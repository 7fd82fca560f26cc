"""Say that a pool is about to be full while everything can still be done about it."""

from __future__ import annotations

from flocker.base.options import about
from flocker.pool.protocol import Usage

FREE_PERCENT = 10


def shortages(usage: Usage) -> list[str]:
    """List what a pool is short of, a sentence each with the command to type."""
    found = []
    if usage.free_bytes * 100 < usage.total_bytes * FREE_PERCENT:
        found.append(_sentence("", usage.free_bytes))
    metadata_bytes = usage.metadata_used_bytes + usage.metadata_free_bytes
    if usage.metadata_free_bytes * 100 < metadata_bytes * FREE_PERCENT:
        found.append(_sentence(" for names and small files (metadata)", usage.metadata_free_bytes))
    return found


def _sentence(what: str, free_bytes: int) -> str:
    free = about(free_bytes) if free_bytes else "no room"
    return (
        f"the pool is nearly full: {free} left{what}; `flocker trash` lists removed volumes, and "
        "`flocker purge` with the name of one frees its space now"
    )
