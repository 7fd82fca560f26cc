"""The steps that make nodes of an inventory's servers; each may be repeated."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from shlex import quote

from acceptance.machines import facts, preflight, upload
from acceptance.machines.facts import FOLDER, FOLDER_MARK, Facts, NotRead
from acceptance.machines.preflight import Check, Wanted
from acceptance.machines.protocol import NOTES, NodesNotUp
from acceptance.machines.remote import Remote, on_all
from host import ROOT
from host.commands import to_its_end
from host.progress import step

ETCD_MEMBERS = 3  # any one of them may die; more would only make every decision slower
UPLOADED = ("provision/**/*", "app/**/*", "build/deb/*.deb", "build/box/images/*.tar")
MANIFEST = "acceptance/manifest.py"  # a scenario runs it in a container
CERTIFICATES_ON_SERVER = "/tmp/flocker-certs"  # noqa: S108 - made by root for root, see upload.place
APP_SECRETS_ON_SERVER = "/tmp/moby-counter"  # noqa: S108 - likewise


class Installation:
    """One cluster's.

    Args:
        remotes: all of its servers, in the order of their names.
        keys: the folder for the cluster's keys.
    """

    def __init__(self, remotes: Sequence[Remote], keys: Path) -> None:
        self._remotes = remotes
        self._keys = keys
        self._environment = dict(os.environ)  # builds may need what `direct_connections` hides

    def run(self, checks: Sequence[Check]) -> None:
        """Make nodes of the servers, or bring those that are nodes up to date.

        Nothing is changed on any before all have passed the checks. Nodes that work are brought
        up to date one after the other, so that the cluster goes on.

        Raises:
            NodesNotUp: one line per thing to mend; or a server could not be made a node.
        """
        with step(f"Looking at {_list(self._remotes)}"):
            found = self.check(checks)
        self._make_on_this_machine()
        self._make_certificates()
        with step(f"Copying driver and images to {_list(self._remotes)}"):
            on_all(self._upload, self._remotes)
        working = [remote for remote in self._remotes if found[remote.name].is_working]
        others = [remote for remote in self._remotes if not found[remote.name].is_working]
        if others:
            with step(f"Making nodes of {_list(others)}"):
                on_all(self._make_node, others)
        for remote in working:
            with step(f"Bringing {remote.name} up to date"):
                self._make_node(remote)
                self._wait_for_cluster(remote)
        if others:
            with step("Waiting until the nodes work together"):
                self._wait_for_cluster(others[-1])

    def check(self, checks: Sequence[Check]) -> dict[str, Facts]:
        """Read the facts of all servers, by the names of the nodes.

        Raises:
            NodesNotUp: a server cannot be read, or a check found something; a line for each thing.
        """
        architecture = subprocess.run(
            ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
        ).stdout.strip()
        trusted = self._keys / "ca" / "ca.pem"
        authorities = facts.certificates_in(trusted.read_text() if trusted.exists() else "")
        found: dict[str, Facts] = {}

        def check(remote: Remote) -> None:
            at = f"{remote.name}: {remote.address}"
            try:
                found[remote.name] = remote.read()
            except NotRead as error:
                raise NodesNotUp(f"{at} {error}") from error
            wanted = Wanted(
                remote.name,
                remote.address,
                remote.server.login,
                architecture,
                authorities,
                len(self._members()),
            )
            problems = preflight.problems(found[remote.name], wanted, checks)
            if problems:
                raise NodesNotUp("\n".join(f"{at} {each}" for each in problems))

        on_all(check, self._remotes)
        return found

    def _make_on_this_machine(self) -> None:
        """Build the driver's package and the story's images, unless they are up to date."""
        for what in (("host", "deb"), ("box", "story")):
            _run_here([sys.executable, "-m", *what], self._environment)

    def _make_certificates(self) -> None:
        pairs = [f"{remote.name}={remote.address}" for remote in self._remotes]
        keys = self._keys.absolute()
        for command in (
            ["provision/certificates", str(keys), *pairs],
            ["provision/app-password", str(keys / "app")],
        ):
            _run_here(command, os.environ)

    def _upload(self, remote: Remote) -> None:
        remote.run_as_root(f"mkdir -p {NOTES} && touch {FOLDER_MARK}")
        remote.mirror(upload.below(ROOT, *UPLOADED, MANIFEST), FOLDER)

    def _make_node(self, remote: Remote) -> None:
        """Run what makes a node of a machine."""
        remote.place(upload.below(self._keys / remote.name, "**/*"), CERTIFICATES_ON_SERVER)
        remote.place(upload.below(self._keys / "app", "*"), APP_SECRETS_ON_SERVER)
        members = ",".join(f"{each.name}={each.address}" for each in self._members())
        remote.run_as_root(
            f"{FOLDER}/provision/node.sh {remote.name} {remote.address} {members}"
            f" && usermod --append --groups docker {quote(remote.server.user)}"
            f" && {FOLDER}/provision/ready.sh node"
        )
        remote.shell.close()  # who is in a group is asked at login

    def _members(self) -> Sequence[Remote]:
        """The nodes with a member of etcd: two would survive no more than one does."""
        return self._remotes[: ETCD_MEMBERS if len(self._remotes) >= ETCD_MEMBERS else 1]

    def _wait_for_cluster(self, remote: Remote) -> None:
        remote.run_as_root(f"{FOLDER}/provision/ready.sh cluster {len(self._remotes)}")


def _run_here(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a program in this checkout, which shows what goes wrong.

    Raises:
        NodesNotUp: it failed.
    """
    if to_its_end(command, cwd=ROOT, env=environment):
        raise NodesNotUp(f"`{shlex.join(command)}` failed; see above")


def _list(remotes: Iterable[Remote]) -> str:
    return ", ".join(remote.name for remote in remotes)
