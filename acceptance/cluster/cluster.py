"""All nodes of one cluster: brought up, typed on, looked at, cleaned, taken down."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import requests
from paramiko import SSHException

from acceptance.base import speed
from acceptance.base.command import TIMED_OUT, Typed
from acceptance.base.waiting import eventually_true
from acceptance.cluster import cleaning, logs
from acceptance.cluster.made import Made
from acceptance.machines.protocol import Machines
from acceptance.machines.servers import Servers
from acceptance.machines.vagrant import VagrantMachines
from acceptance.nodes.access import NodeAway
from acceptance.nodes.engine import Engine, EngineSilent
from acceptance.nodes.node import DRIVER, Node
from host import turn

READY_SECONDS = 120
FEW = 20  # a longer list of owners nobody reads, and each takes a question


class Cluster:
    """All nodes of one cluster."""

    def __init__(self, machines: Machines, *, keeps_nodes: bool) -> None:
        self.machines = machines
        self._keeps_nodes = keeps_nodes
        self._nodes: dict[str, Node] = {}
        self._made = Made()
        self._turn = ExitStack()

    @classmethod
    def from_userdata(cls, userdata: Mapping[str, str]) -> Cluster:
        """Make the cluster that was chosen with `-D`.

        `inventory=FILE`: existing servers, instead of the Vagrantfile's machines.
        `keep_nodes=yes`: machines that this run brought up stay up.

        Raises:
            BadInventory: the file has mistakes.
        """
        file = userdata.get("inventory")
        machines: Machines = Servers(Path(file)) if file else VagrantMachines()
        return cls(machines, keeps_nodes=userdata.get("keep_nodes", "no") == "yes")

    @property
    def nodes(self) -> list[Node]:
        return list(self._nodes.values())

    @property
    def well_nodes(self) -> list[Node]:
        """Those that answer and know what the others do."""
        return [node for node in self.nodes if node.is_well]

    def node(self, name: str) -> Node:
        """The node of that name.

        Raises:
            KeyError: there is none; the message lists those there are.
        """
        if name not in self._nodes:
            raise KeyError(f"no node '{name}'; there are {', '.join(self._nodes)}")
        return self._nodes[name]

    def up(self) -> None:
        """Bring up the nodes that are not up, and wait until each can take work.

        Until `down` no other run can have them.

        Raises:
            NodesNotUp: one did not come up.
            NodeAway: one does not answer.
            Problem: another run has them.
        """
        self._turn.enter_context(turn.taken(self.machines.lock))
        self.machines.up()
        self.connect()
        # One after the other: nodes on the same machine would slow each other down.
        speed.NODES.measure([float(node.run(speed.COMMAND)) for node in self.nodes])
        self.wait_until_whole()

    def connect(self) -> None:
        """Find the ways to all nodes, which are up.

        Raises:
            NodeAway: one does not answer.
        """
        for access in self.machines.access():
            try:
                access.shell.open()
                engine = Engine(access.shell)
            except (OSError, EOFError, SSHException, EngineSilent) as error:
                raise access.away(error) from error
            self._nodes[access.name] = Node(access, engine)
        self._made.read(self.nodes)

    def wait_until_whole(self) -> None:
        """Wait until every node can take work and knows the others.

        Raises:
            NeverCame: one cannot.
        """
        eventually_true(
            self._announced,
            lambda names: set(self._nodes) <= names,
            what=f"{', '.join(self._nodes)} to be known to each other",
            within=READY_SECONDS,
            not_yet=(RuntimeError, OSError, NodeAway),
        )

    def down(self) -> None:
        """Let go of the nodes; take away those this run brought up, unless it may keep them."""
        for node in self.nodes:
            node.close()
        self._nodes = {}
        try:
            if not self._keeps_nodes:
                self.machines.take_back()
        finally:
            self._turn.close()

    def type(self, name: str, command: str, *, at_terminal: bool = False) -> Typed:
        """Type a command on a node as a person does; what it makes there is the suite's to remove.

        Raises:
            NodeAway: the node does not answer.
        """
        node = self.node(name)
        before = self._made.inspect(node)
        try:
            typed = node.type(command, at_terminal=at_terminal)
        except NodeAway:
            self._made.lose_sight(node)
            raise
        if typed.exit_status == TIMED_OUT:
            self._made.lose_sight(node)
        else:
            self._made.note(node, before)
        return typed

    def lose_sight(self) -> None:
        """Note that containers start where nobody types: what is there then is the suite's."""
        for node in self.nodes:
            self._made.lose_sight(node)

    def refuse_others(self) -> None:
        """Make sure that everything on the nodes was made by scenarios.

        Raises:
            NotOurs: a container or a volume was not.
            NodeAway: a node does not answer.
        """
        self._made.refuse_others(cleaning.inspect(self.nodes))

    def clean(self) -> None:
        """Leave the nodes without containers and volumes; all there are must be the suite's.

        Raises:
            NotOurs: a container or a volume was not made by a scenario; nothing is removed.
            NodeAway: a node does not answer.
            NeverCame: a volume cannot be removed.
        """
        found = cleaning.inspect(self.nodes)
        self._made.refuse_others(found)
        cleaning.remove(self.nodes, found)
        self._made.forget(self.nodes)

    def remove_made(self) -> None:
        """Remove what scenarios made, and leave everything else.

        Raises: as `clean`, but for NotOurs.
        """
        found = cleaning.inspect(self.nodes)
        ours = {name: self._made.of(name, things) for name, things in found.items()}
        cleaning.remove(self.nodes, ours)
        self._made.forget(self.nodes)

    def owner_of(self, volume: str) -> str | None:
        """The node that owns a volume, or None while there is no such volume.

        The engine of the first node that is well is asked, whoever the owner is.
        """
        return self.well_nodes[0].engine.volume_owners([volume]).get(volume)

    def owners(self) -> dict[str, str]:
        """Volume -> the node that owns it, of the driver's volumes or the first few of many."""
        for node in self.well_nodes:
            with suppress(requests.RequestException):  # any node that is up knows it
                return node.engine.volume_owners(sorted(node.engine.volumes(DRIVER))[:FEW])
        return {}

    def logs(self) -> dict[str, str]:
        """Name -> text, of everything that may explain a failure."""
        return logs.read(self.nodes)

    def environment(self) -> dict[str, str]:
        """Describe the nodes and their software for the report."""
        engines = {node.name: node.engine.version() for node in self.nodes}
        versions = set(engines.values())
        return {
            "Provider": self.machines.kind,
            "Speed of the nodes": str(speed.NODES),
            "Nodes": ", ".join(f"{node.name} {node.address}" for node in self.nodes),
            "Docker engine": ", ".join(
                versions if len(versions) == 1 else map(" ".join, engines.items())
            ),
        }

    def _announced(self) -> set[str]:
        """The nodes that all others see."""
        return set.intersection(*(node.knows() for node in self.nodes))
