"""A container that has a volume, and does with it what it is told."""

from __future__ import annotations

from acceptance.nodes.node import DRIVER
from acceptance.words.volume_commands import random_file, script

NAME = "tenant"


def start(volume: str) -> str:
    """The command that starts it."""
    return (
        f"docker run -d --init --name {NAME} --volume-driver {DRIVER} -v {volume}:/data "
        "busybox sleep 1000"
    )


def write(megabytes: int) -> str:
    """The command that has it add a file to its volume."""
    return f"docker exec {NAME} {script(random_file(megabytes))}"
