"""The references by which people name what was put aside; those of one pool are unlike."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Names:
    """The names by which people know a node and the volumes in its pools.

    Attributes:
        node: that of the host if the cluster gives no other.
        of: a volume's name by its id; the id while no name is known.
    """

    node: str = field(default_factory=lambda: os.uname().nodename)
    of: Callable[[str], str] = lambda volume_id: volume_id


def unused(reference: str, taken: Collection[str]) -> str:
    """The reference, or with -2, -3 ... where several were put aside in one second."""
    found, number = reference, 1
    while found in taken:
        number += 1
        found = f"{reference}-{number}"
    return found
