"""The authorities of a cluster, and the certificates that a node makes for itself.

A cluster has two authorities: one for drivers and who calls them, one for etcd and its clients.
Each signs an authority for each node, which can sign for no other: its name constraints permit that
node's subject, name and address only. The node has its key, and makes its short-lived certificates
with that, each with a new key.

OpenSSL checks all of these constraints, Go those of names and addresses. They are not marked
critical, because Go refuses a critical constraint of a kind that it does not check.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flocker.certificates import signing
from flocker.certificates.signing import DAY_SECONDS, Wanted

NODE, OPERATOR, MONITOR = "node", "operator", "monitor"  # the roles
AUTHORITY = "authority"

AUTHORITY_SECONDS = 3650 * DAY_SECONDS
LEAF_SECONDS = 90 * DAY_SECONDS
RENEW_SECONDS = 30 * DAY_SECONDS  # before its end a leaf is made anew

REFUSED = "refused.crl"  # in the folder of a member of etcd; see refusals.py

ROOT = """basicConstraints = critical, CA:true, pathlen:1
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash"""

OF_A_NODE = """basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
nameConstraints = @permitted
[permitted]
permitted;DNS.1 = {name}
permitted;DNS.2 = localhost
permitted;IP.1 = {address}/255.255.255.255
permitted;IP.2 = 127.0.0.1/255.255.255.255
permitted;dirName = subject
[subject]
O = flocker
OU = {role}
CN = {name}"""

LEAF = """basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = {usage}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid"""

NAMES = """
subjectAltName = DNS:{name}, DNS:localhost, IP:{address}, IP:127.0.0.1"""


@dataclass(frozen=True)
class Leaf:
    """A certificate of a node: its folder, the folder of its issuer, and what it is for."""

    what: str
    folder: Path
    issuer: Path
    is_server: bool

    def is_good(self) -> bool:
        """Tell whether it need not be made anew yet."""
        return signing.is_good(self.folder, self.issuer, RENEW_SECONDS)

    def make(self, name: str, address: str) -> None:
        """Make it, with a new key.

        Raises: as `signing.make`.
        """
        names = NAMES.format(name=name, address=address) if self.is_server else ""
        usage = "serverAuth, clientAuth" if self.is_server else "clientAuth"
        extensions = LEAF.format(usage=usage) + names
        signing.make(self.folder, Wanted(NODE, name, extensions, LEAF_SECONDS), self.issuer)


def leaves(certs: Path, member: Path) -> list[Leaf]:
    """The certificates of a node.

    Args:
        certs: the driver's folder; its own certificate is there, the one for etcd in `etcd`.
        member: the folder of the node's member of etcd.
    """
    drivers, etcd = certs / "authority" / "drivers", certs / "authority" / "etcd"
    return [
        Leaf("driver", certs, drivers, is_server=True),
        Leaf("client of etcd", certs / "etcd", etcd, is_server=False),
        # etcd asks itself as a client too.
        Leaf("member of etcd", member, etcd, is_server=True),
    ]


def of_a_person(role: str, name: str) -> Wanted:
    """The certificate of who is no node, and calls drivers only."""
    return Wanted(role, name, LEAF.format(usage="clientAuth"), LEAF_SECONDS)


def root(name: str) -> Wanted:
    """The certificate of an authority of the cluster."""
    return Wanted(AUTHORITY, name, ROOT, AUTHORITY_SECONDS)


def authority_of_a_node(name: str, address: str) -> Wanted:
    """The certificate of an authority that can sign for one node."""
    extensions = OF_A_NODE.format(role=NODE, name=name, address=address)
    return Wanted(AUTHORITY, name, extensions, AUTHORITY_SECONDS)
