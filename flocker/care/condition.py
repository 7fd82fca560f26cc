"""The condition of a node: what does not work, and what the other nodes go by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flocker.base.errors import PoolHangs
from flocker.base.records import Look
from flocker.moving.follower import Follower
from flocker.moving.giving_up import GivingUp
from flocker.moving.publisher import Publisher
from flocker.node.context import NodeContext
from flocker.pool.protocol import Usage
from flocker.pool.shortages import shortages


class Condition:
    """The condition of one node, for people and for its announcements.

    Args:
        sources: each lists problems, one sentence each; in the order in which people read them.
        usage: reads that of the pool; raises PoolHangs rather than wait for its disk.
    """

    def __init__(
        self,
        sources: Sequence[Callable[[], list[str]]],
        *,
        usage: Callable[[], Usage],
        publisher: Publisher,
        follower: Follower,
        giving_up: GivingUp,
    ) -> None:
        self._sources = sources
        self._read_usage = usage
        self._usage: Usage | None = None
        self._publisher = publisher
        self._follower = follower
        self._giving_up = giving_up

    def problems(self) -> list[str]:
        """The problems of this node."""
        return [problem for read in self._sources for problem in read()] + self._shortages()

    def usage(self) -> Usage:
        """The room of the pool; as it was when the pool last answered, if it hangs.

        Raises:
            PoolHangs: it never answered.
        """
        try:
            self._usage = self._read_usage()
        except PoolHangs:
            if self._usage is None:
                raise
        return self._usage

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

    def _shortages(self) -> list[str]:
        try:
            return shortages(self._read_usage())
        except PoolHangs as error:
            return [str(error)]


def clock_problems(context: NodeContext) -> list[str]:
    """Why nothing is deleted for good now: clocks disagree. Unknown while etcd is away."""
    if not context.mirror.is_connected:
        return []
    doubt = context.retention.observed.doubt(context.mirror.state)
    return [doubt] if doubt else []
