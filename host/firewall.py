"""What an engine leaves in the packet filter after it has ended: Docker removes none of it."""

import re
import shlex
from collections.abc import Iterator

from host.commands import ask

TOOLS = ("iptables", "ip6tables")
DOCKERS = re.compile(r"\bDOCKER\b|\bdocker0\b|\bbr-[0-9a-f]{12}\b")


def read() -> dict[str, str]:
    """The rules now, as `iptables-save` prints them, per tool; empty where a tool is missing."""
    return {tool: ask(f"{tool}-save") or "" for tool in TOOLS}


def restore(before: dict[str, str]) -> None:
    """Remove Docker's rules that were not there before; all others stay, new ones too."""
    for tool, now in read().items():
        for arguments in undo(before[tool], now):
            ask(tool, "--wait", *arguments)


def undo(before: str, now: str) -> list[list[str]]:
    """The commands' arguments that take back what Docker added between two `iptables-save`.

    Rules go first, then the chains nothing refers to any more, then a policy that dockerd
    tightened (it sets FORWARD to DROP when it turns forwarding on).
    """
    old = set(_entries(before))
    rules: list[list[str]] = []
    chains: list[list[str]] = []
    policies: list[list[str]] = []
    for table, line in _entries(now):
        if (table, line) in old:
            continue
        if line.startswith("-A ") and DOCKERS.search(line):
            rules.append(["-t", table, "-D", *shlex.split(line)[1:]])
        elif line.startswith(":DOCKER"):
            chains.append(["-t", table, "-X", line[1:].split()[0]])
        elif line == ":FORWARD DROP":
            policies.append(["-t", table, "-P", "FORWARD", "ACCEPT"])
    return rules + chains + policies


def _entries(saved: str) -> Iterator[tuple[str, str]]:
    """(table, line) of every rule and chain, without the packet counters of chains."""
    table = ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith((":", "-A ")):
            yield table, re.sub(r" \[\d+:\d+\]$", "", line)
