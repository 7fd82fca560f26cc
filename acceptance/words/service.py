"""A service of a swarm, as a command to type: it adds a line to its volume each second."""

from __future__ import annotations

from acceptance.nodes.node import DRIVER
from acceptance.words.volume_commands import SAID


def start(service: str, volume: str) -> str:
    """Start it on a node that the swarm chooses."""
    mount = f"source={volume},target=/data,volume-driver={DRIVER}"
    return (
        f"docker service create --detach --name {service} --mount {mount} "
        f'busybox sh -c "while date >> {SAID}; do sleep 1; done"'
    )
