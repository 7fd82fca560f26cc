"""The person at the keyboard: types commands, and the report keeps what came of each."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Literal

from acceptance.base import evidence
from acceptance.base.command import COMMAND_SECONDS, Typed
from acceptance.base.ports import DRIVER_PORT, ETCD_PORT
from acceptance.base.speed import Limit
from acceptance.cluster.cluster import Cluster
from host import ROOT

HOME = "your machine"
MONITOR = "acceptance"
CURL = "--silent --show-error --fail-with-body --max-time 30"

NOTHING = nullcontext()

Role = Literal["operator", "monitor"]


class Operator:
    """Types on the nodes of a cluster, and at home in the repository."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._noted: dict[tuple[str, str], str] = {}

    def type(
        self,
        node: str,
        command: str,
        *,
        at_terminal: bool = False,
        during: AbstractContextManager[object] = NOTHING,
    ) -> Typed:
        """Type a command on a node.

        Args:
            during: entered at the moment the command is typed, left when it has ended.
        """
        owners_before = self._cluster.owners()
        with during:
            typed = self._cluster.type(node, command, at_terminal=at_terminal)
        evidence.typed(typed)
        evidence.owners(owners_before, self._cluster.owners())
        return typed

    def type_at_once(self, nodes: Sequence[str], command: str) -> list[Typed]:
        """Type the same command on several nodes at the same moment; one answer per node."""
        with ThreadPoolExecutor() as threads:
            answers = list(threads.map(lambda node: self._cluster.type(node, command), nodes))
        for typed in answers:
            evidence.typed(typed)
        return answers

    def type_everywhere(self, command: str) -> list[Typed]:
        """Type the same command on all nodes at the same moment; one answer per node."""
        return self.type_at_once([node.name for node in self._cluster.nodes], command)

    def note(self, label: str, typed: Typed, volume: str) -> None:
        """Remember by a label the state of a volume, like `wiki@3`, that was named last.

        Raises:
            AssertionError: none was named that was not noted before.
        """
        named = re.findall(rf"(?<![\w.-]){re.escape(volume)}@[\w-]+", typed.output)
        new = [state for state in named if state not in self._noted.values()]
        assert new, f"no new state of '{volume}' in: {typed.output}"
        self._noted[volume, label] = new[-1]

    def noted(self, volume: str, label: str) -> str:
        """Return the state of a volume that was noted by that label.

        Raises:
            KeyError: none was.
        """
        return self._noted[volume, label]

    def type_at_home(self, command: str) -> Typed:
        """Type a command in the repository's folder, with no variable of ours set."""
        seconds = Limit(COMMAND_SECONDS).seconds
        plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        started = time.monotonic()
        try:
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=ROOT,
                env=plain,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=seconds,
                check=False,
            )
            output, status = done.stdout, done.returncode
        except subprocess.TimeoutExpired as error:
            output = f"{error.output or ''}\n(no end after {seconds:.3g} s)"
            status = 124
        typed = Typed(None, HOME, command, output, status, time.monotonic() - started)
        evidence.typed(typed)
        return typed

    def ask_driver(self, node: str, what: str, *, role: Role | None, method: str = "GET") -> Typed:
        """Have a program on this machine ask a node's driver, e.g. for its "metrics".

        Args:
            role: whose certificate it has; None for none.
        """
        own = ""
        if role is not None:
            folder = self._certificates(role)
            own = f"--cert {folder / 'cert.pem'} --key {folder / 'key.pem'} "
        return self._ask(node, DRIVER_PORT, what, f"{own}--request {method}")

    def ask_etcd(self, node: str) -> Typed:
        """Have a program without a certificate ask a node's etcd whether it is well."""
        return self._ask(node, ETCD_PORT, "health", "--insecure")

    def ask_as_node(self, asker: str, node: str, volume: str) -> Typed:
        """Have `asker`, with its own certificate, ask another node for a volume's snapshots."""
        files = "/etc/flocker/certs/"
        address = self._cluster.node(node).address
        return self.type(
            asker,
            f"sudo curl {CURL} --cacert {files}ca.pem --cert {files}cert.pem --key {files}key.pem "
            f"https://{address}:{DRIVER_PORT}/{self.snapshots_route(asker, volume)}",
        )

    def snapshots_route(self, node: str, volume: str) -> str:
        """Where a driver tells of the snapshots of a volume, whose id `node` tells."""
        known = self._cluster.node(node).run(
            f"docker volume inspect -f {{{{.Status.id}}}} {volume}"
        )
        return f"copies/{known.strip()}/snapshots"

    def _ask(self, node: str, port: int, what: str, options: str) -> Typed:
        authority = self._cluster.machines.certificates / "ca.pem"
        address = self._cluster.node(node).address
        return self.type_at_home(
            f"curl {CURL} --cacert {authority} {options} https://{address}:{port}/{what}"
        )

    def _certificates(self, role: Role) -> Path:
        operators = self._cluster.machines.certificates
        if role == "operator":
            return operators
        made = self.type_at_home(f"provision/certificates {operators.parent} --monitor {MONITOR}")
        return Path(made.output.strip())
