"""The border between clients and what they work with: real nodes, or twins of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from judge.history import Action, Plain, Sample, Segment


class Refused(Exception):
    """The request was not done, and will not be; the message is the driver's."""


class Unanswered(Exception):
    """Nobody knows about the request: it was done, or not, or is done later."""


class Request(Plain):
    """Something to ask of a node; the fields are those of `judge.history.Asked`."""

    action: Action
    node: str
    volume: str
    detail: str = ""


class Content(Plain):
    """The lines in a volume, as in `judge.history.Read`."""

    seen: tuple[Segment, ...] = ()
    damaged: tuple[str, ...] = ()


class Cluster(Protocol):
    """Nodes with a volume driver.

    A cluster is made with the `Recorder` of its run, and notes there what its writers do:
    WriterStarted, Wrote, WriterStopped. It also notes promotions, also those that nobody asked for.
    """

    @property
    def nodes(self) -> Sequence[str]:
        """The names of the nodes."""

    def do(self, request: Request) -> str:
        """Do what is asked for, and return when it is done.

        START starts the one container that writes to the volume on that node, if none runs there;
        STOP stops it, and is done if none runs there.

        Returns:
            The reference of the snapshot that SNAPSHOT took; else nothing.

        Raises:
            Refused, Unanswered: as these say.
        """

    def read(self, node: str, volume: str) -> Content:
        """Mount a volume on a node, and read all lines in it; raises as `do`."""

    def sample(self, node: str) -> list[Sample]:
        """All volumes as the driver on a node says now; empty if it does not answer."""
