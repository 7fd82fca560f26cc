"""A swarm of all nodes, and the services that run on it."""

from __future__ import annotations

from collections.abc import Sequence

from acceptance.base.waiting import eventually, eventually_true
from acceptance.cluster.cluster import Cluster
from acceptance.nodes.node import Node

PORT = 2377  # where managers of a swarm listen
OF_SERVICE = "label=com.docker.swarm.service.name="
HEARTBEAT = "2s"  # with Docker's own 5 s, a service was away for 45 to 53 s after a death
GONE_SECONDS = 60
HEARD_SECONDS = 30


class Swarm:
    """All nodes of a cluster as managers, so that the swarm survives the loss of one."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._is_formed = False

    def form(self) -> None:
        """Join all nodes; every manager can be reached when this returns."""
        self._cluster.lose_sight()  # a swarm starts containers wherever it likes
        first, *others = self._cluster.nodes
        self._is_formed = True  # in part, as soon as one node has begun
        first.run(
            f"docker swarm init --dispatcher-heartbeat {HEARTBEAT} --advertise-addr {first.address}"
        )
        token = first.run("docker swarm join-token --quiet manager").strip()
        for node in others:
            node.run(
                f"docker swarm join --advertise-addr {node.address} --token {token}"
                f" {first.address}:{PORT}"
            )
        listed = "docker node ls --format '{{.Status}} {{.ManagerStatus}}'"
        eventually(
            lambda: sorted(first.run(listed).splitlines()),
            is_=["Ready Leader", *["Ready Reachable"] * len(others)],
            within=HEARD_SECONDS,
        )

    def wait_for(self, service: str, *, elsewhere: str | None = None, within: float) -> Node:
        """Wait until a service runs, and return its node.

        Args:
            elsewhere: the name of a node that does not count.

        Raises:
            NeverCame: it does not.
        """
        place = "a node" if elsewhere is None else f"a node other than {elsewhere}"
        nodes = eventually_true(
            lambda: [node for node in self._nodes_of(service) if node.name != elsewhere],
            bool,
            what=f"the service {service} to run on {place}",
            within=within,
        )
        return nodes[0]

    def lines(self, service: str, node: Node, file: str) -> list[str]:
        """Return the lines of a file, as the service's container on that node sees it."""
        container = node.run(f"docker ps --quiet --filter {OF_SERVICE}{service}").strip()
        return node.run(f"docker exec {container} cat {file}").splitlines()

    def leave(self) -> None:
        """End all services, and have every node leave; their containers are gone then."""
        if not self._is_formed:
            return
        nodes = self._cluster.nodes
        nodes[0].run("docker service ls --quiet | xargs --no-run-if-empty docker service rm")
        eventually(lambda: [*map(_containers, nodes)], is_=[""] * len(nodes), within=GONE_SECONDS)
        for node in nodes:
            node.run("docker swarm leave --force")

    def _nodes_of(self, service: str) -> Sequence[Node]:
        """The nodes that have a running container of the service, and answer."""
        return [node for node in self._cluster.well_nodes if _containers(node, service)]


def _containers(node: Node, service: str = "") -> str:
    """The running containers of a service, or of all services, on a node."""
    label = f"{OF_SERVICE}{service}" if service else OF_SERVICE.removesuffix("=")
    return node.run(f"docker ps --quiet --filter {label}").strip()
