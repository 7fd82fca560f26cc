"""Servers there were before, as nodes: checked, made nodes over ssh, and never taken away.

Longer than 300 lines because it implements the whole interface of protocol.py.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from pathlib import Path
from shlex import quote

from invoke.exceptions import UnexpectedExit
from paramiko import AuthenticationException, BadHostKeyException, SSHException

from acceptance.base.ports import DRIVER_PORT
from acceptance.base.waiting import eventually
from acceptance.machines import inventory, preflight, upload
from acceptance.machines.inventory import Server, home
from acceptance.machines.preflight import (
    FOLDER,
    FOLDER_MARK,
    SCENARIOS_MARK,
    Facts,
    NotRead,
    Wanted,
)
from acceptance.machines.protocol import NOTES, Ability, NodesNotUp
from acceptance.nodes.access import Access
from acceptance.nodes.engine import Engine, EngineSilent
from acceptance.nodes.shell import Shell
from acceptance.nodes.watchful import CONNECT_SECONDS
from host import LOGS, ROOT, routes
from host.progress import last_lines, step
from host.routes import Route

ETCD_MEMBERS = 3  # any one of them may die; more would only make every decision slower
UPLOADED = ("provision/**/*", "app/**/*", "build/deb/*.deb", "build/box/images/*.tar")
MANIFEST = "acceptance/manifest.py"  # a scenario runs it in a container
CERTIFICATES_ON_SERVER = "/tmp/flocker-certs"  # noqa: S108 - made by root for root, see upload.place
APP_SECRETS_ON_SERVER = "/tmp/moby-counter"  # noqa: S108 - likewise
BACK_SECONDS = 300


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
        self._servers = inventory.read(path).nodes
        self._keys = path.with_suffix(".certs")
        self._shells = {name: _shell(server) for name, server in self._servers.items()}
        self._environment = dict(os.environ)  # builds may need what `direct_connections` hides
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
        switches = [server.power for server in self._servers.values()]
        found = set()
        if all(switch.off for switch in switches):
            found |= {Ability.POWER, Ability.FORGET}
        if all(switch.hold for switch in switches):
            found.add(Ability.HOLD)
        return frozenset(found)

    def up(self) -> None:
        """Make the servers nodes, and theirs who run scenarios; see Machines."""
        self.install(preflight.BEFORE_SCENARIOS)
        self._on_all(self._reach)
        self._on_all(lambda name: self._as_root(name, f"touch {SCENARIOS_MARK}"))

    def install(self, checks: Sequence[preflight.Check] = preflight.BEFORE_INSTALLING) -> None:
        """Make nodes of the servers, or bring those that are nodes up to date.

        Nothing is changed on any before all have passed the checks. Nodes that work are brought
        up to date one after the other, so that the cluster goes on.

        Raises:
            NodesNotUp: one line per thing to mend; or a server could not be made a node.
        """
        with step(f"Looking at {_list(self._servers)}"):
            facts = self._check(checks)
        self._make_on_this_machine()
        self._make_certificates()
        with step(f"Copying driver and images to {_list(self._servers)}"):
            self._on_all(self._upload)
        working = [name for name in self._servers if facts[name].is_working]
        others = [name for name in self._servers if not facts[name].is_working]
        if others:
            with step(f"Making nodes of {_list(others)}"):
                self._on_all(self._make_node, others)
        for name in working:
            with step(f"Bringing {name} up to date"):
                self._make_node(name)
                self._wait_for_cluster(name)
        if others:
            with step("Waiting until the nodes work together"):
                self._wait_for_cluster(others[-1])
        known = routes.read()
        self._interfaces = {
            name: interface_to(server.address, known) for name, server in self._servers.items()
        }

    def are_used_by_scenarios(self) -> bool:
        """Whether scenarios ran on one of them since `give_back`.

        Raises:
            NodesNotUp: a server cannot be reached.
        """
        return any(found.is_used_by_scenarios for found in self._check(()).values())

    def give_back(self) -> None:
        """Say on each server that nothing on it is the scenarios' any more."""
        self._on_all(lambda name: self._as_root(name, f"rm -f {SCENARIOS_MARK}"))

    def access(self) -> Sequence[Access]:
        return [
            Access(name, str(server.address), self._shells[name], server.login)
            for name, server in self._servers.items()
        ]

    def is_reachable(self) -> bool:
        """Whether packets for each server leave as they did when it was last logged in to.

        A VPN that went down would have them leave by the default route, to whoever has such an
        address there.
        """
        known = routes.read()
        return all(
            interface_to(server.address, known) == self._interfaces.get(name)
            for name, server in self._servers.items()
        )

    def take_back(self) -> None:
        """Servers stay what they are: nodes."""

    def power_off(self, node: str) -> None:
        self._switch(node, self._servers[node].power.off)

    def power_on(self, node: str) -> None:
        self._switch(node, self._servers[node].power.on)
        self._shells[node].close()
        eventually(
            lambda: self._is_back(node),
            is_=True,
            within=BACK_SECONDS,
            not_yet=(OSError, EOFError, SSHException, NodesNotUp),
        )

    def hold(self, node: str) -> None:
        self._switch(node, self._servers[node].power.hold)

    def let_go(self, node: str) -> None:
        self._switch(node, self._servers[node].power.let_go)

    def _check(self, checks: Sequence[preflight.Check]) -> dict[str, Facts]:
        architecture = subprocess.run(
            ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
        ).stdout.strip()
        trusted = self._keys / "ca" / "ca.pem"
        authorities = preflight.certificates_in(trusted.read_text() if trusted.exists() else "")
        facts: dict[str, Facts] = {}

        def look(name: str) -> None:
            server = self._servers[name]
            try:
                facts[name] = self._read(name)
            except preflight.NotRead as error:
                raise NodesNotUp(f"{name}: {server.address} {error}") from error
            wanted = Wanted(
                name,
                str(server.address),
                server.login,
                architecture,
                authorities,
                len(self._members()),
            )
            found = preflight.problems(facts[name], wanted, checks)
            if found:
                raise NodesNotUp("\n".join(f"{name}: {server.address} {each}" for each in found))

        self._on_all(look)
        return facts

    def _read(self, name: str) -> Facts:
        server, shell = self._servers[name], self._shells[name]
        try:
            shell.open()
            return preflight.read(shell)
        except BadHostKeyException as error:
            raise NotRead(
                "shows another host key than ~/.ssh/known_hosts has; if it was set up anew, "
                f"type: ssh-keygen -R {server.address}; then: {server.login}"
            ) from error
        except AuthenticationException as error:
            raise NotRead(f"does not let {server.user} in; find out why: {server.login}") from error
        except SSHException as error:
            if "known_hosts" not in str(error):
                raise NotRead(f"speaks no ssh at port {server.port}: {error}") from error
            raise NotRead(
                "has a host key that ~/.ssh/known_hosts does not know; "
                f"log in once, and compare it: {server.login}"
            ) from error
        except (OSError, EOFError) as error:
            raise NotRead(
                f"does not answer at port {server.port} ({error}); is it up, "
                "and does a firewall keep this machine out?"
            ) from error

    def _make_on_this_machine(self) -> None:
        """Build the driver's package and the story's images, unless they are up to date."""
        for what in (("host", "deb"), ("box", "story")):
            try:
                subprocess.run(
                    [sys.executable, "-m", *what], cwd=ROOT, env=self._environment, check=True
                )
            except subprocess.CalledProcessError as error:
                raise NodesNotUp(f"`python3 -m {' '.join(what)}` failed; see above") from error

    def _make_certificates(self) -> None:
        pairs = [f"{name}={server.address}" for name, server in self._servers.items()]
        subprocess.run([ROOT / "provision" / "certificates", self._keys, *pairs], check=True)
        subprocess.run([ROOT / "provision" / "app-password", self._keys / "app"], check=True)

    def _upload(self, name: str) -> None:
        self._as_root(name, f"mkdir -p {NOTES} && touch {FOLDER_MARK}")
        files = upload.below(ROOT, *UPLOADED, MANIFEST)
        self._carry(name, lambda: upload.mirror(self._shells[name], files, FOLDER))

    def _make_node(self, name: str) -> None:
        """Run what makes a node of a machine; safe to repeat."""
        server = self._servers[name]
        keys = upload.below(self._keys / name, "**/*")
        password = upload.below(self._keys / "app", "*")
        self._carry(name, lambda: upload.place(self._shells[name], keys, CERTIFICATES_ON_SERVER))
        self._carry(name, lambda: upload.place(self._shells[name], password, APP_SECRETS_ON_SERVER))
        members = [f"{each}={self._servers[each].address}" for each in self._members()]
        self._as_root(
            name,
            f"{FOLDER}/provision/node.sh {name} {server.address} {','.join(members)}"
            f" && usermod --append --groups docker {quote(server.user)}"
            f" && {FOLDER}/provision/ready.sh node",
        )
        self._shells[name].close()  # who is in a group is asked at login

    def _members(self) -> list[str]:
        """The nodes with a member of etcd: two would survive no more than one does."""
        names = list(self._servers)
        return names[:ETCD_MEMBERS] if len(names) >= ETCD_MEMBERS else names[:1]

    def _wait_for_cluster(self, name: str) -> None:
        self._as_root(name, f"{FOLDER}/provision/ready.sh cluster {len(self._servers)}")

    def _reach(self, name: str) -> None:
        """Fail where this machine does not get to what scenarios use."""
        address = str(self._servers[name].address)
        try:
            socket.create_connection((address, DRIVER_PORT), CONNECT_SECONDS).close()
        except OSError as error:
            raise NodesNotUp(
                f"{name}: {address} does not let this machine to port {DRIVER_PORT} ({error}); "
                "open it, see docs/operations.md, Ports"
            ) from error
        try:
            Engine(self._shells[name]).close()
        except EngineSilent as error:
            raise NodesNotUp(f"{name}: {error}") from error

    def _is_back(self, name: str) -> bool:
        self._as_root(name, f"{FOLDER}/provision/ready.sh node")
        return True

    def _switch(self, name: str, command: str | None) -> None:
        assert command is not None, f"the inventory has no such switch for {name}; see abilities"
        subprocess.run(["bash", "-c", command], check=True, capture_output=True, text=True)

    def _as_root(self, name: str, command: str) -> None:
        """Run a line of shell on a server, its output to a log of that server's.

        Raises:
            NodesNotUp: it failed; holds the end of the log.
        """
        log = LOGS / f"server-{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as output:
            try:
                self._shells[name].run(
                    f"sudo -n sh -c {quote(command)}",
                    hide=True, in_stream=False, out_stream=output, err_stream=output,
                )  # fmt: skip
            except UnexpectedExit as error:
                output.flush()
                raise NodesNotUp(
                    f"{name}: `{command}` ended with status {error.result.exited}; "
                    f"the end of {log.relative_to(ROOT)}:\n{last_lines(log)}"
                ) from error

    def _carry(self, name: str, do: Callable[[], object]) -> None:
        try:
            do()
        except upload.UploadFailed as error:
            raise NodesNotUp(f"{name}: files could not be put on it: {error}") from error

    def _on_all(self, do: Callable[[str], None], names: Iterable[str] | None = None) -> None:
        """Do something on several servers at once; say of all of them what went wrong.

        Raises:
            NodesNotUp: something did, on one or more.
        """
        with ThreadPoolExecutor() as threads:
            doing = [threads.submit(do, name) for name in names or self._servers]
        errors = [error for each in doing if (error := each.exception()) is not None]
        for error in errors:
            if not isinstance(error, NodesNotUp):
                raise error
        if errors:
            raise NodesNotUp("\n".join(map(str, errors)))


def interface_to(address: IPv4Address, known: Sequence[Route]) -> str | None:
    """The interface by which packets for an address leave; None where they cannot."""
    fitting = [route for route in known if address in route.destination]
    return (
        max(fitting, key=lambda route: route.destination.prefixlen).interface if fitting else None
    )


def _shell(server: Server) -> Shell:
    return Shell(
        str(server.address),
        server.user,
        server.port,
        server.keys,
        has_agent=server.key is None,
        # Keys of the cluster go to these servers, so they have to be who they were when their owner
        # logged in the last time.
        known_hosts=home() / ".ssh" / "known_hosts",
    )


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
