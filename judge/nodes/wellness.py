"""Signs in what nodes say of themselves that something is wrong with them."""

from __future__ import annotations

import builtins
import re
from typing import Any

TRACEBACK = "Traceback (most recent call last):"
CHAINED = ("The above exception was", "During handling of the above")  # another one follows
FORESEEN = re.compile(r"flocker\.(base\.)?errors\.|ssl\.SSL")


def unwell(status: dict[str, Any]) -> list[str]:
    """List all that is not as it should be when no fault is on and no container runs.

    Args:
        status: what `flocker status --json` prints on a node.
    """
    wrong = [*status["problems"]]
    if not status["is_connected"]:
        wrong.append("etcd does not answer")
    if status["pool_problem"]:
        wrong.append(status["pool_problem"])
    for node in status["nodes"]:
        wrong += [f"{node['name']}: {problem}" for problem in node["problems"]]
        if not node["is_alive"]:
            wrong.append(f"{node['name']} is away")
    for volume in status["volumes"]:
        wrong += [f"{volume['name']}: {each}" for each in _unwell_volume(volume)]
    return wrong


def _unwell_volume(volume: dict[str, Any]) -> list[str]:
    wrong = [f"{node}: {reason}" for node, reason in volume["stuck"].items()]
    if volume["problem"]:
        wrong.append(volume["problem"])
    if volume["move"]:
        wrong.append(f"on its way to {volume['move']['target']}")
    if volume["mounted_on"]:
        wrong.append(f"mounted on {volume['mounted_on']}")
    current = sum(copy["is_current"] for copy in volume["copies"])
    if current < volume["replicas"]:
        wrong.append(f"{current} of {volume['replicas']} replicas are current")
    return wrong


def unforeseen(journal: str) -> list[str]:
    """The tracebacks of errors that nobody foresaw, in a journal of the driver."""
    found = []
    for block in journal.split(TRACEBACK)[1:]:
        lines = block.splitlines()
        end = next((line for line in lines[1:] if line and not line.startswith(" ")), "")
        trace, _, rest = block.partition(end)
        if not _is_foreseen(end) and not rest.strip().startswith(CHAINED):
            found.append(f"{TRACEBACK}{trace}{end}")
    return found


def _is_foreseen(error: str) -> bool:
    name = error.partition(":")[0]
    kind = getattr(builtins, name, None)
    is_os_error = isinstance(kind, type) and issubclass(kind, OSError)
    return is_os_error or FORESEEN.match(error) is not None
