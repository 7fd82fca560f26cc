"""The machines the nodes run on, from outside: their power switch, and holding them still."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any


class Machines:
    """Switches the machines of a Vagrantfile off, on and still, whatever they are made of.

    Args:
        machines: a `vagrant.Vagrant`; that class has no annotations.
    """

    def __init__(self, machines: Any, provider: str) -> None:
        self._vagrant = machines
        self._provider = provider

    def power_off(self, node: str) -> None:
        """Take a node's power away: nothing on it is told, nothing is closed."""
        if self._provider == "docker":
            self._docker("kill", node)  # Vagrant would stop the container in good order
        else:
            self._vagrant.halt(vm_name=node, force=True)

    def power_on(self, node: str) -> None:
        """Start a node that is off; return when its engine and its driver answer."""
        self._vagrant.up(vm_name=node)

    def hold(self, node: str) -> None:
        """Stop time on a node: nothing on it runs, nothing of it is lost."""
        if self._provider == "docker":
            self._docker("pause", node)  # Vagrant knows no such thing of containers
        else:
            self._vagrant.suspend(vm_name=node)

    def let_go(self, node: str) -> None:
        """Let time go on."""
        if self._provider == "docker":
            self._docker("unpause", node)
        else:
            self._vagrant.resume(vm_name=node)

    def _docker(self, verb: str, node: str) -> None:
        state = Path(self._vagrant.root, ".vagrant", "machines", node, "docker", "id")
        subprocess.run(
            ["docker", verb, state.read_text().strip()], check=True, capture_output=True, text=True
        )
