"""The settings of one node's daemon, read from its environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flocker.base.errors import BadRequest

PLUGIN_SOCKET = Path("/run/docker/plugins/flocker.sock")


@dataclass(frozen=True)
class Certificates:
    """PEM files: the authorities that are trusted, and this node's certificate and key."""

    ca: Path
    cert: Path
    key: Path

    @classmethod
    def within(cls, folder: Path) -> Certificates:
        return cls(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")

    @property
    def folder(self) -> Path:
        return self.cert.parent

    @property
    def for_etcd(self) -> Certificates:
        """The driver's certificate for etcd, from etcd's own authority."""
        return self.within(self.folder / "etcd")


@dataclass(frozen=True)
class Ceph:
    """An existing Ceph, as this node reaches it.

    Attributes:
        filesystem: of CephFS, in which shared volumes are.
        folder: in it, below which they are; an absolute path.
        identity: the node's own.
        conf: Ceph's configuration, which names the monitors.
        keyring: the file with the identity's key.
    """

    filesystem: str
    folder: str = "/flocker"
    identity: str = "client.flocker-node"
    conf: Path = Path("/etc/ceph/ceph.conf")
    keyring: Path = Path("/etc/ceph/ceph.client.flocker-node.keyring")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Ceph | None:
        """Read FLOCKER_CEPH_* variables; None if there are none.

        Raises:
            BadRequest: the file system is not named, or a value cannot be.
        """
        given = sorted(name for name in environment if name.startswith("FLOCKER_CEPH_"))
        if not given:
            return None
        filesystem = environment.get("FLOCKER_CEPH_FILESYSTEM")
        if not filesystem:
            raise BadRequest(
                f"{', '.join(given)} set without FLOCKER_CEPH_FILESYSTEM; "
                "`ceph fs ls` names the file systems there are"
            )
        ceph = cls(
            filesystem,
            folder=environment.get("FLOCKER_CEPH_FOLDER", cls.folder),
            identity=environment.get("FLOCKER_CEPH_IDENTITY", cls.identity),
            conf=Path(environment.get("FLOCKER_CEPH_CONF", cls.conf)),
            keyring=Path(environment.get("FLOCKER_CEPH_KEYRING", cls.keyring)),
        )
        if not ceph.folder.startswith("/") or ceph.folder.strip("/") == "":
            raise BadRequest(
                f"FLOCKER_CEPH_FOLDER={ceph.folder} is not the path of a folder in the file "
                "system, as in /flocker"
            )
        if not re.fullmatch(r"client\.[^.\s]+", ceph.identity):
            raise BadRequest(
                f"FLOCKER_CEPH_IDENTITY={ceph.identity} is not an identity of a client, as in "
                "client.flocker-node"
            )
        return ceph


@dataclass(frozen=True)
class Config:
    """One node's daemon.

    The engine gives a Mount 120 s and then forgets it without an Unmount (docs/decisions/0001), so
    `answer_seconds` must stay well below.
    """

    node: str
    address: str
    etcd_endpoints: list[str]
    certificates: Certificates
    pool: Path = Path("/var/lib/flocker")
    runtime: Path = Path("/run/flocker")
    socket: Path = PLUGIN_SOCKET
    engine_socket: Path = Path("/run/docker.sock")
    peer_port: int = 4523
    answer_seconds: float = 90
    lease_seconds: int = 15
    retention_seconds: float = 7 * 24 * 3600
    member_certificates: Path = Path("/etc/etcd/flocker-certs")  # there where a member of etcd is
    ceph: Ceph | None = None  # for shared volumes

    @property
    def identity(self) -> Path:
        """File with this machine's identity; not in the pool, whose disk may be replaced."""
        return self.pool.with_name(f"{self.pool.name}-node") / "machine.json"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Config:
        """Read FLOCKER_* variables.

        Raises:
            BadRequest: one that is needed is missing, or has a value that cannot be.
        """
        needed = ("FLOCKER_NODE", "FLOCKER_ADDRESS", "FLOCKER_ETCD_ENDPOINTS", "FLOCKER_CERTS")
        missing = [name for name in needed if not environment.get(name)]
        if missing:
            raise BadRequest(
                f"{', '.join(missing)} not set; on a node /etc/flocker/flocker.env sets them"
            )
        return cls(
            node=environment["FLOCKER_NODE"],
            address=environment["FLOCKER_ADDRESS"],
            etcd_endpoints=environment["FLOCKER_ETCD_ENDPOINTS"].split(","),
            certificates=Certificates.within(Path(environment["FLOCKER_CERTS"])),
            pool=Path(environment.get("FLOCKER_POOL", cls.pool)),
            retention_seconds=_days(environment) * 24 * 3600,
            ceph=Ceph.from_environment(environment),
        )


def _days(environment: Mapping[str, str]) -> float:
    text = environment.get("FLOCKER_RETENTION_DAYS", "7")
    try:
        days = float(text)
    except ValueError:
        days = -1
    if not 0 <= days < 100_000:
        raise BadRequest(f"FLOCKER_RETENTION_DAYS={text} is not a number of days")
    return days
