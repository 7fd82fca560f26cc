from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from host import ROOT
from tests.servers.machines import USER, Server, servers, start

LONGEST_SECONDS = 1500


@dataclass(frozen=True)
class Site:
    """Some servers, and the home directory of the person who has them."""

    home: Path
    servers: Sequence[Server]
    public_key: str

    @property
    def inventory(self) -> Path:
        return self.home / "servers.yml"

    @property
    def known_hosts(self) -> Path:
        return self.home / ".ssh" / "known_hosts"

    def describe(self, addresses: Sequence[str]) -> None:
        """Write an inventory with node1, node2 and so on at these addresses."""
        entries = (
            f"  node{number}: {{address: {address}, user: {USER}}}\n"
            for number, address in enumerate(addresses, 1)
        )
        self.inventory.write_text("nodes:\n" + "".join(entries))

    def start(self, number: int, debian: str) -> Server:
        """Order one more server, and log in to it once."""
        server = start(number, debian)
        server.let_in(self.public_key)
        with self.known_hosts.open("a") as known:
            known.write(server.known_host())
        return server

    def know(self, servers: Sequence[Server]) -> None:
        """Have logged in to these servers before."""
        self.known_hosts.write_text("".join(server.known_host() for server in servers))

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a module of this checkout as that person; standard error comes with the output."""
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env={**os.environ, "HOME": str(self.home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )

    def up(self) -> subprocess.CompletedProcess[str]:
        return self.python("acceptance", "up", str(self.inventory))

    def down(self) -> subprocess.CompletedProcess[str]:
        return self.python("acceptance", "down", str(self.inventory))

    def behave(self, tags: str) -> subprocess.CompletedProcess[str]:
        return self.python("behave", "-D", f"inventory={self.inventory}", f"--tags={tags}")


@pytest.fixture(scope="module")
def new_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Site]]:
    """Makes a site of servers with these releases of Debian; one at a time."""
    with ExitStack() as stack:

        def make(*releases: str) -> Site:
            stack.close()
            home = tmp_path_factory.mktemp("home")
            key = home / ".ssh" / "id_ed25519"
            key.parent.mkdir()
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
            public_key = key.with_suffix(".pub").read_text().strip()
            site = Site(home, stack.enter_context(servers(releases)), public_key)
            for server in site.servers:
                server.let_in(public_key)
            site.know(site.servers)
            site.describe([server.address for server in site.servers])
            return site

        yield make
