"""The caller: a machine or a program, as its certificate says.

The subject of a certificate is `O=flocker, OU=<role>, CN=<name>`. TLS has checked by then that
the cluster's authority signed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from flocker.base.errors import NotAllowed

Role = Literal["node", "operator", "monitor"]
ROLES: tuple[Role, ...] = get_args(Role)

ORGANIZATION = "flocker"


@dataclass(frozen=True)
class Caller:
    """The other end of a connection.

    Attributes:
        name: of the node, or what the certificate's maker called the operator or monitor.
        address: where the connection comes from.
    """

    role: Role
    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.role} '{self.name}' ({self.address})"


def certified(certificate: Mapping[str, Any], address: str) -> Caller:
    """The caller that a verified certificate names.

    Args:
        certificate: as `ssl.SSLSocket.getpeercert` returns it.

    Raises:
        NotAllowed: it names no role.
    """
    subject = [pair for part in certificate.get("subject", ()) for pair in part]
    told = dict(subject)
    name = told.get("commonName")
    role = {each: each for each in ROLES}.get(told.get("organizationalUnitName", ""))
    is_one_of_each = len(told) == len(subject) == 3
    if not is_one_of_each or told.get("organizationName") != ORGANIZATION or not role or not name:
        raise NotAllowed(
            f"the certificate of {address} names no role: its subject must be "
            f"O={ORGANIZATION}, OU={'|'.join(ROLES)}, CN=NAME"
        )
    return Caller(role, name, address)
