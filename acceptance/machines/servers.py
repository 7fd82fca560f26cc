"""Existing servers as nodes: checked, set up over ssh, and never removed."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from paramiko import SSHException

from acceptance.base.ports import DRIVER_PORT
from acceptance.base.waiting import eventually
from acceptance.machines import inventory, preflight
from acceptance.machines.facts import FOLDER, SCENARIOS_MARK
from acceptance.machines.installation import Installation
from acceptance.machines.preflight import Check
from acceptance.machines.protocol import Ability, NodesNotUp
from acceptance.machines.remote import Remote, on_all
from acceptance.nodes.access import Access
from acceptance.nodes.engine import Engine, EngineSilent
from acceptance.nodes.watchful import CONNECT_SECONDS
from host import routes

BACK_SECONDS = 300
SWITCH_SECONDS = 120  # a machine's own controller may be slow, and may hang


class SwitchFailed(Exception):
    """A command of the inventory that switches a server failed."""

    def __init__(self, node: str, how: str) -> None:
        super().__init__(
            f"a command of {node}'s `power` in the inventory {how}; type it to see why"
        )


class Servers:
    """The servers of an inventory.

    The cluster's keys lie beside the inventory: both live as long as the cluster does, and
    `make clean` knows of neither.
    """

    def __init__(self, path: Path) -> None:
        """Read the inventory.

        Raises:
            BadInventory: it has mistakes.
        """
        self._path = path
        nodes = inventory.read(path).nodes
        self._remotes = {name: Remote(name, server) for name, server in nodes.items()}
        self._keys = path.with_suffix(".certs")
        self._installation = Installation(list(self._remotes.values()), self._keys)
        self._interfaces: dict[str, str | None] = {}

    @property
    def kind(self) -> str:
        return f"servers of {self._path.name}"

    @property
    def lock(self) -> Path:
        return self._path.with_suffix(".lock")

    @property
    def certificates(self) -> Path:
        return self._keys / "operator"

    @property
    def abilities(self) -> frozenset[Ability]:
        switches = [remote.server.power for remote in self._remotes.values()]
        found = set()
        if all(switch.off for switch in switches):
            found |= {Ability.POWER, Ability.FORGET}
        if all(switch.pause for switch in switches):
            found.add(Ability.PAUSE)
        return frozenset(found)

    def up(self) -> None:
        """Make the servers nodes, and theirs who run scenarios; see Machines."""
        self.install(preflight.BEFORE_SCENARIOS)
        on_all(_reach, self._remotes.values())
        on_all(lambda remote: remote.run_as_root(f"touch {SCENARIOS_MARK}"), self._remotes.values())

    def install(self, checks: Sequence[Check] = preflight.BEFORE_INSTALLING) -> None:
        """Make nodes of the servers, or bring those that are nodes up to date.

        Raises:
            NodesNotUp: one line per thing to mend; or a server could not be made a node.
        """
        self._installation.run(checks)
        self._interfaces = self._interfaces_now()

    def are_used_by_scenarios(self) -> bool:
        """True if scenarios ran on one of them since `give_back`.

        Raises:
            NodesNotUp: a server cannot be reached.
        """
        return any(found.is_used_by_scenarios for found in self._installation.check(()).values())

    def give_back(self) -> None:
        """Say on each server that nothing on it is the scenarios' any more."""
        on_all(lambda remote: remote.run_as_root(f"rm -f {SCENARIOS_MARK}"), self._remotes.values())

    def access(self) -> Sequence[Access]:
        return [remote.access for remote in self._remotes.values()]

    def is_reachable(self) -> bool:
        """True if packets for each server leave as they did when it was last logged in to.

        A VPN that went down would have them leave by the default route, to whoever has such an
        address there.
        """
        return self._interfaces_now() == self._interfaces

    def take_back(self) -> None:
        """Servers stay what they are: nodes."""

    def power_off(self, node: str) -> None:
        self._switch(node, self._remotes[node].server.power.off)

    def power_on(self, node: str) -> None:
        remote = self._remotes[node]
        self._switch(node, remote.server.power.on)
        remote.shell.close()
        eventually(
            lambda: _is_back(remote),
            is_=True,
            within=BACK_SECONDS,
            not_yet=(OSError, EOFError, SSHException, NodesNotUp),
        )

    def pause(self, node: str) -> None:
        self._switch(node, self._remotes[node].server.power.pause)

    def resume(self, node: str) -> None:
        self._switch(node, self._remotes[node].server.power.resume)

    def _switch(self, name: str, command: str | None) -> None:
        assert command is not None, f"the inventory has no such switch for {name}; see abilities"
        # Neither the command nor its output goes into the report: it may have a password in it.
        try:
            done = subprocess.run(
                ["bash", "-c", command],
                stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=SWITCH_SECONDS,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise SwitchFailed(name, f"took longer than {SWITCH_SECONDS} s") from None
        if done.returncode:
            raise SwitchFailed(name, f"ended with status {done.returncode}")

    def _interfaces_now(self) -> dict[str, str | None]:
        """Node -> the interface by which packets for it leave."""
        known = routes.read()
        return {
            name: routes.interface_to(remote.server.address, known)
            for name, remote in self._remotes.items()
        }


def _reach(remote: Remote) -> None:
    """Fail where this machine does not get to what scenarios use."""
    try:
        socket.create_connection((remote.address, DRIVER_PORT), CONNECT_SECONDS).close()
    except OSError as error:
        raise NodesNotUp(
            f"{remote.name}: {remote.address} does not let this machine to port {DRIVER_PORT} "
            f"({error}); open it, see docs/operations.md, Ports"
        ) from error
    try:
        Engine(remote.shell).close()
    except EngineSilent as error:
        raise NodesNotUp(f"{remote.name}: {error}") from error


def _is_back(remote: Remote) -> bool:
    remote.run_as_root(f"{FOLDER}/provision/ready.sh node")
    return True
