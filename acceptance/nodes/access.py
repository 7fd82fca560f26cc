"""The way to one node, and the error for a node that does not answer."""

from __future__ import annotations

from dataclasses import dataclass

from paramiko import BadHostKeyException

from acceptance.nodes.shell import Shell


class NodeAway(Exception):
    """A node does not answer; the message says which, where, and what to type."""


@dataclass(frozen=True)
class Access:
    """The way to one node: a shell on it, and the address by which everybody reaches it.

    `rescue` is what a person types when it does not answer.
    """

    name: str
    address: str
    shell: Shell
    rescue: str

    def away(self, reason: object) -> NodeAway:
        """The error for a node that does not answer, or for who answers in its place."""
        if isinstance(reason, BadHostKeyException):
            return NodeAway(
                f"who answers for {self.name} at {self.shell.host} shows another host key than "
                f"{self.shell.known_hosts} has for it; nothing was typed there. If you know why it "
                f"changed, remove that line, and type: {self.rescue}"
            )
        return NodeAway(
            f"{self.name} does not answer at {self.address} ({reason}); to bring it back or to see "
            f"why, type: {self.rescue}"
        )
