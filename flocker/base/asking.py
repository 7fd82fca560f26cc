"""Questions to several nodes at once: together they take as long as the slowest answer."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from flocker.base.errors import FlockerError

Reply = TypeVar("Reply")


def ask_all(
    nodes: Collection[str], ask: Callable[[str], Reply]
) -> tuple[dict[str, Reply], list[str]]:
    """Ask each node, and return the answers and the nodes that gave none, sorted by name.

    Args:
        ask: must be bounded in time, and may raise a FlockerError: the node gave no answer.
    """
    if not nodes:
        return {}, []
    with ThreadPoolExecutor(len(nodes), "ask") as threads:
        asked = {node: threads.submit(ask, node) for node in sorted(nodes)}
    replies, silent = {}, []
    for node, reply in asked.items():
        try:
            replies[node] = reply.result()
        except FlockerError:
            silent.append(node)
    return replies, silent
