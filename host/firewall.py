"""Rules that Docker and libvirt leave in the packet filter after they have ended."""

import re
import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

from host.commands import attempt

TOOLS = ("iptables", "ip6tables")


@dataclass(frozen=True)
class Maker:
    """The marks of a program's rules and chains."""

    rules: re.Pattern[str]
    chains: str
    tightens_forwarding: bool = False


# dockerd sets the policy of FORWARD to DROP when it turns forwarding on.
DOCKER = Maker(
    re.compile(r"\bDOCKER\b|\bdocker0\b|\bbr-[0-9a-f]{12}\b"), "DOCKER", tightens_forwarding=True
)
LIBVIRT = Maker(re.compile(r"\bLIBVIRT_[A-Z]+\b|\bvirbr\d+\b"), "LIBVIRT_")


def read() -> dict[str, str]:
    """The rules now, as `iptables-save` prints them, per tool; empty where a tool is missing."""
    return {tool: attempt(f"{tool}-save") or "" for tool in TOOLS}


def restore(before: dict[str, str], maker: Maker) -> None:
    """Remove a program's rules that were not there before; all others stay, new ones too."""
    for tool, now in read().items():
        for arguments in undo(before[tool], now, maker):
            attempt(tool, "--wait", *arguments)


def undo(before: str, now: str, maker: Maker) -> list[list[str]]:
    """The commands' arguments that take back what a program added between two `iptables-save`.

    Rules go first, then the chains nothing refers to any more, then the policy.
    """
    old = set(_entries(before))
    rules: list[list[str]] = []
    chains: list[list[str]] = []
    policies: list[list[str]] = []
    for table, line in _entries(now):
        if (table, line) in old:
            continue
        if line.startswith("-A ") and maker.rules.search(line):
            rules.append(["-t", table, "-D", *shlex.split(line)[1:]])
        elif line.startswith(f":{maker.chains}"):
            chains.append(["-t", table, "-X", line[1:].split()[0]])
        elif line == ":FORWARD DROP" and maker.tightens_forwarding:
            policies.append(["-t", table, "-P", "FORWARD", "ACCEPT"])
    return rules + chains + policies


def masking(saved: str, subnet: IPv4Network, interfaces: Collection[str]) -> list[str]:
    """The commands that remove what hides addresses of a subnet for a bridge that is gone.

    An engine that was killed leaves the rule by which packets from its network get the address of
    this machine, unless they stay on its bridge. The next network of these addresses has another
    bridge, so its machines would see each other under one wrong address.

    Args:
        saved: what `iptables-save` prints.
        interfaces: the network interfaces that there are.
    """
    commands = []
    for table, line in _entries(saved):
        rule = re.fullmatch(r"-A POSTROUTING -s (\S+) ! -o (\S+) -j MASQUERADE", line)
        if table != "nat" or rule is None or rule[2] in interfaces:
            continue
        if IPv4Network(rule[1]).overlaps(subnet):
            commands.append(f"iptables -t nat -D {line.removeprefix('-A ')}")
    return commands


def _entries(saved: str) -> Iterator[tuple[str, str]]:
    """(table, line) of every rule and chain, without the packet counters of chains."""
    table = ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith((":", "-A ")):
            yield table, re.sub(r" \[\d+:\d+\]$", "", line)
