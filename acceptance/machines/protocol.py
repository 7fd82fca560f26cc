"""The nodes from outside: machines that Vagrant made, or existing servers."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from pathlib import Path
from typing import Protocol

from acceptance.nodes.access import Access

NOTES = "/etc/volume-plugins-demo"
"""Where the demo notes on a machine what it did there."""


class NodesNotUp(Exception):
    """The nodes could not be brought up; the message says why and where to look."""


class Ability(Enum):
    """An act on machines besides typing on them."""

    VAGRANT = auto()  # they can be addressed as a person addresses them who has Vagrant
    POWER = auto()  # power_off, power_on
    PAUSE = auto()  # pause, resume
    FORGET = auto()  # power_off loses what was in memory only


class Machines(Protocol):
    """All machines of one cluster."""

    @property
    def kind(self) -> str:
        """Their kind, in a word for the report."""

    @property
    def lock(self) -> Path:
        """The file that the one run holds which may use them; see host.turn."""

    @property
    def certificates(self) -> Path:
        """The folder with the operator's ca.pem, cert.pem and key.pem."""

    @property
    def abilities(self) -> frozenset[Ability]:
        """The acts that every one of them permits."""

    def up(self) -> None:
        """Make every machine run as a node.

        Raises:
            NodesNotUp: one does not.
        """

    def take_back(self) -> None:
        """Take away what `up` brought up, also when it got half-way only."""

    def access(self) -> Sequence[Access]:
        """The ways to all nodes, by name. They are opened by whoever uses them."""

    def is_reachable(self) -> bool:
        """True if traffic for the nodes gets to them, and to nobody else."""

    def power_off(self, node: str) -> None:
        """Take a node's power away: nothing on it is told, nothing is closed."""

    def power_on(self, node: str) -> None:
        """Start a node that is off; return when its engine and its driver answer."""

    def pause(self, node: str) -> None:
        """Stop time on a node: nothing on it runs, nothing of it is lost."""

    def resume(self, node: str) -> None:
        """Let time go on."""
