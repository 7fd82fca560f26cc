"""The machines of the Vagrantfile, as nodes."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import vagrant
from paramiko import SSHConfig

from acceptance.machines import containers
from acceptance.machines.protocol import Ability, NodesNotUp
from acceptance.nodes.access import Access
from acceptance.nodes.shell import Shell
from host import LOGS, ROOT, libvirt, routes, turn
from host.nodes import SUBNET
from host.progress import last_lines, step

ADDRESSES = {"node1": "172.16.78.250", "node2": "172.16.78.251", "node3": "172.16.78.252"}
CERTIFICATES = ROOT / ".vagrant" / "certs"
UP_LOG = LOGS / "vagrant-up.log"


class VagrantMachines:
    """The machines of the Vagrantfile in this checkout, whatever they are made of."""

    def __init__(self) -> None:
        self._vagrant = vagrant.Vagrant(
            str(ROOT), out_cm=_logged, err_cm=_logged, env=dict(os.environ)
        )
        self._brought_up = False

    @property
    def kind(self) -> str:
        return self._provider

    @property
    def lock(self) -> Path:
        return turn.LOCK

    @property
    def certificates(self) -> Path:
        return CERTIFICATES / "operator"

    @property
    def abilities(self) -> frozenset[Ability]:
        # A container's pages are the host's, which goes on.
        return frozenset(Ability) - ({Ability.FORGET} if self._provider == "docker" else set())

    def up(self) -> None:
        """See Machines; those that run already are left as they are."""
        if self._all_run():
            return
        self._brought_up = True
        UP_LOG.parent.mkdir(parents=True, exist_ok=True)
        UP_LOG.write_text("")
        try:
            with step("Bringing up the nodes"):
                self._vagrant.up()
        except subprocess.CalledProcessError as error:
            raise NodesNotUp(
                f"`vagrant up` failed; the end of {UP_LOG.relative_to(ROOT)}:\n"
                + last_lines(UP_LOG)
            ) from error

    def take_back(self) -> None:
        if self._brought_up:
            self._vagrant.destroy()

    def access(self) -> Sequence[Access]:
        """See Machines.

        Raises:
            NodesNotUp: nobody has noted by which key a node is known.
        """
        config = SSHConfig.from_text(self._ssh_config)
        names = sorted(config.get_hostnames() - {"*"})
        return [
            Access(name, ADDRESSES[name], self._shell(config, name), f"vagrant reload {name}")
            for name in names
        ]

    def is_reachable(self) -> bool:
        """True if the nodes' own network is there, so that asking one of them stays on it."""
        return any(route.destination == SUBNET for route in routes.read())

    def power_off(self, node: str) -> None:
        if self._provider == "docker":
            containers.kill(self._container(node))  # Vagrant would stop the container in good order
        elif self._provider == "libvirt":
            libvirt.cut_power(f"{libvirt.MACHINE_PREFIX}{node}")  # Vagrant would press the button
        else:
            self._vagrant.halt(vm_name=node, force=True)

    def power_on(self, node: str) -> None:
        if self._provider == "docker":
            containers.start(self._container(node))  # Vagrant would look at all packages, too
        else:
            self._vagrant.up(vm_name=node)

    def pause(self, node: str) -> None:
        if self._provider == "docker":
            containers.pause(self._container(node))  # Vagrant knows no such thing of containers
        else:
            self._vagrant.suspend(vm_name=node)

    def resume(self, node: str) -> None:
        if self._provider == "docker":
            containers.unpause(self._container(node))
        else:
            self._vagrant.resume(vm_name=node)

    def _all_run(self) -> bool:
        """Tell whether all of them run: to others Vagrant does not tell the way.

        `vagrant status` would take its seconds besides.
        """
        try:
            return bool(self._ssh_config)
        except subprocess.CalledProcessError:
            return False

    @property
    def _provider(self) -> str:
        """That of the nodes there are: Vagrant keeps their ids in folders of its name."""
        ids = (ROOT / ".vagrant" / "machines").glob("*/*/id")
        return next((file.parent.name for file in ids), "none")

    @cached_property
    def _ssh_config(self) -> str:
        """Vagrant takes seconds to tell it, and it stays the same while the machines are there."""
        return str(self._vagrant.ssh_config())

    def _container(self, node: str) -> str:
        return (self._state(node) / "id").read_text().strip()

    def _shell(self, config: SSHConfig, name: str) -> Shell:
        host = config.lookup(name)
        known_hosts = self._state(name) / "known_hosts"  # by the Vagrantfile
        if not known_hosts.exists():
            raise NodesNotUp(f"{name}: its host key has not been noted; type: vagrant up {name}")
        return Shell(
            host["hostname"],
            host["user"],
            int(host["port"]),
            [Path(key) for key in host["identityfile"]],
            has_agent=False,
            known_hosts=known_hosts,
            known_as=name,
        )

    def _state(self, node: str) -> Path:
        """Vagrant's folder for what belongs to a machine; it goes with the machine."""
        return ROOT / ".vagrant" / "machines" / node / self._provider


@contextmanager
def _logged() -> Iterator[io.TextIOWrapper]:
    UP_LOG.parent.mkdir(parents=True, exist_ok=True)
    with UP_LOG.open("a") as log:
        yield log
