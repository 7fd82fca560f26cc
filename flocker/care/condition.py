"""The condition of a node: what does not work, and what the other nodes go by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flocker.base.records import Look
from flocker.moving.follower import Follower
from flocker.moving.giving_up import GivingUp
from flocker.moving.publisher import Publisher
from flocker.node.context import NodeContext


class Condition:
    """The condition of one node, for people and for its announcements.

    Args:
        sources: each lists problems, one sentence each; in the order in which people read them.
    """

    def __init__(
        self,
        sources: Sequence[Callable[[], list[str]]],
        *,
        publisher: Publisher,
        follower: Follower,
        giving_up: GivingUp,
    ) -> None:
        self._sources = sources
        self._publisher = publisher
        self._follower = follower
        self._giving_up = giving_up

    def problems(self) -> list[str]:
        """The problems of this node."""
        return [problem for read in self._sources for problem in read()]

    def stuck(self) -> dict[str, str]:
        """Volume id -> why its copy here does not get any further."""
        return self._follower.stuck()

    def last_look(self) -> Look | None:
        """Up to when the volumes here were looked at."""
        return self._publisher.last_look()

    def gives_up(self) -> bool:
        """Tell whether this node's auto volumes are left to others."""
        return self._giving_up.is_done

    def is_silent(self) -> bool:
        """Tell whether this node's lease is to end."""
        return self._giving_up.is_silent


def clock_problems(context: NodeContext) -> list[str]:
    """Why nothing is deleted for good now: clocks disagree. Unknown while etcd is away."""
    if not context.mirror.is_connected:
        return []
    doubt = context.retention.observed.doubt(context.mirror.state)
    return [doubt] if doubt else []
