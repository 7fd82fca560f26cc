"""An inventory: the file that says which servers play node1, node2 and so on.

    nodes:
      node1: {address: 203.0.113.10, user: admin, key: ~/.ssh/id_ed25519}
      node2: {address: 203.0.113.11, user: admin, key: ~/.ssh/id_ed25519}
      node3: {address: 203.0.113.12, user: admin, key: ~/.ssh/id_ed25519}

docs/operations.md tells what each key means.
"""

from __future__ import annotations

import os
import pwd
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from acceptance.base import yaml_file

MINIMUM_NODES = 2
OWN_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


class BadInventory(Exception):
    """The file cannot be used; one line per mistake, each naming the file and the key."""


def home() -> Path:
    """The home directory of whoever typed the command, also when it was typed behind sudo."""
    user = os.environ.get("SUDO_USER")
    return Path(pwd.getpwnam(user).pw_dir) if user else Path.home()


def own_name() -> str:
    """The name of whoever typed the command, also when it was typed behind sudo."""
    return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name


def _existing(key: Path) -> Path:
    if key.parts[0] == "~":
        key = home().joinpath(*key.parts[1:])
    if not key.is_file():
        raise PydanticCustomError("no_key", "there is no such file: {path}", {"path": str(key)})
    return key


def _host_address(address: IPv4Address) -> IPv4Address:
    # The other nodes have to reach it too.
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        raise PydanticCustomError("no_host", "no other server can reach that address")
    return address


class Power(BaseModel):
    """Commands on this machine that do to a server what its owner could do by hand.

    `off` and `on` cut its power and give it back; `pause` and `resume` stop its time and let it
    go on, as a hypervisor does. Each pair is optional.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    off: str | None = Field(default=None, min_length=1)
    on: str | None = Field(default=None, min_length=1)
    pause: str | None = Field(default=None, min_length=1)
    resume: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _pairs(self) -> Power:
        for first, second in (("off", "on"), ("pause", "resume")):
            if (getattr(self, first) is None) != (getattr(self, second) is None):
                raise PydanticCustomError(
                    "half_a_switch",
                    "{first} and {second} belong together",
                    {"first": first, "second": second},
                )
        return self


class Server(BaseModel):
    """One server, and how to log in.

    Attributes:
        address: by which the other nodes and this machine reach it; one of its own.
        key: a private key; None for the agent's and those in ~/.ssh.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: Annotated[IPv4Address, AfterValidator(_host_address)]
    user: str = Field(default_factory=own_name, min_length=1)
    port: int = Field(default=22, ge=1, le=65535)
    key: Annotated[Path, AfterValidator(_existing)] | None = None
    power: Power = Power()

    @property
    def login(self) -> str:
        """The command that logs in."""
        key = f"-i {self.key} " if self.key else ""
        port = f"-p {self.port} " if self.port != 22 else ""
        return f"ssh {key}{port}{self.user}@{self.address}"

    @property
    def keys(self) -> list[Path]:
        """The private keys to try."""
        if self.key:
            return [self.key]
        folder = home() / ".ssh"
        return [folder / name for name in OWN_KEYS if (folder / name).exists()]


class Inventory(BaseModel):
    """The servers of one cluster, by the node each of them plays: node1, node2 and so on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    nodes: dict[str, Server]

    @field_validator("nodes")
    @classmethod
    def _gapless(cls, nodes: dict[str, Server]) -> dict[str, Server]:
        expected = [f"node{number}" for number in range(1, max(len(nodes), MINIMUM_NODES) + 1)]
        if set(nodes) != set(expected):
            raise PydanticCustomError(
                "names",
                "expected {expected}, not {found}",
                {"expected": ", ".join(expected), "found": ", ".join(nodes) or "none"},
            )
        return {name: nodes[name] for name in expected}

    @field_validator("nodes")
    @classmethod
    def _distinct(cls, nodes: dict[str, Server]) -> dict[str, Server]:
        seen: dict[IPv4Address, str] = {}
        for name, server in nodes.items():
            if server.address in seen:
                raise PydanticCustomError(
                    "twice",
                    "{first} and {second} have the same address",
                    {"first": seen[server.address], "second": name},
                )
            seen[server.address] = name
        return nodes


def read(path: Path) -> Inventory:
    """The inventory in a file.

    Raises:
        BadInventory: it cannot be read, or something in it is wrong.
    """
    return yaml_file.read(path, Inventory, BadInventory)
