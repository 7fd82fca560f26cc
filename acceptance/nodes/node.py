"""One node as a person at a keyboard has it: typed on, asked, looked at."""

from __future__ import annotations

import json
import time
from typing import Any

from invoke.exceptions import CommandTimedOut
from paramiko import SSHException

from acceptance.base.command import COMMAND_SECONDS, TIMED_OUT, Typed
from acceptance.base.speed import Limit
from acceptance.nodes.access import Access, NodeAway
from acceptance.nodes.engine import Engine, Thing

DRIVER = "flocker"
BROKEN_OFF = -1  # of a command whose connection ended before it did; source: paramiko


class Node:
    """One node: its shell, its engine, its address.

    `is_well` is false while a fault keeps it from answering or from knowing what the others do.
    """

    def __init__(self, access: Access, engine: Engine) -> None:
        self.name = access.name
        self.address = access.address
        self._access = access
        self.engine = engine
        self.is_well = True
        self._shell = access.shell

    @property
    def user(self) -> str:
        """The name of the user who types on it."""
        return str(self._shell.user)

    @property
    def hostname(self) -> str:
        """The name that the machine gives itself."""
        return self.run("cat /etc/hostname").strip()

    def type(
        self, command: str, within: float = COMMAND_SECONDS, *, at_terminal: bool = False
    ) -> Typed:
        """Type a command into a shell on the node, as `user`.

        Args:
            within: seconds on nodes as quick as this machine; a command that takes longer counts
                as failed with status 124.
            at_terminal: whether the command sees a terminal, as it does for a person who watches.

        Raises:
            NodeAway: the node does not answer, or went away while the command ran.
        """
        seconds = Limit(within).seconds
        started = time.monotonic()
        try:
            self._shell.open()
            done = self._shell.run(
                command, hide=True, warn=True, in_stream=False, timeout=seconds, pty=at_terminal
            )
        except (OSError, EOFError, SSHException) as error:
            raise self.away(error) from error
        except CommandTimedOut as error:
            output = f"{error.result.stdout}{error.result.stderr}\n(no end after {seconds:.3g} s)"
            took = time.monotonic() - started
            return Typed(self.user, self.name, command, output, TIMED_OUT, took)
        if done.exited == BROKEN_OFF:
            raise self.away(f"it went away while `{command}` ran")
        output = f"{done.stdout}{done.stderr}"
        return Typed(self.user, self.name, command, output, done.exited, time.monotonic() - started)

    def things(self) -> frozenset[Thing]:
        """The containers, volumes and networks that its engine has.

        Raises:
            EngineSilent: the engine does not answer.
        """
        return self.engine.things()

    def away(self, reason: object) -> NodeAway:
        """The error for a node that does not answer."""
        return self._access.away(reason)

    def run(self, command: str) -> str:
        """Return the output of a command that must not fail.

        Raises:
            RuntimeError: it ended with another status than 0.
        """
        typed = self.type(command)
        if typed.exit_status != 0:
            raise RuntimeError(f"`{command}` on {self.name} failed: {typed.output}")
        return typed.output

    def flocker(self, command: str) -> Any:
        """Return the answer of the `flocker` command with `--json`.

        Raises:
            RuntimeError: it was refused.
        """
        return json.loads(self.run(f"sudo flocker {command} --json"))

    def knows(self) -> set[str]:
        """The nodes, itself included, that it takes to be alive."""
        nodes = self.flocker("status")["nodes"]
        return {str(known["name"]) for known in nodes if known["is_alive"]}

    def problems_of(self, name: str) -> list[str]:
        """Return the problems of a node, itself or another, as this node knows them."""
        nodes = self.flocker("status")["nodes"]
        return [str(each) for node in nodes if node["name"] == name for each in node["problems"]]

    def restart(self, service: str) -> float:
        """Restart a service of the node; return how many seconds it took until it was ready."""
        started = time.monotonic()
        self.run(f"sudo systemctl restart {service}")
        return time.monotonic() - started

    def close(self) -> None:
        """Let go of the connections; the next question makes new ones."""
        self._shell.close()
        self.engine.close()
