"""Everything about a server that decides whether it can be a node, read by one command."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from shlex import quote

from fabric import Connection
from invoke.exceptions import CommandTimedOut

from acceptance.machines.protocol import NOTES

FOLDER = "/vagrant"  # the README's name for what a node has of the checkout
FOLDER_MARK = f"{NOTES}/folder"  # without it, FOLDER is somebody else's
SCENARIOS_MARK = f"{NOTES}/scenarios"
"""While it is there, scenarios have been on the server, and what they made is in made.RECORD."""

READ_SECONDS = 60
READ = f"""
. /etc/os-release
echo "system $ID $VERSION_ID"
echo "architecture $(dpkg --print-architecture)"
[ ! -d /run/systemd/system ] || echo "has systemd"
if grep -qw btrfs /proc/filesystems || modprobe --dry-run btrfs 2>/dev/null; then
    echo "has btrfs"
fi
ip -4 -oneline address show | awk '{{ sub("/.*", "", $4); print "address", $4 }}'
ss -Hltnp | awk '{{ sub(".*:", "", $4); print "listener", $4, $6 }}'
if command -v docker >/dev/null; then
    timeout 20 docker ps --all --format 'container {{{{.State}}}} {{{{.Names}}}}'
    timeout 20 docker volume ls --format 'volume {{{{.Name}}}}'
fi
settings=/etc/docker/daemon.json
if [ -e $settings ]; then
    cmp -s $settings /etc/flocker/daemon.json || cmp -s $settings {FOLDER}/provision/daemon.json ||
        echo "has other-settings"
fi
[ ! -e {FOLDER} ] || [ -e {FOLDER_MARK} ] || [ -z "$(ls -A {FOLDER})" ] || echo "has other-folder"
[ ! -e {SCENARIOS_MARK} ] || echo "has scenarios"
sed -n 's/^FLOCKER_NODE=/node /p; s/^FLOCKER_ETCD_ENDPOINTS=/endpoints /p' \\
    /etc/flocker/flocker.env 2>/dev/null
[ ! -e /etc/flocker/certs/ca.pem ] || sed 's/^/authority /' /etc/flocker/certs/ca.pem
! timeout 20 flocker status --json 2>/dev/null | grep -Eq '"is_connected": ?true' || echo "has work"
echo "free $(df --output=avail --block-size=1 /var/lib | tail -n 1)"
"""


class NotRead(Exception):
    """The facts cannot be had; the message says why."""


@dataclass(frozen=True)
class Facts:
    """Everything about a server that decides whether it can be, or already is, a node."""

    system: str  # like "debian 12"
    architecture: str  # like "amd64"
    node: str  # which one it is already, empty when it is none
    authorities: frozenset[str]  # the certificates of those it trusts, in base64
    etcd_members: int  # of its cluster; 0 when it is no node
    free_bytes: int
    addresses: tuple[str, ...]
    listeners: Mapping[int, str]  # port -> who listens
    containers: Mapping[str, str]  # name -> state
    volumes: tuple[str, ...]
    has: frozenset[str]

    @property
    def is_used_by_scenarios(self) -> bool:
        """True if everything on it is left from scenarios."""
        return "scenarios" in self.has

    @property
    def is_working(self) -> bool:
        """True if it is a node that can agree with the others."""
        return "work" in self.has


def read(shell: Connection) -> Facts:
    """The facts of a server.

    Raises:
        NotRead: its user may not use sudo.
    """
    try:
        done = shell.run(
            f"sudo -n sh -c {quote(READ)}",
            hide=True, warn=True, in_stream=False, timeout=READ_SECONDS,
        )  # fmt: skip
    except CommandTimedOut as error:
        raise NotRead(f"has not told about itself within {READ_SECONDS} s") from error
    if "free " not in done.stdout:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise NotRead(
            f"{shell.user} must be allowed to use sudo without a password; it said: {last}"
        )
    return parse(done.stdout)


def parse(printed: str) -> Facts:
    """The facts in what the command of `read` printed."""
    found: dict[str, list[str]] = {}
    for line in printed.splitlines():
        key, _, value = line.partition(" ")
        found.setdefault(key, []).append(value.strip())

    def first(key: str) -> str:
        return found.get(key, [""])[0]

    return Facts(
        system=first("system"),
        architecture=first("architecture"),
        node=first("node"),
        authorities=certificates_in("\n".join(found.get("authority", ()))),
        etcd_members=first("endpoints").count("https://"),
        free_bytes=int(first("free")),
        addresses=tuple(found.get("address", ())),
        listeners=dict(map(_listener, found.get("listener", ()))),
        containers={name: state for state, _, name in map(_split, found.get("container", ()))},
        volumes=tuple(found.get("volume", ())),
        has=frozenset(found.get("has", ())),
    )


def certificates_in(pem: str) -> frozenset[str]:
    """The certificates of a file, each in base64."""
    found = re.findall("-----BEGIN CERTIFICATE-----(.*?)-----END", pem, re.DOTALL)
    return frozenset("".join(each.split()) for each in found)


def _listener(line: str) -> tuple[int, str]:
    """`2379 users:(("etcd",pid=812,fd=7))` -> 2379, "etcd (process 812)"."""
    port, _, users = line.partition(" ")
    fields = users.replace('"', "").removeprefix("users:((").split(",")
    program, process = (*fields, "")[:2]
    number = process.removeprefix("pid=")
    return int(port), f"{program} (process {number})" if number else "somebody"


def _split(line: str) -> tuple[str, str, str]:
    return line.partition(" ")
