"""The attributes that steps and hooks find on behave's context, by name and type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from acceptance.app.move import AppMove
from acceptance.app.visitor import Visitor
from acceptance.app.whale_script import WhaleScript
from acceptance.base.command import Typed
from acceptance.cluster.cluster import Cluster
from acceptance.cluster.driver_usage import Received
from acceptance.cluster.faults import Faults
from acceptance.cluster.swarm import Swarm
from acceptance.nodes.node import Node
from acceptance.operator import Operator


class Notes:
    """Values that one step of a scenario leaves for a later one, which fails without them."""

    copied_lines: list[str]
    start_seconds: float
    received: Received
    client: str
    script: WhaleScript
    service_node: Node
    service_lines: list[str]
    wanted: str = ""  # the volume that the command before was about, if it was about one


class Context(Protocol):
    """behave's context, which makes every attribute but the cluster anew for each scenario.

    environment.py in the top folder puts them there; `visitor` is for scenarios tagged @browser,
    and `swarm` for those tagged @swarm.

    `typed` and `answers` are what came of the step before: of a command, of several typed at once.
    """

    config: Any
    text: str
    table: Any

    cluster: Cluster
    operator: Operator
    faults: Faults
    app_move: AppMove
    visitor: Visitor
    swarm: Swarm
    notes: Notes

    typed: Typed
    answers: list[Typed]

    def add_cleanup(self, cleanup: Callable[..., object], *arguments: object) -> None:
        """Have something done when the scenario ends, the newest first."""

    def abort(self, reason: str) -> None:
        """End the run after this scenario."""

    def __contains__(self, name: str) -> bool:
        """True if an attribute is there."""
