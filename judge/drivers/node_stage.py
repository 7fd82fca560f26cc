"""Nodes with the driver on each of them, and the docker commands of the trials of level 3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import join, quote

from acceptance.base.command import COMMAND_SECONDS, Typed
from acceptance.cluster.cluster import Cluster
from acceptance.machines.protocol import Machines
from acceptance.machines.servers import Servers
from acceptance.machines.vagrant import VagrantMachines
from acceptance.nodes.access import NodeAway
from acceptance.nodes.node import Node
from host import turn
from judge.drivers.names import fresh_name
from judge.drivers.profile import Nodes, Profile
from judge.drivers.trial import Broken, NotTried, require

FEWEST = 2
IMAGE = "busybox"


@dataclass(frozen=True)
class NodeStage:
    """The nodes, and the machines that they run on."""

    profile: Profile
    nodes: list[Node]
    machines: Machines

    def docker(self, node: Node, *command: str, within: float = COMMAND_SECONDS) -> str:
        """Return the output of a docker command that has to succeed.

        Raises:
            Broken: it failed.
        """
        done = self.attempt(node, *command, within=within)
        said = " ".join(done.output.split())
        require(
            done.exit_status == 0,
            f"on {node.name} `docker {' '.join(command[:2])} …` failed: {said}",
        )
        return done.output.strip()

    def attempt(self, node: Node, *command: str, within: float = COMMAND_SECONDS) -> Typed:
        """Type a docker command that may fail.

        Raises:
            Broken: the node went away.
        """
        try:
            return node.type(f"sudo docker {join(command)}", within)
        except NodeAway as error:
            raise Broken(str(error)) from error

    def creation(self, node: Node, name: str) -> list[str]:
        """The docker command that creates a volume on a node."""
        assert self.profile.nodes is not None
        words = {**self.words(node), "volume": name}
        options = [
            f"--opt={key}={value.format_map(words)}"
            for key, value in self.profile.nodes.options.items()
        ]
        return ["volume", "create", "--driver", self.profile.driver, *options, name]

    def words(self, node: Node) -> dict[str, str]:
        """The words that may stand in braces in a command or an option for a node."""
        return {"address": node.address, "first_address": self.nodes[0].address}

    @contextmanager
    def volume(self) -> Iterator[str]:
        """A volume that every node's engine knows meanwhile, as Compose makes it on each.

        Raises:
            Broken: a node does not create it.
        """
        name = fresh_name()
        try:
            for node in self.nodes:
                self.docker(node, *self.creation(node, name))
            yield name
        finally:
            self.tidy(name)

    def tidy(self, name: str) -> None:
        """Remove the containers of a volume, and the volume."""
        for node in self.nodes:
            users = self.attempt(node, "ps", "-aq", "--filter", f"volume={name}").output.split()
            if users:
                self.attempt(node, "rm", "--force", *users)
        for node in self.nodes:
            self.attempt(node, "volume", "rm", "--force", name)

    def run(self, node: Node, volume: str, program: str) -> str:
        """Return the output of a container that has to succeed, with the volume at /data."""
        return self.docker(node, *self.running(volume, program))

    def running(self, volume: str, program: str) -> tuple[str, ...]:
        """The docker command of `run`."""
        return ("run", "--rm", "--volume", f"{volume}:/data", IMAGE, "sh", "-c", program)

    def start(self, node: Node, volume: str, program: str, *arguments: str) -> str:
        """Start a container with the volume at /data; its name."""
        name = fresh_name()
        self.docker(
            node,
            *("run", "--detach", "--name", name, *arguments),
            *("--volume", f"{volume}:/data", IMAGE, "sh", "-c", program),
        )
        return name

    def names(self, node: Node) -> set[str]:
        """The driver's volumes, as the engine of a node lists them."""
        driver = f"driver={self.profile.driver}"
        return set(self.docker(node, "volume", "ls", "-q", "--filter", driver).split())

    def driver_of(self, node: Node, volume: str) -> str:
        """The driver that an engine takes a volume to be of; empty if it knows no such volume."""
        done = self.attempt(node, "volume", "inspect", volume)
        return str(json.loads(done.output)[0]["Driver"]) if done.exit_status == 0 else ""


@contextmanager
def on_nodes(profile: Profile, how: Nodes, inventory: Path | None) -> Iterator[NodeStage]:
    """The nodes with the driver on them, for us only.

    Args:
        inventory: a file that lists servers; None for the nodes of the Vagrantfile.

    Raises:
        NotTried: there are too few, or the driver cannot be prepared there.
    """
    machines: Machines = VagrantMachines() if inventory is None else Servers(inventory)
    cluster = Cluster(machines, keeps_nodes=True)
    with ExitStack() as stack:
        stack.enter_context(turn.taken(machines.lock))
        machines.up()
        cluster.connect()
        for node in cluster.nodes:
            stack.callback(node.close)
        if len(cluster.nodes) < FEWEST:
            raise NotTried(f"there are {len(cluster.nodes)} nodes, and this takes {FEWEST}")
        stage = NodeStage(profile, cluster.nodes, machines)
        for node in cluster.nodes:
            stack.callback(_tidy, stage, node, how)
            _prepare(stage, node, how)
        yield stage


def _prepare(stage: NodeStage, node: Node, how: Nodes) -> None:
    for command in how.prepare:
        done = node.type(_as_root(command, stage, node))
        if done.exit_status != 0:
            said = " ".join(done.output.split()[-40:])
            raise NotTried(f"on {node.name} `{command[:60]} …` failed: {said}")


def _tidy(stage: NodeStage, node: Node, how: Nodes) -> None:
    for command in how.tidy:
        node.type(_as_root(command, stage, node))


def _as_root(command: str, stage: NodeStage, node: Node) -> str:
    return f"sudo sh -c {quote(command.format_map(stage.words(node)))}"
